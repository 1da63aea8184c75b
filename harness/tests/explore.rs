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
    assert!(said.contains("found: nothing broken") && said.contains("runs/s"), "{said}");
    assert!(said.contains("without further faults"), "{said}");
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

/// A sale whose second charge request is lost too: a provider that ignores keys is not asked a second time.
const TWICE: &str = "\n[faults]\n\"payment.charge#1\" = \"lost_request\"\n\"payment.charge#2\" = \"lost_request\"\n";

/// Three scenarios in two themes, one of them flawed.
fn several() -> tempfile::TempDir {
    let twice = sound().replacen("\n[expect]", &format!("{TWICE}\n[expect]"), 1);
    folder(&[
        ("scenarios/a/sale.toml", sound().as_bytes()),
        ("scenarios/a/twice.toml", twice.as_bytes()),
        ("scenarios/b/flawed.toml", flawed().as_bytes()),
        ("scenarios/checkout/happy_path.toml", sound().as_bytes()),
    ])
}

/// The spaces of a report: scenario and payment profile.
fn spaces(report: &Value) -> Vec<(String, String)> {
    let spaces = report["spaces"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    spaces.map(|space| (text(&space["scenario"]), text(&space["profile"]))).collect()
}

#[test]
fn several_scenarios_share_the_work_and_one_report() {
    let folder = several();
    let explore = |words: &[&str], threads: &str| {
        let out = format!("out{threads}");
        let output = misrule(folder.path(), &[&["explore", "--threads", threads, "--out", &out], words].concat());
        let mut report = report(&folder.path().join(&out));
        for finding in report["spaces"]
            .as_array_mut()
            .expect("a list")
            .iter_mut()
            .flat_map(|space| space["findings"].as_array_mut().expect("a list"))
        {
            finding["shown"]["written_to"].take();
        }
        (output, report)
    };
    let (output, all) = explore(&["--all"], "1");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    at_most_100_columns(&said);
    assert!(said.contains("4 scenarios; payment profiles: stripe 4\nup to 1 fault, full menu: "), "{said}");
    assert!(said.contains("found: 1 finding (expectation) in 1 of 4 spaces\n"), "{said}");
    assert!(said.contains("\n  b/flawed  stripe  expectation\n"), "{said}");
    assert_eq!(said.matches("BROKEN").count(), 1, "{said}");
    let own = |name: &str| (name.to_owned(), "stripe".to_owned());
    assert_eq!(spaces(&all), ["a/sale", "a/twice", "b/flawed", "checkout/happy_path"].map(own));
    assert!(all["coverage"]["places"].is_array() && all["spaces"][0]["coverage"].is_null());
    assert_eq!(explore(&["--all"], "3").1, all, "whoever shares the work");
    let (_, folders) = explore(&["a", "checkout/happy_path"], "2");
    assert_eq!(spaces(&folders), ["a/sale", "a/twice", "checkout/happy_path"].map(own));
    let (random, model) = explore(&["--all", "--random", "--runs", "303", "--depth", "0"], "1");
    let said = text(&random.stdout);
    assert!(said.contains("random beyond 0 faults: 303 runs, the same as --runs 303 --seed 1; on average "), "{said}");
    let runs: Vec<_> =
        model["spaces"].as_array().expect("a list").iter().map(|space| &space["random"]["runs"]).collect();
    assert_eq!(runs, [76, 76, 76, 75]);
    assert_eq!(explore(&["--all", "--random", "--runs", "303", "--depth", "0"], "4").1, model);
}

#[test]
fn shards_of_several_scenarios_are_merged_into_the_whole() {
    let folder = several();
    let explore = |words: &[&str]| misrule(folder.path(), &[&["explore", "--all", "--depth", "1"], words].concat());
    assert_eq!(explore(&["--profile", "all", "--out", "all"]).status.code(), Some(1));
    let whole = report(&folder.path().join("all"));
    for shard in ["1/2", "2/2"] {
        let out = format!("shard{}", &shard[..1]);
        assert_eq!(explore(&["--profile", "all", "--shard", shard, "--out", &out]).status.code(), Some(1));
    }
    let merged =
        misrule(folder.path(), &["merge", "--out", "all", "shard2/exploration.json", "shard1/exploration.json"]);
    assert_eq!(merged.status.code(), Some(1), "{}", text(&merged.stderr));
    assert_eq!(whole, report(&folder.path().join("all")));
}

#[test]
fn a_payment_profile_under_which_own_faults_never_strike_is_left_out_and_named() {
    let folder = several();
    let all = misrule(folder.path(), &["explore", "a", "--depth", "0", "--profile", "all"]);
    let said = text(&all.stdout);
    assert_eq!(all.status.code(), Some(0), "{said}");
    let left_out = "not tried under keyless, where faults of their own plan never strike (1): a/twice\n";
    assert!(said.contains(left_out), "{said}");
    let document = report(&folder.path().join("target/misrule"));
    assert_eq!(document["left_out"][0]["unfired"][0], "payment.charge#2: lost_request");
    assert_eq!(spaces(&document).len(), 6);
    // Asked for alone it is tried, and supports no verdict.
    let alone = misrule(folder.path(), &["explore", "a/twice", "--depth", "0", "--profile", "keyless"]);
    let said = text(&alone.stdout);
    assert_eq!(alone.status.code(), Some(3), "{said}");
    assert!(said.contains("INCONCLUSIVE The planned fault `payment.charge#2: lost_request` never fired"), "{said}");
}

#[test]
fn under_another_profile_nothing_that_the_file_expects_counts() {
    // The file's own run parks nothing, and says so by default; under a provider that cannot cancel an order is parked.
    let parks = format!(
        "{GOOD}\n[faults]\n\"payment.charge#1\" = \"lost_request\"\n\"provider.payment\" = \"outage(from=2, calls=1000)\"\n\
         \n[expect]\nstanding = {{ charge = 7 }}\n"
    );
    let folder = folder(&[("scenarios/a/parks.toml", parks.as_bytes())]);
    let explore = |profile| misrule(folder.path(), &["explore", "a/parks", "--depth", "0", "--profile", profile]);
    assert_eq!(explore("stripe").status.code(), Some(1), "the own profile");
    let foreign = explore("keyless_no_cancel");
    assert_eq!(foreign.status.code(), Some(0), "{}", text(&foreign.stdout));
}

#[test]
fn sites_and_faults_are_chosen_on_the_command_line() {
    let folder = folder(&[("scenarios/a/sale.toml", sound().as_bytes())]);
    let explore = |words: &[&str]| misrule(folder.path(), &[&["explore", "a/sale", "--depth", "1"], words].concat());
    let output =
        explore(&["--sites", "payment.charge,inventory.commit", "--faults", "lost_reply,status(499, retry_after=3)"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let report = report(&folder.path().join("target/misrule"));
    let space = &report["spaces"][0];
    assert_eq!(space["levels"][1]["plans"], 4, "{space}");
    let places: Vec<_> = space["coverage"]["places"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|place| (&place["place"], &place["struck"]))
        .collect();
    let both = serde_json::json!(["lost_reply", "status"]);
    assert_eq!(places, [(&Value::from("payment.charge"), &both), (&Value::from("inventory.commit"), &both)]);
    for (words, why) in [
        (["--sites", "payment.chrge"], "unknown site `payment.chrge`; did you mean `payment.charge`?"),
        (["--sites", ""], "a word is missing"),
        (["--faults", "lost_replay"], "unknown fault `lost_replay`; did you mean `lost_reply`?"),
        (["--faults", "status(99)"], "a status is a whole number from 200 to 599"),
        (["--faults", "yield"], "nothing can go wrong there: none of these faults is on the menu"),
        (["--scenarios", "empty"], "unknown scenario `a/sale`"),
    ] {
        fs::create_dir_all(folder.path().join("empty")).expect("a folder");
        let refused = explore(
            &[&["--sites", "payment.charge"], &words[..]].concat()[if words[0] == "--sites" { 2 } else { 0 }..],
        );
        let said = text(&refused.stderr).replace('\n', " ");
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && said.contains("nothing was run"), "{said}");
    }
    for words in [&["explore", "empty"][..], &["explore", "--all", "--scenarios", "empty"]] {
        let refused = misrule(folder.path(), words);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains("no scenario (*.toml) under empty"), "{}", text(&refused.stderr));
    }
    assert_eq!(misrule(folder.path(), &["explore"]).status.code(), Some(2));
}

#[test]
fn what_was_named_and_never_struck_is_inconclusive() {
    let folder = folder(&[("scenarios/a/sale.toml", GOOD.as_bytes())]);
    let reports = folder.path().join("target/misrule");
    let read = |name: &str| fs::read_to_string(reports.join(name)).expect("a report");
    for (words, tried, doubts) in [
        (
            &["a/sale", "--sites", "payment.methods"][..],
            "1 plan, 1 run",
            &["payment.methods never came in a/sale."][..],
        ),
        (
            &["a/sale", "--sites", "payment.charge,payment.methods", "--faults", "garbage"],
            "2 plans, 2 run",
            &["payment.methods never came in a/sale."],
        ),
        (
            &["a/sale", "--sites", "payment.charge,journal.write", "--faults", "lost_reply,garbage"],
            "3 plans, 3 run",
            &["nothing that was asked for can go wrong at journal.write in a/sale."],
        ),
        (
            &["a/sale", "--sites", "payment.charge", "--faults", "lost_reply,yield"],
            "2 plans, 2 run",
            &["yield never struck in a/sale."],
        ),
        (
            &["a/sale", "--sites", "payment.methods,payment.cancel"],
            "1 plan, 1 run",
            &["payment.methods never came in a/sale.", "payment.cancel never came in a/sale."],
        ),
        (
            &["--all", "--sites", "payment.methods"],
            "2 plans, 2 run",
            &["payment.methods never came in any of 2 scenarios."],
        ),
        (
            &["a/sale", "--sites", "payment.charge", "--faults", "lost_reply", "--depth", "0"],
            "1 plan, 1 run",
            &["payment.charge came in a/sale, and no fault struck there."],
        ),
    ] {
        let depth: &[&str] = if words.contains(&"--depth") { &[] } else { &["--depth", "1"] };
        let output = misrule(folder.path(), &[&["explore"], words, depth].concat());
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{said}{}", text(&output.stderr));
        at_most_100_columns(&said);
        let flat = said.replace('\n', " ");
        assert!(flat.contains(tried) && !flat.contains("all is well"), "{said}");
        assert_eq!(report(&reports)["verdict"], "inconclusive");
        assert_eq!(flat.matches("INCONCLUSIVE").count(), doubts.len(), "{said}");
        for doubt in doubts {
            assert!(flat.contains(&format!("INCONCLUSIVE {doubt}")), "{said}");
            assert!(read("exploration.md").contains(&format!("INCONCLUSIVE {}", doubt.replace('_', "\\_"))));
            assert!(read("exploration.xml").contains(doubt), "{}", read("exploration.xml"));
        }
    }
}

#[test]
fn a_shard_leaves_it_to_the_whole_whether_what_was_named_struck() {
    let folder = folder(&[("scenarios/a/sale.toml", GOOD.as_bytes())]);
    for (sites, code) in [("payment.charge", 0), ("payment.methods", 3)] {
        let mut reports = Vec::new();
        for shard in ["1/2", "2/2"] {
            let out = format!("{}-{}", sites, &shard[..1]);
            let words = ["explore", "a/sale", "--depth", "1", "--sites", sites, "--faults", "garbage"];
            let output = misrule(folder.path(), &[&words[..], &["--shard", shard, "--out", &out]].concat());
            assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
            reports.push(format!("{out}/exploration.json"));
        }
        let output = misrule(folder.path(), &["merge", &reports[0], &reports[1]]);
        assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn a_deep_exploration_says_beforehand_how_much_it_is() {
    let folder = folder(&[("scenarios/a/sale.toml", sound().as_bytes())]);
    let few = ["explore", "a/sale", "--depth", "3", "--sites", "payment.charge", "--faults", "lost_reply,garbage"];
    let output = misrule(folder.path(), &few);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(said.starts_with("up to 3 faults: about ") && said.contains(" plans, at most about "), "{said}");
}

#[test]
fn an_exploration_ends_when_its_time_is_over_and_says_what_it_left() {
    let folder = folder(&[]);
    let output = misrule(folder.path(), &["explore", "--all", "--depth", "6", "--for", "1s"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(said.replace('\n', " ").contains("; its time was over: the rest was not tried"), "{said}");
    assert!(said.contains("nothing was broken until its time was over"), "{said}");
    assert_eq!(report(&folder.path().join("target/misrule"))["spaces"][0]["ending"], "out_of_time");
}
