//! `misrule explore` and `misrule merge` through the real binary: what is printed and left behind, and that it is the
//! same whoever shares the work.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{GOOD, folder, misrule, text};

/// A sale with few faults at few places. What it expects is never met, so that there is a finding.
fn flawed() -> String {
    format!(
        "{GOOD}\n[expect]\nstanding = {{ charge = 7 }}\n\n[explore]\nsites = [\"payment.charge\", \"inventory.reserve\", \
         \"journal.write\"]\nfaults = [\"lost_reply\", \"garbage\", \"crash\"]\n"
    )
}

/// The same without a flaw.
fn sound() -> String {
    flawed().replace("charge = 7", "charge = 1")
}

/// The report that was left in a folder, without what is measured.
fn report(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("exploration.json")).expect("a report");
    let mut report: Value = serde_json::from_str(&text).expect("JSON");
    report.as_object_mut().expect("an object").remove("measured").expect("what is measured stands apart");
    report
}

fn at_most_100_columns(text: &str) {
    // Replay lines are copied whole.
    for line in text.lines().filter(|line| !line.contains("replay: ")) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_sound_system_is_explored_and_nothing_is_found() {
    let folder = folder(&[("scenarios/a/sale.toml", sound().as_bytes())]);
    let output = misrule(folder.path(), &["explore", "a/sale", "--depth", "2"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(said.contains("found: nothing broken") && said.contains("runs/s on"), "{said}");
    assert!(said.contains("; without further faults ") && said.contains("/s on one"), "{said}");
    assert!(said.contains("all is well; next: --depth 3 --menu core: "), "{said}");
    at_most_100_columns(&said);
    let report = report(&folder.path().join("target/misrule"));
    let space = &report["spaces"][0];
    let sum = |key: &str| space["levels"].as_array().unwrap().iter().map(|it| it[key].as_u64().unwrap()).sum::<u64>();
    assert!(sum("plans") > 300, "{space}");
    assert_eq!(sum("plans"), sum("run") + sum("merged_observed") + sum("merged_restart"));
    let markdown = fs::read_to_string(folder.path().join("target/misrule/exploration.md")).expect("a report");
    assert!(markdown.contains("| `lost_reply` | ● | ● |"), "{markdown}");
}

#[test]
fn a_finding_leaves_a_scenario_that_is_the_same_run() {
    let folder = folder(&[("scenarios/a/sale.toml", flawed().as_bytes())]);
    let output = misrule(folder.path(), &["explore", "a/sale", "--depth", "1"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    at_most_100_columns(&said);
    let out = folder.path().join("target/misrule");
    let finding = &report(&out)["spaces"][0]["findings"][0];
    assert_eq!((&finding["rule"], &finding["level"]), (&Value::from("expectation"), &Value::from(0)));
    let replay = finding["shown"]["replay"].as_str().expect("a line");
    assert!(said.contains(replay), "{said}");
    assert!(fs::read_to_string(out.join("exploration.xml")).expect("a report").contains("<failure"));
    // Moved in as it is, it breaks the gate in the same way.
    fs::rename(out.join("failures/expectation-1.toml"), folder.path().join("scenarios/a/left_behind.toml"))
        .expect("the file that the report names");
    let gate = misrule(folder.path(), &["a/left_behind"]);
    assert_eq!(gate.status.code(), Some(1), "{}", text(&gate.stdout));
}

#[test]
fn the_report_is_the_same_for_any_number_of_threads() {
    let folder = folder(&[("scenarios/a/sale.toml", flawed().as_bytes())]);
    let explored = |threads: &str, words: &[&str]| {
        let out = format!("out{threads}");
        let all = [&["explore", "a/sale", "--depth", "1", "--threads", threads, "--out", &out], words].concat();
        assert_eq!(misrule(folder.path(), &all).status.code(), Some(1));
        let mut report = report(&folder.path().join(&out));
        // Where the files are is the one thing that was asked for otherwise.
        report["spaces"][0]["findings"][0]["shown"]["written_to"].take();
        report
    };
    assert_eq!(explored("1", &[]), explored("3", &[]));
    let random = ["--random", "--runs", "300", "--seed", "5"];
    let model = explored("1", &random);
    assert_eq!(model["spaces"][0]["random"]["runs"], 300);
    assert_eq!(model, explored("4", &random));
}

#[test]
fn the_shards_of_an_exploration_are_merged_into_the_whole() {
    let folder = folder(&[("scenarios/a/sale.toml", flawed().as_bytes())]);
    let explore = |words: &[&str]| misrule(folder.path(), &[&["explore", "a/sale", "--depth", "2"], words].concat());
    assert_eq!(explore(&["--out", "all"]).status.code(), Some(1));
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("shard{}", &shard[..1]);
        assert_eq!(explore(&["--shard", shard, "--out", &out]).status.code(), Some(1));
    }
    let reports = ["shard3/exploration.json", "shard1/exploration.json", "shard2/exploration.json"];
    let merged = misrule(folder.path(), &[&["merge", "--out", "all"], &reports[..]].concat());
    assert_eq!(merged.status.code(), Some(1), "{}", text(&merged.stderr));
    let whole = report(&folder.path().join("all"));
    assert_eq!(explore(&["--out", "all"]).status.code(), Some(1));
    assert_eq!(whole, report(&folder.path().join("all")));
    let two = misrule(folder.path(), &[&["merge"], &reports[..2]].concat());
    assert_eq!(two.status.code(), Some(2));
    let said = text(&two.stderr);
    assert!(said.contains("shard 2 of 3 is missing") && said.contains("nothing was merged"), "{said}");
}

#[test]
fn another_payment_profile_is_named_by_the_replay_line() {
    let folder = folder(&[("scenarios/a/sale.toml", sound().as_bytes())]);
    let all = misrule(folder.path(), &["explore", "a/sale", "--depth", "1", "--profile", "all"]);
    assert_eq!(all.status.code(), Some(0), "{}", text(&all.stdout));
    let report = report(&folder.path().join("target/misrule"));
    let profiles: Vec<_> = report["spaces"].as_array().unwrap().iter().map(|space| &space["profile"]).collect();
    assert_eq!(profiles, ["stripe", "acp", "keyless", "keyless_no_cancel"]);
    let replayed = misrule(folder.path(), &["replay", "a/sale", "--profile", "keyless"]);
    assert_eq!(replayed.status.code(), Some(0));
    let own = misrule(folder.path(), &["replay", "a/sale"]);
    assert_ne!(text(&replayed.stdout), text(&own.stdout));
}

#[test]
fn a_finding_is_confirmed_on_the_wire() {
    let wire =
        "worlds = [\"sim\", \"wire\"]\n\n[policy]\nattempt_timeout_ms = 1000\ntool_deadline_ms = 4000\n\n[[script]]";
    let real = flawed().replacen("[[script]]", wire, 1);
    let folder = folder(&[("scenarios/a/real.toml", real.as_bytes()), ("scenarios/a/sale.toml", flawed().as_bytes())]);
    let explore = |name| text(&misrule(folder.path(), &["explore", name, "--depth", "0", "--confirm"]).stdout);
    assert!(explore("a/real").contains("  confirmed on the wire, in every event\n"), "{}", explore("a/real"));
    assert!(explore("a/sale").contains("  not confirmed: a/sale does not run on the wire\n"));
}
