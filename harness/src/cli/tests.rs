//! The gate over a made-up runner: exit codes, files, and what is printed when runs go well, break or cannot be made.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use giftgenius::error::Code;

use super::{Cli, Command, Console, OnInterrupt, Runner, called, command, run};
use crate::fault::plan::Plan;
use crate::fault::site::Place;
use crate::fault::{explain, menu};
use crate::oracle::{self, Oracle, Rest, Verdict, Violation};
use crate::outcome::Outcome;
use crate::provider::operations;
use crate::report::Report;
use crate::requirement;
use crate::scenario::model::{Scenario, WorldKind};
use crate::scenario::{Known, parse, write};
use crate::trace::{CallId, EventKind, HostReply, Record};

static ORACLE: Oracle = Oracle {
    id: "all-or-nothing",
    rule: "a rule",
    explanation: "why",
    requirements: &["F6"],
    check: |_| Verdict::Kept,
};

const SCENARIO: &str = "title = \"T\"\nlesson = \"L.\"\n[[script]]\ncall = \"get_payment_methods\"\n";

fn outcome(scenario: &Arc<Scenario>, world: WorldKind, plan: &Plan, seed: u64) -> Outcome {
    Outcome {
        scenario: scenario.clone(),
        world,
        plan: plan.clone(),
        seed,
        record: Record::default(),
        rest: Rest::default(),
        verdicts: vec![(&ORACLE, Verdict::Kept)],
        unmet: Vec::new(),
        unfired: Vec::new(),
        asked: Vec::new(),
        elapsed: Duration::from_micros(50),
    }
}

fn breach() -> Verdict {
    Verdict::Broken(vec![Violation { oracle: ORACLE.id, message: "A charge stands.".to_owned(), events: Vec::new() }])
}

/// A made-up runner: a scenario's result depends on its name.
fn runner(scenario: &Arc<Scenario>, world: WorldKind, plan: &Plan, seed: u64) -> Result<Outcome, String> {
    let mut outcome = outcome(scenario, world, plan, seed);
    match scenario.name.as_str() {
        "a/broken" => outcome.verdicts = vec![(&ORACLE, breach())],
        "a/broken_with_another_seed" if seed > 1 => outcome.verdicts = vec![(&ORACLE, breach())],
        // One of three faults is enough.
        "a/broken_by_one_of_three" if plan.to_string().contains("payment.charge#1: lost_reply") => {
            outcome.verdicts = vec![(&ORACLE, breach())];
        }
        "a/ok" | "a/broken_with_another_seed" | "a/broken_by_one_of_three" => {}
        "a/unmet" => outcome.unmet.push("The last answer should be `success`.".to_owned()),
        "a/unfired" => outcome.unfired = outcome.plan.faults.clone(),
        "a/dead" => return Err("the system ended by itself".to_owned()),
        "a/panics" => panic!("an index out of bounds"),
        other => unreachable!("no scenario {other}"),
    }
    Ok(outcome)
}

/// A console that is no terminal.
fn plain<'a>(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Console<'a> {
    Console {
        out,
        err,
        colour: false,
        colour_err: false,
        progress: false,
        called: "misrule",
        on_interrupt: OnInterrupt::Die,
        lost: None,
    }
}

struct Ran {
    code: u8,
    out: String,
    err: String,
    folder: tempfile::TempDir,
}

/// Runs `misrule` over scenarios of these names, in a fresh folder.
fn misrule(names: &[&str], words: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    for name in names {
        let path = folder.path().join("scenarios").join(format!("{name}.toml"));
        fs::create_dir_all(path.parent().expect("a theme")).expect("a folder");
        let faults = match *name {
            "a/unfired" => "[faults]\n\"payment.charge#9\" = \"reset\"\n",
            "a/broken_by_one_of_three" => {
                "[faults]\n\"inventory.reserve#1\" = \"cut\"\n\"payment.charge#1\" = \"lost_reply\"\n\
                 \"inventory.commit#1\" = \"cut\"\n[expect]\nstanding = { charge = 7 }\n"
            }
            _ => "",
        };
        fs::write(path, format!("{SCENARIO}{faults}")).expect("a file");
    }
    let (scenarios, out_folder) = (folder.path().join("scenarios"), folder.path().join("out"));
    let mut all = vec!["misrule".into(), "--scenarios".into(), scenarios.into_os_string()];
    match words.first() {
        Some(first @ &("replay" | "list" | "explain")) => all.insert(1, first.into()),
        _ => all.extend(["--out".into(), out_folder.into_os_string()]),
    }
    all.extend(words.iter().filter(|word| !["replay", "list", "explain"].contains(word)).map(Into::into));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = plain(&mut out, &mut err);
    let runner: Runner<'_> = &runner;
    let code = command(all, runner, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code, out: text(out), err: text(err), folder }
}

