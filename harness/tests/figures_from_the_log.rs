//! What operations count (durations, retries, conversion, shares of errors) comes from the log's lines alone, read as any
//! program reads them, and is what the books and the host say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use misrule::outcome::Outcome;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::WorldKind;
use misrule::trace::{EventKind, HostReply};
use serde_json::Value;

/// A scenario's run in simulation.
fn played(name: &str) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = find(&root, &[]).expect("scenarios").into_iter().find(|found| found.name == name).expect("it is there");
    let scenario = load(&found, &Known::of_giftgenius()).unwrap_or_else(|error| panic!("{}", error.render(false)));
    run(&scenario, WorldKind::Sim, &scenario.plan, scenario.seed, Path::new("misrule")).expect("it runs")
}

/// What a program finds that reads the log line by line and knows nothing else.
#[derive(Default)]
struct Figures {
    /// By tool: how long each call took, in milliseconds.
    durations: BTreeMap<String, Vec<u64>>,
    /// By operation: attempts, and those that followed another one.
    attempts: BTreeMap<String, (usize, usize)>,
    /// The last thing told of each checkout session, replays left out.
    sessions: BTreeMap<String, String>,
    /// By tool: calls whose failure was technical, and calls that say something about that.
    technical: BTreeMap<String, (usize, usize)>,
    /// Calls that began, and those that were answered.
    begun: BTreeSet<String>,
    answered: BTreeSet<String>,
}

impl Figures {
    fn read(lines: &[String]) -> Self {
        let mut figures = Self::default();
        for line in lines {
            let line: Value = serde_json::from_str(line).expect("every line is JSON");
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            assert!(line["event"].is_string() && line["level"].is_string() && line["time"].is_string(), "{line}");
            match line["log"].as_str() {
                Some("call") => _ = figures.begun.insert(text("correlation_id")),
                // A tool's own line says what was asked for.
                Some("step") if line["asked"].is_object() => {
                    figures.answered.insert(text("correlation_id"));
                    let duration = line["duration_ms"].as_u64().expect("it says how long");
                    figures.durations.entry(text("step_id")).or_default().push(duration);
                    let counted = figures.technical.entry(text("step_id")).or_default();
                    // Only technical failures are errors; what the business refuses is information.
                    counted.0 += usize::from(line["level"] == "error");
                    counted.1 += 1;
                }
                Some("attempt") => {
                    let counted = figures.attempts.entry(text("operation")).or_default();
                    counted.0 += 1;
                    counted.1 += usize::from(line["number"].as_u64() > Some(1));
                }
                Some("checkout_result") if line["replayed"] != true => {
                    figures.sessions.insert(text("checkout_session_id"), text("status"));
                }
                _ => {}
            }
        }
        figures
    }

    fn of(outcome: &Outcome) -> Self {
        let lines = outcome.record.trace.log().map(|(_, _, line)| serde_json::to_string(line).expect("it is JSON"));
        Self::read(&lines.collect::<Vec<_>>())
    }
}

#[test]
fn durations_and_calls_are_those_of_the_host() {
    for name in ["checkout/happy_path", "retries/retry_after_in_seconds", "checkout/declined_then_another_card"] {
        let outcome = played(name);
        let figures = Figures::of(&outcome);
        let mut durations: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut open = BTreeMap::new();
        for event in &outcome.record.trace.events {
            match &event.kind {
                EventKind::CallStarted(call) => _ = open.insert(call.call, (call.tool.to_string(), event.at)),
                EventKind::CallEnded { call, reply } => {
                    let (tool, began) = open.remove(call).expect("it began");
                    assert!(matches!(reply, HostReply::Tool { .. }), "{reply:?}");
                    let span = u64::try_from(event.at.saturating_sub(began).as_millis()).expect("it is short");
                    durations.entry(tool).or_default().push(span);
                }
                _ => {}
            }
        }
        assert_eq!(figures.durations, durations, "{name}");
        assert_eq!(figures.begun, figures.answered, "{name}");
    }
}

#[test]
fn retries_are_those_that_the_providers_saw() {
    for name in
        ["retries/retry_after_in_seconds", "retries/the_catalog_is_down", "operations/the_catalog_is_often_too_slow"]
    {
        let outcome = played(name);
        let figures = Figures::of(&outcome);
        let mut sent: BTreeMap<String, usize> = BTreeMap::new();
        for (_, _, request) in outcome.record.trace.sent() {
            *sent.entry(request.operation.label.to_owned()).or_default() += 1;
        }
        let attempts: BTreeMap<_, _> =
            figures.attempts.iter().map(|(name, counted)| (name.clone(), counted.0)).collect();
        assert_eq!(attempts, sent, "{name}");
        assert!(figures.attempts.values().any(|(_, retries)| *retries > 0), "{name}");
    }
}

#[test]
fn conversion_counts_sessions_and_not_lines() {
    let converted = |name: &str| {
        let figures = Figures::of(&played(name));
        (figures.sessions.values().filter(|status| *status == "success").count(), figures.sessions.len())
    };
    assert_eq!(converted("checkout/happy_path"), (1, 1));
    assert_eq!(converted("duplicates/three_calls_at_once"), (1, 1), "repeats are one sale");
    assert_eq!(converted("operations/every_sale_is_refused"), (0, 6));
    assert_eq!(converted("checkout/declined_then_another_card"), (1, 1), "it ended well");
}

#[test]
fn the_share_of_errors_leaves_the_business_out() {
    let share = |name: &str| Figures::of(&played(name)).technical["create_order"];
    assert_eq!(share("operations/every_sale_is_refused"), (6, 6));
    assert_eq!(share("checkout/declined_then_another_card").0, 0);
    assert_eq!(share("checkout/out_of_stock").0, 0);
}
