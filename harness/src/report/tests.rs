//! Every writer over one made-up report: a sale that broke, one that went well, one that proves nothing.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::money::{Currency, Money};
use serde_json::json;

use super::build::{Ran, build, replay};
use super::document::{Extent, Report, Word};
use super::terminal::Style;
use super::{json, junit, markdown, snapshot, terminal};
use crate::choice::Asked;
use crate::fault::plan::{Address, Plan, Planned};
use crate::fault::site::Site;
use crate::fault::{Fault, explain};
use crate::oracle::{Oracle, Rest, Verdict, Violation, evidence::OrderAtRest};
use crate::outcome::{Outcome, Status};
use crate::provider::ledger::{Effect, EffectId, EffectKind};
use crate::provider::operations;
use crate::scenario::model::{Scenario, WorldKind};
use crate::scenario::{Known, parse};
use crate::trace::{CallId, CallStarted, EventKind, HostReply, Record, Seen, Sent};

static ALL_OR_NOTHING: Oracle = Oracle {
    id: "all-or-nothing",
    rule: "a rule",
    explanation: "why",
    requirements: &["F6"],
    check: |_| Verdict::Kept,
};

fn scenario(name: &str) -> Arc<Scenario> {
    let text = "title = \"The charge | lands\"\nlesson = \"A time-out is not a refusal.\"\ncovers = [\"F7\"]\n\
        [[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\n\
        [[script]]\ncall = \"create_order\"\nintent = \"gift\"\nargs = { idempotency_key = \"{key:pay}\" }\n\
        [faults]\n\"payment.charge#1\" = \"lost_reply\"\n";
    let path = format!("scenarios/{name}.toml");
    Arc::new(parse(text, name, path.as_ref(), &Known::default()).expect("a good file"))
}

