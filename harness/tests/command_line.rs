//! The real binary on bad input: each with a sentence that says what, where and what to do, the right exit code, and
//! nothing half-written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str = "title = \"A sale\"\nlesson = \"It goes well.\"\ncovers = [\"F4\"]\n\n[[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\nargs = { items = [{ sku = \"tea-set\", quantity = 1 }], currency = \"EUR\" }\n\n[[script]]\ncall = \"create_order\"\nintent = \"gift\"\nargs = { payment_method_id = \"pm_visa\", idempotency_key = \"{key:pay}\" }\n";

/// A fresh folder with `scenarios/checkout/happy_path.toml` and these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let good = ("scenarios/checkout/happy_path.toml", GOOD.as_bytes());
    for (name, contents) in files.iter().chain([&good]) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, contents).expect("a file");
    }
    folder
}

fn misrule(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_misrule"))
        .args(words)
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("the binary runs")
}

/// The command, its exit code and all it said.
fn said(folder: &Path, words: &[&str]) -> String {
    let output = misrule(folder, words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let code = output.status.code().expect("it ended by itself");
    assert_eq!(text(&output.stdout), "", "nothing was run, so nothing is on stdout");
    let err = text(&output.stderr);
    for line in err.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    format!("misrule {}\nexit code {code}\n\n{err}", words.join(" "))
}

macro_rules! refused {
    ($($name:ident: [$($file:expr => $contents:expr),*], [$($word:expr),*];)*) => {
        $(
            #[test]
            fn $name() {
                let folder = folder(&[$(($file, $contents.as_ref())),*]);
                insta::assert_snapshot!(said(folder.path(), &[$($word),*]));
                assert!(!folder.path().join("target").exists(), "nothing was run, nothing is written");
            }
        )*
    };
}

refused! {
    an_unknown_scenario: [], ["checkout/hapy_path"];
    an_unknown_option: [], ["run", "--sed", "3"];
    an_unknown_world: [], ["run", "--world", "moon"];
    a_scenario_with_many_mistakes: [
        "scenarios/x.toml" => "titel = \"x\"\nlesson = \"L.\"\nworlds = [\"sim\", \"wire\"]\n\n[policy]\nattempts_mx = 3\n\n[stock]\ntea-sett = 3\n\n[[script]]\ncall = \"create_ordr\"\n\n[[script]]\ncall = \"get_order\"\nargs = { order_id = \"{order:gift}\" }\nrepeat = 2\nconcurrent = 2\n\n[faults]\n\"payment.charge#1\" = \"lost_replay\"\n\"payment.chrage#1\" = \"reset\"\n\n[expect]\nbroken = [\"one-efect\"]\n"
    ], ["run", "x"];
    a_mistake_in_each_of_two_files: [
        "scenarios/x.toml" => GOOD.replace("title", "titel"),
        "scenarios/y.toml" => GOOD.replace("create_order", "order")
    ], [];
    an_empty_file: ["scenarios/x.toml" => ""], ["x"];
    a_file_that_is_not_toml: ["scenarios/x.toml" => "title = \"x\nlesson = 3\n"], ["x"];
    a_file_that_is_not_text: ["scenarios/x.toml" => b"title = \"\xff\"\n"], ["x"];
    a_folder_without_scenarios: ["other/readme.md" => ""], ["--scenarios", "other"];
    a_folder_that_is_not_there: [], ["--scenarios", "nowhere"];
    a_report_folder_that_cannot_be: ["file" => ""], ["--out", "file/reports"];
    a_plan_with_an_unknown_fault: [], ["replay", "checkout/happy_path", "--plan", "payment.charge#1: lost_replay"];
    a_plan_with_an_unknown_site: [], ["replay", "checkout/happy_path", "--plan", "payment.chrage#1: reset"];
    a_plan_for_a_step_that_is_not_there: [], ["replay", "checkout/happy_path", "--plan", "payment.charge@9#1: reset"];
    a_plan_that_contradicts_itself: [],
        ["replay", "checkout/happy_path", "--plan", "payment.charge#1: reset; payment.charge#1: cut"];
    a_replay_where_the_scenario_does_not_run: [], ["replay", "checkout/happy_path", "--world", "wire"];
    a_word_that_explains_nothing: [], ["explain", "lost_replay"];
    a_schema_of_nothing: [], ["schema", "world"];
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_read() {
    let folder = folder(&[]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("scenarios/x.toml")).expect("a link");
    insta::assert_snapshot!(said(folder.path(), &[]));
}

#[test]
fn a_report_that_cannot_be_kept_is_told_and_ends_with_exit_code_4() {
    let folder = folder(&[("out/report.json/in_the_way", b"")]);
    let output = misrule(folder.path(), &["checkout/happy_path", "--out", "out"]);
    assert_eq!(output.status.code(), Some(4));
    let err = String::from_utf8(output.stderr).expect("text");
    assert!(err.starts_with("error: out/report.json could not be written: "), "{err}");
    assert!(err.contains("the report above is all there is"), "{err}");
    assert!(String::from_utf8(output.stdout).expect("text").contains("checkout/happy_path"));
}

#[test]
fn a_replay_is_the_same_byte_for_byte() {
    let folder = folder(&[]);
    let words = ["replay", "checkout/happy_path", "--plan", "payment.charge#1: lost_reply", "--seed", "7"];
    let first = misrule(folder.path(), &words);
    assert!(!first.stdout.is_empty());
    assert_eq!(first, misrule(folder.path(), &words));
}

#[test]
fn what_a_scenario_expects_is_held_to_its_own_plan_only() {
    let own = "inventory.reserve#1: lost_reply; payment.charge#1: declined(expired_card)";
    let declined = format!(
        "{GOOD}expect = \"PAYMENT_DECLINED\"\n\n[faults]\n\"inventory.reserve#1\" = \"lost_reply\"\n\
         \"payment.charge#1\" = \"declined(expired_card)\"\n\n[expect]\nstanding = {{ charge = 0 }}\n"
    );
    let missed = declined.replace("charge = 0", "charge = 7");
    let folder =
        folder(&[("scenarios/a/declined.toml", declined.as_bytes()), ("scenarios/a/missed.toml", missed.as_bytes())]);
    let other_order = "payment.charge#1: declined(expired_card); inventory.reserve#1: lost_reply";
    let (met, left_out) = ("all met", "left out: they belong to the scenario's own plan");
    for (scenario, plan, code, line) in [
        ("a/declined", None, 0, met),
        ("a/declined", Some(own), 0, met),
        ("a/declined", Some(other_order), 0, met),
        ("a/declined", Some("payment.charge#1: lost_reply"), 0, left_out),
        ("a/declined", Some(""), 0, left_out),
        ("a/missed", None, 1, "not met: at rest 7 charge should stand, but 0 stand"),
        ("a/missed", Some(""), 0, left_out),
    ] {
        let plan: Vec<_> = plan.into_iter().flat_map(|plan| ["--plan", plan]).collect();
        let output = misrule(folder.path(), &[&["replay", scenario], plan.as_slice()].concat());
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(code), "{scenario} {plan:?}\n{text}");
        assert!(text.contains(&format!("\nexpectations\n  {line}\n")), "{scenario} {plan:?}\n{text}");
    }
}

#[test]
fn words_of_each_kind_are_explained() {
    let folder = folder(&[]);
    let mut text = String::new();
    for word in ["lost_reply", "outage", "payment_declined", "g4"] {
        let output = misrule(folder.path(), &["explain", word]);
        assert_eq!(output.status.code(), Some(0), "{word}");
        text.push_str(&String::from_utf8(output.stdout).expect("text"));
        text.push('\n');
    }
    insta::assert_snapshot!(text);
    let output = misrule(folder.path(), &["explain", "F4"]);
    assert!(String::from_utf8(output.stdout).expect("text").contains("covered by: checkout/happy_path"));
}

#[test]
fn what_there_is_can_be_listed() {
    let folder = folder(&[]);
    let list = |words: &[&str]| {
        let output = misrule(folder.path(), &[&["list"], words].concat());
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    assert_eq!(list(&[]), "checkout/happy_path  sim       F4\n    A sale\n");
    assert!(list(&["--faults"]).contains("payment.charge#1: lost_reply"));
    assert!(list(&["--sites"]).contains("inventory.release\n"));
    for line in list(&["--oracles"]).lines().chain(list(&["--sites"]).lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::Stdio;
    let folder = folder(&[]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_misrule"))
        .args(["schema", "scenario"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
