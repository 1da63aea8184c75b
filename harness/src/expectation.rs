//! What a scenario expects beyond the oracles, compared with what happened: one sentence for each difference.

use crate::oracle::Rest;
use crate::provider::ledger::EffectKind;
use crate::scenario::model::{Answer, Scenario, Step};
use crate::trace::{EventKind, HostReply, Record};

/// Every expectation that was not met.
pub fn unmet(scenario: &Scenario, record: &Record, rest: &Rest) -> Vec<String> {
    let mut unmet = Vec::new();
    let last_reply = |wanted: &dyn Fn(u32) -> bool| {
        let mut last = None;
        let mut of_interest = Vec::new();
        for event in &record.trace.events {
            match &event.kind {
                EventKind::CallStarted(started) if wanted(started.step) => of_interest.push(started.call),
                EventKind::CallEnded { call, reply } if of_interest.contains(call) => last = Some(reply),
                _ => {}
            }
        }
        last
    };
    let tool_of = |step: u32| match scenario.script.get(step as usize - 1) {
        Some(Step::Call(call)) => Some(&*call.tool),
        _ => None,
    };
    for (index, step) in scenario.script.iter().enumerate() {
        let Step::Call(call) = step else { continue };
        let Some(expected) = &call.expect else { continue };
        let number = u32::try_from(index + 1).expect("a script has fewer steps than that");
        let reply = last_reply(&|step| step == number);
        if !reply.is_some_and(|reply| matches(expected, reply)) {
            unmet.push(format!(
                "step {number} ({}) should be answered {}, but {}",
                call.tool,
                words(expected),
                told(reply)
            ));
        }
    }
    if let Some(expected) = &scenario.expect.answer {
        let sales =
            scenario.script.iter().any(|step| matches!(step, Step::Call(call) if &*call.tool == "create_order"));
        let reply = last_reply(&|step| !sales || tool_of(step) == Some("create_order"));
        if !reply.is_some_and(|reply| matches(expected, reply)) {
            unmet.push(format!("the last answer should be {}, but {}", words(expected), told(reply)));
        }
    }
    for (label, expected) in &scenario.expect.requests {
        let sent = record.trace.sent().filter(|(_, _, sent)| sent.operation.label == label).count();
        if sent != *expected as usize {
            let plural = if *expected == 1 { "" } else { "s" };
            unmet.push(format!("{label} should see {expected} request{plural}, but saw {sent}"));
        }
    }
    for (kind, expected) in &scenario.expect.standing {
        let stands = record
            .ledger
            .effects
            .iter()
            .filter(|effect| effect.kind.name() == kind && standing_kind(effect.kind))
            .filter(|effect| record.ledger.stands_at(effect, std::time::Duration::MAX))
            .count();
        if stands != *expected as usize {
            unmet.push(format!("at rest {expected} {kind} should stand, but {stands} stand"));
        }
    }
    if rest.parked.len() != scenario.expect.parked as usize {
        let notes: Vec<_> = rest.parked.iter().map(|order| format!("{} ({})", order.order_id, order.note)).collect();
        let list = if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) };
        unmet.push(format!(
            "{} orders should be parked at rest, but {} are{list}",
            scenario.expect.parked,
            rest.parked.len()
        ));
    }
    unmet
}

const fn standing_kind(kind: EffectKind) -> bool {
    matches!(kind, EffectKind::Charge | EffectKind::Reserve | EffectKind::Commit)
}

fn matches(expected: &Answer, reply: &HostReply) -> bool {
    let HostReply::Tool { structured, is_error } = reply else {
        return *expected == Answer::Interrupted && *reply == HostReply::Cancelled;
    };
    let status = structured.get("status").and_then(serde_json::Value::as_str);
    match expected {
        Answer::Success => !is_error && !matches!(status, Some("pending" | "failed")),
        Answer::Failed => *is_error || status == Some("failed"),
        Answer::Pending => !is_error && status == Some("pending"),
        Answer::Code(code) => {
            structured.pointer("/error/code").or_else(|| structured.get("error_code")).and_then(|code| code.as_str())
                == Some(code)
        }
        Answer::Cancelled => !is_error && status == Some("cancelled"),
        Answer::Interrupted => false,
    }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Success => String::from("`success`"),
        Answer::Failed => String::from("with an error"),
        Answer::Pending => String::from("`pending`"),
        Answer::Code(code) => format!("with {code}"),
        Answer::Cancelled => String::from("`cancelled`"),
        Answer::Interrupted => String::from("not at all"),
    }
}

fn told(reply: Option<&HostReply>) -> String {
    match reply {
        None => String::from("no such call was answered"),
        Some(HostReply::Cancelled) => String::from("the host cancelled it"),
        Some(HostReply::NoAnswer) => String::from("no answer came"),
        Some(HostReply::Protocol { code, message }) => format!("it was the protocol error {code}: {message}"),
        Some(HostReply::Tool { structured, .. }) => {
            let text = |pointer: &str| structured.pointer(pointer).and_then(serde_json::Value::as_str);
            match (text("/error/code"), text("/status")) {
                (Some(code), _) => format!("it was {code}: {}", text("/error/message").unwrap_or_default()),
                (None, Some(status)) => format!("it was `{status}`"),
                (None, None) => String::from("it was a result"),
            }
        }
    }
}
