//! What the log of a process says from its start to its end: one JSON object a line, and a line for each thing that happened.

use giftgenius::policy::Policy;
use serde_json::Value;

use super::Faces;
use super::crowd::Judged;
use super::served::Served;

pub(super) fn hold(served: &Served, judged: Judged, told: &mut Faces) {
    for wrong in wrong(served.log(), judged) {
        told.broken.push(wrong);
    }
    told.asked += 1;
}

/// How a log is not that of a process that was started, asked by known and unknown clients and by too many, and told to end.
fn wrong(log: &[String], judged: Judged) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines = Vec::new();
    for line in log {
        match serde_json::from_str::<Value>(line) {
            Ok(line) if line.is_object() => lines.push(line),
            Ok(_) | Err(_) => wrong.push(format!("a line of the log is no JSON object: {line}")),
        }
    }
    for (line, text) in lines.iter().zip(log) {
        let has = |field: &str| line[field].as_str().is_some_and(|text| !text.is_empty());
        if !has("event") || !has("time") || !has("level") {
            wrong.push(format!("a line of the log lacks event, time or level: {text}"));
        }
        if !has("log") && !has("target") {
            wrong.push(format!("a line of the log does not say whose it is: {text}"));
        }
        if text.contains(super::TOKEN) || text.contains(super::SECRET) {
            wrong.push(format!("a line of the log tells a secret: {text}"));
        }
    }
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    for once in ["service_started", "listening", "service_stopping", "service_stopped"] {
        let times = of(once).len();
        if times != 1 {
            wrong.push(format!("the log has `{once}` {times} times"));
        }
    }
    let first_and_last = [lines.first(), lines.last()].map(|line| line.and_then(|line| line["event"].as_str()));
    if first_and_last != [Some("service_started"), Some("service_stopped")] {
        wrong.push(format!("the log begins and ends with {first_and_last:?}"));
    }
    if of("service_stopped").iter().any(|line| line["count"] != 0) {
        wrong.push("the log tells of work that is left, and there was none".to_owned());
    }
    // Each of the first strangers is told of, the crowd behind them is not.
    let strangers = of("unauthorised");
    let each = u64::from(Policy::default().http.refusals_at_once);
    let well = |line: &&Value| {
        line["count"] == 1 && line["peer"] == "127.0.0.1" && line["path"] == "/mcp" && line["level"] == "warn"
    };
    if judged.refusals && (strangers.len() as u64 != each || !strangers.iter().all(well)) {
        wrong.push(format!("the log tells of {} strangers: {:?}", strangers.len(), strangers.last()));
    }
    let full = of("connections_full");
    let places = Policy::default().http.strangers_max;
    if judged.places && (full.len() != 1 || full.iter().any(|line| line["count"] != 1 || line["places"] != places)) {
        wrong.push(format!("the log tells of strangers that lost their places: {full:?}"));
    }
    let (begun, ended) = (of("tool_call_begun"), lines.iter().filter(|line| line["log"] == "step").count());
    if begun.is_empty() || begun.len() != ended {
        wrong.push(format!("the log has {} calls that began, and {ended} that ended", begun.len()));
    }
    for event in ["a frame was refused", "webhook_refused"] {
        if of(event).iter().all(|line| line["level"] != "warn") {
            wrong.push(format!("the log does not warn of `{event}`"));
        }
    }
    wrong
}
