//! What the real binary leaves for CI is XML as its schema has it, whatever came out and whatever texts say.

mod support;

use std::fs;

use support::junit::wrong;
use support::{GOOD, folder, misrule, text};

#[test]
fn the_schema_is_held_to() {
    let suite = |inside: &str| {
        format!(
            "<testsuites><testsuite name=\"a\" tests=\"1\" failures=\"0\" errors=\"0\">{inside}</testsuite></testsuites>"
        )
    };
    let whole =
        |document: &str| document.replace("<testsuites>", "<testsuites tests=\"1\" failures=\"0\" errors=\"0\">");
    assert_eq!(wrong(&whole(&suite("<testcase name=\"b\"/>"))), [""; 0]);
    for (document, expected) in [
        (suite("<testcase name=\"b\"/>").as_str(), "testsuites None has 1 testcase, and says None"),
        (&whole(&suite("<testcase/>")), "testcase lacks name"),
        (&whole(&suite("<testcase name=\"b\" seed=\"1\"/>")), "testcase has no attribute seed"),
        (&whole(&suite("<testcase name=\"b\" name=\"c\"/>")), "testcase: position"),
        (&whole(&suite("<testcase name=\"b\" time=\"40 ms\"/>")), "testcase: no time: 40 ms"),
        (&whole(&suite("<testcase name=\"b\"><failure/></testcase>")), "has 1 failure, and says Some(\"0\")"),
        (&whole(&suite("<testcase name=\"b\">text</testcase>")), "text outside of a message"),
        (&whole(&suite("<testcase name=\"b\"/><failure/>")), "failure does not belong there"),
        (&whole(&suite("<testcase name=\"b\"/><note/>")), "no element of the schema: note"),
        (&whole(&suite("<testcase name=\"b\"><system-out>\u{1b}</system-out></testcase>")), "a character that XML"),
        (&whole(&suite("<testcase name=\"b\">")), "no XML"),
    ] {
        let found = wrong(document).join("\n");
        assert!(found.contains(expected), "{document}\n{found}");
    }
}

#[test]
fn every_report_for_ci_fits_the_schema() {
    let acting = r"<b> & ]]> \u001b[31m \u0000 \u009b \u202e";
    let told = GOOD.replace("A sale", &format!("A {acting} sale"));
    let broken = format!("{told}\n[faults]\n\"payment.charge#1\" = \"lost_reply\"\n\n[expect]\nanswer = \"failed\"\n");
    let nothing = format!("{GOOD}\n[faults]\n\"payment.charge#9\" = \"cut\"\n");
    let folder = folder(&[
        ("scenarios/a&b/broken.toml", broken.as_bytes()),
        ("scenarios/a&b/inconclusive.toml", nothing.as_bytes()),
        ("scenarios/alone.toml", told.as_bytes()),
    ]);
    let read = |name: &str| fs::read_to_string(folder.path().join("target/misrule").join(name)).expect("a report");
    let check = |words: &[&str], code: i32, report: &str, holds: &[&str]| {
        let output = misrule(folder.path(), words);
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{}", text(&output.stderr));
        let document = read(report);
        assert_eq!(wrong(&document), [""; 0], "{words:?}\n{document}");
        for part in holds {
            assert!(document.contains(part), "{words:?} {part}\n{document}");
        }
    };
    check(
        &[],
        1,
        "junit.xml",
        &["<failure ", "type=\"inconclusive\"", "\"beyond the scenarios\"", " file=\"scenarios/a&amp;b/"],
    );
    check(&["checkout/happy_path"], 0, "junit.xml", &["<testcase "]);
    let explore = ["explore", "a&b/broken", "checkout/happy_path", "--depth", "1", "--menu", "core"];
    check(&explore, 1, "exploration.xml", &["<failure ", "<system-out>"]);
    check(&["explore", "checkout/happy_path", "--depth", "1"], 0, "exploration.xml", &["<testcase "]);
}