#[test]
fn the_exit_code_is_that_of_the_worst_scenario() {
    let table: [(&[&str], u8); 8] = [
        (&["a/ok"], 0),
        (&["a/ok", "a/broken"], 1),
        (&["a/broken_with_another_seed"], 1),
        (&["a/unmet"], 1),
        (&["a/ok", "a/unfired"], 3),
        (&["a/dead", "a/unfired"], 4),
        (&["a/panics"], 4),
        (&["a/broken", "a/dead", "a/unfired"], 1),
    ];
    for (names, expected) in table {
        let ran = misrule(names, &[]);
        assert_eq!(ran.code, expected, "{names:?}\n{}{}", ran.out, ran.err);
        let last = ran.out.lines().last().unwrap_or_default();
        assert!(last.ends_with(&format!("exit {expected}")), "{last}");
    }
}

#[test]
fn three_reports_are_left_and_each_finding_leaves_a_scenario_that_reads_back() {
    let ran = misrule(&["a/ok", "a/broken", "a/unmet"], &[]);
    let out = ran.folder.path().join("out");
    let report: Report =
        serde_json::from_slice(&fs::read(out.join("report.json")).expect("a report")).expect("the document");
    assert_eq!(report.scenarios.len(), 3);
    assert_eq!(report.measured.simulated_runs, 9, "each with two further seeds");
    assert!(fs::read_to_string(out.join("junit.xml")).expect("a report").contains("<failure"));
    assert!(fs::read_to_string(out.join("report.md")).expect("a report").starts_with("# misrule: broken"));
    for name in ["all-or-nothing-1", "expectation-1"] {
        let path = out.join("failures").join(format!("{name}.toml"));
        let text = fs::read_to_string(&path).expect("a scenario");
        assert!(text.contains("# misrule replay"), "{text}");
        let scenario = parse(&text, name, &path, &Known::of_giftgenius()).expect("a good file");
        let again = write::write(&scenario);
        assert!(text.ends_with(&again), "{again}");
    }
    let entries = fs::read_dir(&out).expect("a folder").count();
    assert_eq!(entries, 4, "nothing half-written is left");
}

#[test]
fn of_a_broken_runs_plan_the_smallest_part_is_shown_and_left_behind() {
    let ran = misrule(&["a/broken_by_one_of_three"], &[]);
    assert_eq!(ran.code, 1);
    let shrunk = "--plan \"payment.charge#1: lost_reply\" --seed 1\n";
    assert!(ran.out.contains(shrunk), "{}", ran.out);
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the whole is inventory.reserve#1: cut; payment.charge#1: lost_reply;"), "{said}");
    let path = ran.folder.path().join("out/failures/all-or-nothing-1.toml");
    let text = fs::read_to_string(&path).expect("a scenario");
    let scenario = parse(&text, "x", &path, &Known::of_giftgenius()).expect("a good file");
    assert_eq!(scenario.plan.to_string(), "payment.charge#1: lost_reply");
    assert!(!text.contains("[expect]\nstanding"), "what is expected belongs to the whole plan: {text}");
    for report in ["report.json", "report.md", "junit.xml"] {
        let report = fs::read_to_string(ran.folder.path().join("out").join(report)).expect("a report");
        assert!(report.contains("inventory.commit#1: cut"), "the whole plan is told: {report}");
    }
}