fn plan() -> Plan {
    let address = Address { place: (&operations::CHARGE).into(), step: None, number: 1 };
    Plan { faults: vec![Planned::At(address, Fault::LostReply)] }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A sale whose charge lands, whose reply is lost, and which is told to have failed.
fn record() -> Record {
    let mut record = Record::default();
    record.incarnation = 1;
    record.push(
        ms(0),
        EventKind::CallStarted(Box::new(CallStarted {
            call: CallId(0),
            step: 2,
            tool: "create_order".into(),
            arguments: json!({"checkout_session_id": "cs_81f0", "idempotency_key": "4af9"}).into(),
            key: Some("4af9".into()),
            user: "ada".into(),
            correlation: "step-2.0".into(),
            intent: Some("gift".into()),
            malformed: None,
        })),
    );
    let site = Site { place: (&operations::CHARGE).into(), arrival: 1, for_step: Some((2, 1)) };
    let exchange = record.next_exchange();
    record.push(
        ms(41),
        EventKind::Sent(Box::new(Sent {
            exchange,
            site,
            operation: &operations::CHARGE,
            key: Some("deadbeef".into()),
            correlation: "step-2.0".into(),
            step: Some(2),
            reference: Some("ord_77a0".into()),
            amount: Some(4200),
            currency: Some(Currency::EUR),
            customer: None,
            question: 0,
            faults: Fault::LostReply.into(),
        })),
    );
    let effect = Arc::new(Effect {
        id: EffectId(0),
        at: ms(41),
        exchange: Some(exchange),
        kind: EffectKind::Charge,
        reference: "ord_77a0".into(),
        subject: "ch_1".into(),
        amount: Some(Money::new(4200, Currency::EUR)),
        stock: Vec::new(),
        undoes: None,
        key: Some("deadbeef".into()),
        correlation: "step-2.0".into(),
    });
    record.ledger.effects.push(effect.clone());
    record.push(ms(41), EventKind::Effect(effect));
    record.push(ms(41), EventKind::Delivered { exchange, status: 200, replay_of: None });
    record.push(ms(2041), EventKind::Answered { exchange, seen: Seen::Silence });
    record.push(
        ms(2100),
        EventKind::CallEnded {
            call: CallId(0),
            reply: HostReply::Tool {
                structured: json!({"error": {"code": "PAYMENT_UNAVAILABLE", "effects": "none", "retryable": true, "order_id": "ord_77a0"}}).into(),
                is_error: true,
            },
        },
    );
    record
}

fn outcome(name: &str, verdict: Verdict, unfired: Vec<Planned>, seed: u64) -> Outcome {
    let site = Site { place: (&operations::CHARGE).into(), arrival: 1, for_step: Some((2, 1)) };
    Outcome {
        scenario: scenario(name),
        world: WorldKind::Sim,
        plan: plan(),
        seed,
        record: record(),
        rest: Rest {
            open: 0,
            parked: Vec::new(),
            orders: vec![OrderAtRest { order_id: "ord_77a0".into(), status: "cancelled", money: "none" }],
            events: Vec::new(),
        },
        verdicts: vec![(&ALL_OR_NOTHING, verdict)],
        unmet: Vec::new(),
        unfired,
        asked: vec![Asked { site, chosen: Fault::LostReply.into() }],
        elapsed: Duration::from_micros(40),
    }
}

fn broken() -> Verdict {
    Verdict::Broken(vec![Violation {
        oracle: "all-or-nothing",
        message: "The model was told `failed, effects: none`, but a charge of 42.00 EUR stands for order ord_77a0."
            .to_owned(),
        events: vec![2, 5],
    }])
}

fn report() -> Report {
    let ran = |name: &str, verdict: Verdict, unfired: Vec<Planned>| Ran {
        scenario: scenario(name),
        world: WorldKind::Sim,
        outcomes: Ok((1..=3).map(|seed| outcome(name, verdict.clone(), unfired.clone(), seed)).collect()),
        smallest: Vec::new(),
    };
    let wire = Ran {
        scenario: scenario("checkout/happy_path"),
        world: WorldKind::Wire,
        outcomes: Err("GiftGenius ended before it spoke".to_owned()),
        smallest: Vec::new(),
    };
    build(
        &[
            ran("checkout/fine", Verdict::Kept, Vec::new()),
            ran("checkout/happy_path", Verdict::Kept, Vec::new()),
            wire,
            ran("checkout/proves_nothing", Verdict::Kept, plan().faults),
            ran("outage/payment_down", broken(), Vec::new()),
        ],
        Extent::Whole,
        Duration::from_millis(6400),
    )
}

#[test]
fn a_report_for_a_terminal() {
    let style =
        Style { colour: false, written: "target/misrule/report.md · junit.xml · report.json", called: "misrule" };
    let text = terminal::write(&report(), style);
    for line in text.lines().filter(|line| !line.contains("replay:")) {
        assert!(line.chars().count() <= terminal::WIDTH, "{line}");
    }
    insta::assert_snapshot!(text);
    let coloured = terminal::write(&report(), Style { colour: true, ..style });
    assert!(coloured.contains("\u{1b}[31mBROKEN"));
}

#[test]
fn a_report_for_a_pull_request() {
    insta::assert_snapshot!(markdown::write(&report()));
}

#[test]
fn a_report_for_ci() {
    insta::assert_snapshot!(junit::write(&report()));
}

#[test]
fn a_report_for_programs_reads_back_and_fits_its_schema() {
    let report = report();
    let text = json::write(&report);
    let back: Report = serde_json::from_str(&text).expect("what was written");
    assert_eq!(back, report);
    let schema = serde_json::from_str(&json::schema()).expect("JSON");
    let value = serde_json::from_str(&text).expect("JSON");
    assert!(jsonschema::is_valid(&schema, &value));
}

#[test]
fn a_run_as_a_snapshot_says_nothing_that_was_measured() {
    let mut outcome = outcome("outage/payment_down", broken(), Vec::new(), 1);
    let text = snapshot::text(&outcome);
    outcome.elapsed = Duration::from_secs(3);
    assert_eq!(snapshot::text(&outcome), text);
    insta::assert_snapshot!(text);
}

#[test]
fn an_outcome_is_well_only_if_nothing_is_broken_and_everything_was_tried() {
    let status = |verdict: Verdict, unfired: Vec<Planned>, change: fn(&mut Outcome)| {
        let mut outcome = outcome("a/b", verdict, unfired, 1);
        change(&mut outcome);
        outcome.status()
    };
    let expect = |outcome: &mut Outcome| {
        let mut scenario = (*outcome.scenario).clone();
        scenario.expect.broken.push("all-or-nothing".to_owned());
        outcome.scenario = Arc::new(scenario);
    };
    let excuse = |outcome: &mut Outcome| {
        let mut scenario = (*outcome.scenario).clone();
        let reason = "because".to_owned();
        scenario.excused.insert("all-or-nothing".to_owned(), reason);
        outcome.scenario = Arc::new(scenario);
    };
    let miss = |outcome: &mut Outcome| outcome.unmet.push("No.".to_owned());
    let no_verdict = || Verdict::NoVerdict("no clock".to_owned());
    let table = [
        (status(Verdict::Kept, Vec::new(), |_| ()), Status::Ok),
        (status(no_verdict(), Vec::new(), |_| ()), Status::Ok),
        (status(broken(), Vec::new(), |_| ()), Status::Broken),
        (status(broken(), Vec::new(), excuse), Status::Ok),
        (status(broken(), Vec::new(), expect), Status::Ok),
        (status(Verdict::Kept, Vec::new(), expect), Status::Inconclusive),
        (status(Verdict::Kept, plan().faults, |_| ()), Status::Inconclusive),
        (status(Verdict::Kept, Vec::new(), miss), Status::Broken),
        (status(Verdict::Kept, plan().faults, miss), Status::Broken),
    ];
    for (index, (found, expected)) in table.into_iter().enumerate() {
        assert_eq!(found, expected, "row {index}");
    }
}

#[test]
fn a_further_seed_that_comes_to_something_else_is_told() {
    let ran = Ran {
        scenario: scenario("a/b"),
        world: WorldKind::Sim,
        outcomes: Ok(vec![outcome("a/b", Verdict::Kept, Vec::new(), 1), outcome("a/b", broken(), Vec::new(), 2)]),
        smallest: Vec::new(),
    };
    let report = build(&[ran], Extent::Whole, Duration::ZERO);
    let seeds: Vec<_> = report.scenarios[0].runs.iter().map(|run| run.seed).collect();
    assert_eq!(seeds, [1, 2]);
    assert_eq!(report.verdict.exit_code(), 1);
}

#[test]
fn the_head_says_where_it_ran_and_a_part_lacks_nothing() {
    let ran = |name: &str, world: WorldKind| Ran {
        scenario: scenario(name),
        world,
        outcomes: Ok(vec![Outcome { world, ..outcome(name, Verdict::Kept, Vec::new(), 1) }]),
        smallest: Vec::new(),
    };
    let (sim, wire) = (|name| ran(name, WorldKind::Sim), |name| ran(name, WorldKind::Wire));
    for (runs, head) in [
        (vec![sim("a/b")], "1 scenario"),
        (vec![sim("a/b"), wire("a/b")], "1 scenario, on the wire too"),
        (vec![sim("a/b"), sim("a/c")], "2 scenarios"),
        (vec![sim("a/b"), wire("a/b"), sim("a/c")], "2 scenarios, 1 of them on the wire too"),
        (vec![sim("a/b"), wire("a/b"), sim("a/c"), wire("a/c")], "2 scenarios, all of them on the wire too"),
        (vec![wire("a/b"), wire("a/c")], "2 scenarios, on the wire only"),
    ] {
        let report = build(&runs, Extent::Part, Duration::from_millis(1));
        let text = terminal::write(&report, Style { colour: false, written: "", called: "misrule" });
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(text.lines().next(), Some(&*format!("misrule {version}  {head}")));
        assert!(!text.contains("fault kinds"), "{text}");
        assert!(!markdown::write(&report).contains("fault kinds"), "{text}");
    }
}

#[test]
fn what_was_reached_in_full_is_not_told_as_a_fraction() {
    let mut report = report();
    report.coverage.codes_never.clear();
    assert!(
        terminal::summary(&report)
            .ends_with(&format!("; 1 of {} fault kinds fired, all 1 error codes seen", explain::ALL.len()))
    );
    assert_eq!(report.never_reached().len(), 1);
    report.coverage.faults_never.clear();
    assert_eq!(report.never_reached(), Vec::<String>::new());
}

#[test]
fn a_replay_line_can_be_typed_whatever_the_file_is_called() {
    for (path, word) in [
        ("scenarios/a/b.toml", "scenarios/a/b.toml"),
        ("two words.toml", "'two words.toml'"),
        ("$HOME;x.toml", "'$HOME;x.toml'"),
        ("ada's.toml", "'ada'\\''s.toml'"),
    ] {
        let scenario = Scenario { path: path.into(), ..Scenario::clone(&scenario("a/b")) };
        let line = replay(&scenario, WorldKind::Wire, &plan(), 7);
        let expected = format!("misrule replay {word} --plan \"payment.charge#1: lost_reply\" --seed 7 --world wire");
        assert_eq!(line, expected);
    }
}

#[test]
fn only_the_terminal_says_how_misrule_is_called_here() {
    let report = report();
    let text = terminal::write(&report, Style { colour: false, written: "", called: "cargo run --" });
    assert!(text.contains("  replay: cargo run -- replay scenarios/outage/payment_down.toml --plan"), "{text}");
    assert!(!text.contains("misrule replay"), "{text}");
    assert!(!markdown::write(&report).contains("cargo run"));
}

#[test]
fn cases_of_a_name_are_told_apart_and_hold_nothing_measured() {
    let mut report = report();
    let explored = |said: &str| crate::report::document::Beyond {
        what: "explored".to_owned(),
        verdict: crate::report::document::Word::Ok,
        said: said.to_owned(),
        findings: Vec::new(),
    };
    report.beyond = vec![explored("one of 3 plans"), explored("another of 4 plans")];
    let names = |report: &Report| {
        let document = quick_junit::Report::deserialize_from_str(&junit::write(report)).expect("JUnit");
        let cases = document.test_suites.iter().flat_map(|suite| &suite.test_cases);
        cases.map(|case| format!("{:?} {}", case.classname, case.name.as_str())).collect::<Vec<_>>()
    };
    let first = names(&report);
    assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), first.len(), "{first:?}");
    report.measured.elapsed_us *= 7;
    report.measured.runs.iter_mut().for_each(|run| run.median_us *= 7);
    report.beyond[0].said = "one of 5 plans".to_owned();
    assert_eq!(names(&report), first);
}

#[path = "../../tests/support/junit.rs"]
mod schema;

#[test]
fn a_report_for_ci_fits_the_schema_of_junit() {
    let mut report = report();
    let beyond = |verdict, findings| crate::report::document::Beyond {
        what: "explored".to_owned(),
        verdict,
        said: "3 plans".to_owned(),
        findings,
    };
    let finding = crate::report::document::BeyondFinding {
        rule: "one-effect".to_owned(),
        message: "<b> & \u{1b}[31m ]]> \u{0}".to_owned(),
        replay: "misrule replay a/b".to_owned(),
        timeline: Vec::new(),
    };
    report.beyond = vec![beyond(Word::Broken, vec![finding]), beyond(Word::NotRun, Vec::new())];
    super::build::hold_to_codes(&mut report);
    let text = junit::write(&report);
    assert_eq!(schema::wrong(&text), [""; 0], "{text}");
}