#[test]
fn a_gate_of_one_world_says_what_it_leaves_out() {
    let ran = misrule(&["a/ok"], &["--world", "sim"]);
    assert_eq!(ran.code, 0);
    let said = ran.out.replace('\n', " ");
    assert!(
        said.contains("--world sim leaves out 0 scenarios on the wire, and all that the whole gate does"),
        "{said}"
    );
    assert!(
        said.contains("exploration, generated scenarios, malformed calls, the proof on planted bugs, the journal"),
        "{said}"
    );
    assert!(!misrule(&["a/ok"], &[]).out.contains("leaves out"));
}

#[test]
fn an_older_runs_findings_are_not_taken_for_this_ones() {
    let first = misrule(&["a/broken"], &[]);
    let out = first.folder.path().join("out");
    let old = out.join("failures/all-or-nothing-1.toml");
    assert!(old.is_file());
    let scenario = first.folder.path().join("scenarios/a/broken.toml");
    fs::rename(&scenario, scenario.with_file_name("ok.toml")).expect("renamed");
    let words = ["misrule", "--scenarios"].map(std::ffi::OsString::from).into_iter();
    let words =
        words.chain([first.folder.path().join("scenarios").into_os_string(), "--out".into(), out.into_os_string()]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = plain(&mut out, &mut err);
    assert_eq!(command(words, &runner, &mut console), 0);
    assert!(!old.exists());
}

#[test]
fn a_world_that_no_scenario_runs_in_is_unusable_input() {
    let ran = misrule(&["a/ok"], &["--world", "wire"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("none of the scenarios runs on the wire"), "{}", ran.err);
    assert!(!Path::new(&ran.folder.path().join("out")).exists(), "nothing was run, nothing was written");
}

#[test]
fn a_replay_ends_with_the_runs_own_exit_code() {
    let table = [("a/ok", 0), ("a/broken", 1), ("a/unmet", 1), ("a/unfired", 3), ("a/dead", 4), ("a/panics", 4)];
    for (name, expected) in table {
        let ran = misrule(&[name], &["replay", name, "--seed", "7"]);
        assert_eq!(ran.code, expected, "{name}\n{}{}", ran.out, ran.err);
        let said = if expected == 4 { &ran.err } else { &ran.out };
        assert!(said.trim_end().ends_with(&format!("exit {expected}")), "{said}");
    }
}

#[test]
fn a_replay_takes_one_scenario_and_a_world_it_runs_in() {
    let ran = misrule(&["a/ok", "a/unmet"], &["replay", "a"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("names 2 scenarios"), "{}", ran.err);
    let ran = misrule(&["a/ok"], &["replay", "a/ok", "--world", "wire"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("does not run on the wire"), "{}", ran.err);
}

#[test]
fn every_word_is_explained_and_every_text_fits() {
    let words = oracle::ALL.iter().map(|oracle| oracle.id);
    let words = words.chain(explain::ALL.iter().map(|fault| fault.name));
    let words = words.chain(operations::ALL.iter().map(|operation| operation.label));
    let words = words.chain(Code::ALL.iter().map(|code| code.as_str()));
    let words = words.chain(requirement::ALL.iter().map(|requirement| requirement.id));
    let words = words.chain(super::words::all().map(|word| word.name));
    let explained = words.map(|word| vec!["explain", word]);
    let helped = [
        "run",
        "replay",
        "explore",
        "merge",
        "prove",
        "errors",
        "journal",
        "faces",
        "malform",
        "providers",
        "list",
        "explain",
        "schema",
    ]
    .map(|name| vec![name, "--help"]);
    let listed = ["--faults", "--oracles", "--sites", "--requirements"].map(|what| vec!["list", what]);
    for words in explained.chain(helped).chain(listed).chain([vec!["--help"], vec!["-h"]]) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = plain(&mut out, &mut err);
        let all: Vec<_> = ["misrule"].iter().chain(&words).map(std::ffi::OsString::from).collect();
        assert_eq!(command(all, &runner, &mut console), 0, "{words:?}");
        let text = String::from_utf8(out).expect("text");
        assert!(text.lines().count() >= 2, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

/// What `misrule explain` says of a word; nothing if it does not know it.
fn explained(word: &str) -> Option<String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["misrule", "explain", word].map(std::ffi::OsString::from);
    let code = command(words, &runner, &mut plain(&mut out, &mut err));
    (code == 0).then(|| String::from_utf8(out).expect("text"))
}

#[test]
fn every_word_of_a_kept_run_is_explained() {
    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "snap") {
                found.push(path);
            }
        }
    }
    let (mut runs, mut words) = (Vec::new(), BTreeSet::new());
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports"), &mut runs);
    for run in &runs {
        let text = fs::read_to_string(run).expect("a kept run");
        let text = text.splitn(3, "---\n").nth(2).expect("a run below its head");
        // Name, title and lesson are the scenario's own.
        let mut section = "";
        for line in text.lines().skip(3) {
            if !line.starts_with(' ') {
                section = if line.is_empty() { section } else { line };
                words.extend((!line.is_empty()).then(|| line.to_owned()));
                continue;
            }
            let label = line.trim().split(": ").next().unwrap_or_default();
            let of_ledger = |line: &str| Some(line.trim().strip_prefix('#')?.split(' ').nth(1)?.to_owned());
            match section {
                "" | "oracles" | "coverage" if line.contains(": ") => drop(words.insert(label.to_owned())),
                "ledger" => words.extend(of_ledger(line)),
                "at rest" => {
                    if let Some((order, money)) = line.split_once(", money: ") {
                        let status = order.trim().split(' ').nth(1).map(str::to_owned);
                        words.extend(status.into_iter().chain(["money".to_owned(), money.to_owned()]));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(runs.len() > 100 && words.len() > 30, "{words:?}");
    // Said of money, not of a word of misrule's.
    words.remove("none");
    let unknown: Vec<_> = words.iter().filter(|word| explained(word).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_word_that_a_document_has_a_list_of_is_explained() {
    fn listed(schema: &serde_json::Value, words: &mut BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(fields) => {
                let of_list = fields.get("enum").and_then(serde_json::Value::as_array);
                let one = fields.get("const").into_iter();
                words.extend(
                    of_list.into_iter().flatten().chain(one).filter_map(|word| Some(word.as_str()?.to_owned())),
                );
                fields.values().for_each(|schema| listed(schema, words));
            }
            serde_json::Value::Array(parts) => parts.iter().for_each(|schema| listed(schema, words)),
            _ => {}
        }
    }
    let mut words = BTreeSet::new();
    for text in [
        crate::report::json::schema(),
        crate::report::exploration::schema(),
        crate::prove::document::schema(),
        crate::fixable::document::schema(),
    ] {
        listed(&serde_json::from_str(&text).expect("a schema"), &mut words);
    }
    assert!(words.contains("no_verdict") && words.contains("out_of_time"), "{words:?}");
    let unknown: Vec<_> = words.iter().filter(|word| explained(word).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_word_of_the_log_is_explained_and_so_are_alerts_tools_and_the_words_of_sagas() {
    let log = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/log.md")).expect("a document");
    let quoted: BTreeSet<_> = log.split('`').skip(1).step_by(2).filter(|word| !word.contains(['[', '/'])).collect();
    assert!(quoted.contains("dedup_key") && quoted.len() > 60, "{quoted:?}");
    let alerts = giftgenius::step_log::AlertKind::ALL.iter().map(|kind| kind.name());
    let tools = giftgenius::tools::table().iter().map(|tool| tool.spec.name);
    let words = quoted.into_iter().chain(alerts).chain(tools).chain(["pivot", "epoch", "shard", "ticket"]);
    let unknown: Vec<_> = words.filter(|word| explained(word).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn every_argument_of_a_fault_is_explained_and_what_an_operation_can_have_is_listed_whole() {
    let mut words = BTreeSet::new();
    for place in Place::all() {
        let label = place.label();
        let whole = explained(label).expect("a place").split_whitespace().collect::<Vec<_>>().join(" ");
        for fault in menu::all(place) {
            let name = fault.name();
            let listed =
                [format!(" {name},"), format!(" {name} ")].iter().any(|part| format!("{whole} ").contains(part));
            assert!(listed, "{label}: {name}\n{whole}");
            let written = fault.to_string();
            let arguments = written.split_once('(').map_or("", |(_, arguments)| arguments);
            let arguments = arguments.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.extend(arguments.filter(|part| part.contains(char::is_alphabetic)).map(str::to_owned));
        }
    }
    for word in ["fraction", "bom", "html", "retry_after", "ms", "event", "below_nothing"] {
        assert!(words.contains(word), "{word}");
    }
    let unknown: Vec<_> = words.iter().filter(|word| explained(word).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
    assert!(explained("journal.read").expect("a place").contains("slow"));
    for word in ["space", "reached", "undo", "profiles", "percent", "provider.payment"] {
        assert!(explained(word).is_some(), "{word}");
    }
}

#[test]
fn in_a_checkout_misrule_is_called_through_cargo() {
    for (program, folder, expected) in [
        ("/src/shop/target/release/misrule", "/src/shop", "cargo run --release --"),
        ("/src/shop/target/release/misrule", "/src/shop/harness", "cargo run --release --"),
        ("/src/shop/target/debug/misrule", "/src/shop", "cargo run --"),
        ("/src/shop/target/release/misrule", "/home/ada", "misrule"),
        ("/src/shop/target/bench/misrule", "/src/shop", "misrule"),
        ("/usr/bin/misrule", "/src/shop", "misrule"),
        ("misrule", "/src/shop", "misrule"),
    ] {
        assert_eq!(called(Path::new(program), Path::new(folder)), expected, "{program} in {folder}");
    }
}

#[test]
fn an_error_code_that_no_run_told_is_an_inconclusive_case_of_the_own_gate() {
    let out_folder = tempfile::tempdir().expect("a folder");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let gate = |told: &(dyn Fn(&str) -> bool + Sync)| {
        // Every scenario goes well; between them they tell these codes.
        let runner = |scenario: &Arc<Scenario>, world, plan: &Plan, seed| {
            let mut outcome = outcome(scenario, world, plan, seed);
            for (number, code) in Code::ALL.iter().enumerate().filter(|(_, code)| told(code.as_str())) {
                let structured = serde_json::json!({ "error": { "code": code.as_str() } }).into();
                let call = CallId(u32::try_from(number).expect("a few codes"));
                let reply = HostReply::Tool { structured, is_error: true };
                outcome.record.push(Duration::ZERO, EventKind::CallEnded { call, reply });
            }
            Ok(outcome)
        };
        let words = ["misrule", "run", "--scenarios"].map(std::ffi::OsString::from).into_iter();
        let words =
            words.chain([own.clone().into_os_string(), "--out".into(), out_folder.path().as_os_str().to_owned()]);
        let Some(Command::Run(arguments)) = Cli::try_parse_from(words).expect("good words").command else {
            unreachable!("it says run")
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run::gate(&arguments, &runner, &|_, _, _| {}, &mut plain(&mut out, &mut err));
        let read = |name: &str| fs::read_to_string(out_folder.path().join(name)).expect("a report");
        let printed = String::from_utf8(out).expect("text");
        (code.expect("it ran"), printed, read("junit.xml"), read("report.md"))
    };
    let (code, printed, junit, markdown) = gate(&|code| code != "OUT_OF_STOCK" && code != "INTERNAL");
    assert_eq!(code, 3, "{printed}");
    let why = "no caller was told OUT_OF_STOCK, INTERNAL; what is never told is not tried";
    let case = format!(
        "<testcase name=\"every error code is told\" classname=\"misrule.coverage\">\n            \
         <error message=\"{why}\" type=\"inconclusive\"/>"
    );
    assert!(junit.contains(&case), "{junit}");
    assert!(junit.contains("errors=\"1\"") && !junit.contains("errors=\"2\""), "nothing else is wrong: {junit}");
    assert!(printed.contains(&format!("\nINCONCLUSIVE error codes\n  {why}\n")), "{printed}");
    assert!(markdown.contains("## INCONCLUSIVE error codes"), "{markdown}");
    let (code, printed, junit, _) = gate(&|_| true);
    assert_eq!(code, 0, "{printed}");
    assert!(junit.contains("<testcase name=\"every error code is told\" classname=\"misrule.coverage\"/>"), "{junit}");
}

#[test]
fn a_mistyped_command_is_answered_with_the_nearest_one() {
    let ran = misrule(&["a/ok"], &["runn"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean the command `run`?"), "{}", ran.err);
    let ran = misrule(&["a/ok"], &["a/okk"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean `a/ok`?"), "{}", ran.err);
}
