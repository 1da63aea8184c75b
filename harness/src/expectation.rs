//! What a scenario expects beyond the oracles, compared with what happened: one sentence for each difference.

use crate::provider::ledger::EffectKind;
use crate::rest::Rest;
use crate::scenario::model::{Answer, Scenario, Step};
use crate::trace::{EventKind, HostReply, Record};

/// Every expectation that was not met.
pub fn unmet(scenario: &Scenario, record: &Record, rest: &Rest) -> Vec<String> {
    let mut unmet = Vec::new();
    let tool_of = |step: u32| match scenario.script.get(step as usize - 1) {
        Some(Step::Call(call)) => Some(&*call.tool),
        _ => None,
    };
    let answers = answers(scenario, record);
    let last_reply =
        |wanted: &dyn Fn(u32) -> bool| answers.iter().rev().find(|(step, _)| wanted(*step)).map(|(_, reply)| *reply);
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
            unmet.push(format!("the last answer should be {}, but {}", noun(expected), told(reply)));
        }
    }
    // Kept as they come: a run sends to few operations, and most scenarios expect something of all of them.
    let sent: Vec<&str> = if scenario.expect.requests.is_empty() {
        Vec::new()
    } else {
        record.trace.sent().map(|(_, _, sent)| sent.operation.label).collect()
    };
    for (label, expected) in &scenario.expect.requests {
        let sent = sent.iter().filter(|sent| *sent == label).count();
        if sent != *expected as usize {
            unmet.push(format!("requests at {label}: {expected} expected, {sent} sent"));
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
            unmet.push(format!("effects of {kind} standing at rest: {expected} expected, {stands} found"));
        }
    }
    if let Some(expected) = scenario.expect.parked
        && rest.parked.len() != expected as usize
    {
        let notes: Vec<_> = rest.parked.iter().map(|order| format!("{} ({})", order.order_id, order.note)).collect();
        let list = if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) };
        unmet.push(format!("orders parked at rest: {expected} expected, {} found{list}", rest.parked.len()));
    }
    unmet
}

/// What each call was answered, in the order in which answers came, with the script step that the call was for.
/// What the host called beside a step, as another tool, is not the step's answer.
fn answers<'r>(scenario: &Scenario, record: &'r Record) -> Vec<(u32, &'r HostReply)> {
    let is_the_steps = |step: u32, tool: &str| match scenario.script.get(step as usize - 1) {
        Some(Step::Call(call)) => &*call.tool == tool,
        _ => true,
    };
    let mut steps = Vec::with_capacity(8);
    let mut answers = Vec::with_capacity(8);
    for event in &record.trace.events {
        match &event.kind {
            EventKind::CallStarted(started) if is_the_steps(started.step, &started.tool) => {
                steps.push((started.call, started.step));
            }
            EventKind::CallEnded { call, reply } => {
                let step = steps.iter().rfind(|(started, _)| started == call);
                answers.extend(step.map(|(_, step)| (*step, reply)));
            }
            _ => {}
        }
    }
    answers
}

const fn standing_kind(kind: EffectKind) -> bool {
    matches!(kind, EffectKind::Charge | EffectKind::Reserve | EffectKind::Commit)
}

fn matches(expected: &Answer, reply: &HostReply) -> bool {
    let HostReply::Tool { structured, is_error } = reply else {
        return match expected {
            Answer::Interrupted => *reply == HostReply::Cancelled,
            Answer::ProtocolError => matches!(reply, HostReply::Protocol { .. }),
            _ => false,
        };
    };
    let status = structured.get("status").and_then(serde_json::Value::as_str);
    match expected {
        Answer::Success => !is_error && !matches!(status, Some("pending" | "failed" | "cancelled")),
        Answer::Failed => *is_error || status == Some("failed"),
        Answer::Pending => !is_error && status == Some("pending"),
        Answer::Code(code) => {
            structured.pointer("/error/code").or_else(|| structured.get("error_code")).and_then(|code| code.as_str())
                == Some(code)
        }
        Answer::Cancelled => !is_error && status == Some("cancelled"),
        Answer::Interrupted | Answer::ProtocolError => false,
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
        Answer::ProtocolError => String::from("with a protocol error"),
    }
}

/// What an answer is, where `words` say how a call is answered.
fn noun(answer: &Answer) -> String {
    match answer {
        Answer::Interrupted => String::from("none at all"),
        _ => words(answer).trim_start_matches("with ").to_owned(),
    }
}

fn told(reply: Option<&HostReply>) -> String {
    match reply {
        None => String::from("no such call was answered"),
        Some(HostReply::Cancelled) => String::from("the host cancelled it"),
        Some(HostReply::Broken) => String::from("the connection broke"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use giftgenius::money::{Currency, Money};
    use serde_json::{Value, json};

    use super::*;
    use crate::provider::ledger::{Effect, EffectId};
    use crate::rest::ParkedOrder;
    use crate::scenario::{Known, parse};
    use crate::trace::{CallId, CallStarted};

    /// A quote, a sale, and a question about it; what the steps and the whole expect comes after.
    fn scenario(sale: &str, whole: &str) -> Scenario {
        let text = format!(
            "title = \"T\"\nlesson = \"L.\"\n\
             [[script]]\ncall = \"create_checkout_session\"\nintent = \"gift\"\n\
             [[script]]\ncall = \"create_order\"\nintent = \"gift\"\n{sale}\n\
             [[script]]\ncall = \"get_order\"\nintent = \"gift\"\n\
             [expect]\n{whole}\n"
        );
        parse(&text, "a/b", "a/b.toml".as_ref(), &Known::default())
            .unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    /// A run in which each step's call was answered like this.
    fn answered(replies: &[(u32, HostReply)]) -> Record {
        let mut record = Record::default();
        for (index, (step, reply)) in replies.iter().enumerate() {
            let call = CallId(u32::try_from(index).expect("few"));
            let started = CallStarted {
                call,
                step: *step,
                tool: match step {
                    1 => "create_checkout_session".into(),
                    2 => "create_order".into(),
                    _ => "get_order".into(),
                },
                arguments: Value::Null.into(),
                key: None,
                user: "ada".into(),
                correlation: "".into(),
                intent: None,
                malformed: None,
            };
            record.push(Duration::ZERO, EventKind::CallStarted(Box::new(started)));
            record.push(Duration::ZERO, EventKind::CallEnded { call, reply: reply.clone() });
        }
        record
    }

    fn result(status: &str) -> HostReply {
        HostReply::Tool { structured: json!({"status": status}).into(), is_error: false }
    }

    fn error(code: &str) -> HostReply {
        HostReply::Tool { structured: json!({"error": {"code": code, "message": "No."}}).into(), is_error: true }
    }

    fn effect(record: &mut Record, kind: EffectKind, undoes: Option<u32>) {
        let effect = Effect {
            id: EffectId(record.ledger.effects.len().try_into().expect("few")),
            at: Duration::ZERO,
            exchange: None,
            kind,
            reference: "ord_1".into(),
            subject: "x".into(),
            amount: Some(Money::new(4200, Currency::EUR)),
            stock: Vec::new(),
            undoes: undoes.map(EffectId),
            key: None,
            correlation: "".into(),
        };
        record.ledger.effects.push(Arc::new(effect));
    }

    #[test]
    fn each_answer_is_met_by_its_own_kind_and_by_no_other() {
        let replies = [
            ("success", result("success")),
            ("pending", result("pending")),
            ("cancelled", result("cancelled")),
            ("OUT_OF_STOCK", error("OUT_OF_STOCK")),
            ("interrupted", HostReply::Cancelled),
            ("none", HostReply::NoAnswer),
            ("protocol", HostReply::Protocol { code: -32602, message: "What?".to_owned() }),
        ];
        let met: [(&str, &[&str]); 6] = [
            ("success", &["success"]),
            ("failed", &["OUT_OF_STOCK"]),
            ("pending", &["pending"]),
            ("cancelled", &["cancelled"]),
            ("OUT_OF_STOCK", &["OUT_OF_STOCK"]),
            ("PROMO_INVALID", &[]),
        ];
        for (expected, by) in met {
            let answer = match expected {
                "success" => Answer::Success,
                "failed" => Answer::Failed,
                "pending" => Answer::Pending,
                "cancelled" => Answer::Cancelled,
                code => Answer::Code(code.to_owned()),
            };
            for (kind, reply) in &replies {
                assert_eq!(matches(&answer, reply), by.contains(kind), "{expected} by {kind}");
            }
        }
        for (kind, reply) in &replies {
            assert_eq!(matches(&Answer::Interrupted, reply), *kind == "interrupted", "{kind}");
        }
    }

    #[test]
    fn a_steps_expectation_is_held_to_its_last_answer() {
        let scenario = scenario("expect = \"success\"", "");
        let sale = |replies: &[HostReply]| {
            let replies: Vec<_> = replies.iter().map(|reply| (2, reply.clone())).collect();
            unmet(&scenario, &answered(&replies), &Rest::default())
        };
        assert_eq!(sale(&[result("pending"), result("success")]), Vec::<String>::new());
        assert_eq!(
            sale(&[result("success"), error("INTERNAL")]),
            ["step 2 (create_order) should be answered `success`, but it was INTERNAL: No."]
        );
        assert_eq!(sale(&[]), ["step 2 (create_order) should be answered `success`, but no such call was answered"]);
    }

    #[test]
    fn the_answer_is_that_of_the_last_sale_whatever_comes_after_it() {
        let scenario = scenario("", "answer = \"success\"");
        let run = |sale, after| unmet(&scenario, &answered(&[(2, sale), (3, after)]), &Rest::default());
        assert_eq!(run(result("success"), error("ORDER_NOT_FOUND")), Vec::<String>::new());
        assert_eq!(
            run(result("pending"), result("success")),
            ["the last answer should be `success`, but it was `pending`"]
        );
    }

    #[test]
    fn effects_that_stand_are_counted_and_undone_ones_are_not() {
        let scenario = scenario("", "standing = { charge = 1, reserve = 0 }");
        let mut record = Record::default();
        assert_eq!(
            unmet(&scenario, &record, &Rest::default()),
            ["effects of charge standing at rest: 1 expected, 0 found"]
        );
        effect(&mut record, EffectKind::Charge, None);
        assert_eq!(unmet(&scenario, &record, &Rest::default()), Vec::<String>::new());
        effect(&mut record, EffectKind::Refund, Some(0));
        effect(&mut record, EffectKind::Reserve, None);
        assert_eq!(
            unmet(&scenario, &record, &Rest::default()),
            [
                "effects of charge standing at rest: 1 expected, 0 found",
                "effects of reserve standing at rest: 0 expected, 1 found"
            ]
        );
    }

    #[test]
    fn requests_are_counted_in_all() {
        let scenario = scenario("", "requests = { \"payment.charge\" = 2 }");
        assert_eq!(
            unmet(&scenario, &Record::default(), &Rest::default()),
            ["requests at payment.charge: 2 expected, 0 sent"]
        );
    }

    #[test]
    fn no_order_is_parked_unless_said() {
        let parked = ParkedOrder { order_id: "ord_1".into(), note: "a charge stands".to_owned() };
        let rest = Rest { parked: vec![parked], ..Rest::default() };
        let record = Record::default();
        assert_eq!(
            unmet(&scenario("", ""), &record, &rest),
            ["orders parked at rest: 0 expected, 1 found: ord_1 (a charge stands)"]
        );
        assert_eq!(unmet(&scenario("", "parked = 1"), &record, &rest), Vec::<String>::new());
        assert_eq!(unmet(&scenario("", "parked = \"any\""), &record, &rest), Vec::<String>::new());
        assert_eq!(
            unmet(&scenario("", "parked = 1"), &record, &Rest::default()),
            ["orders parked at rest: 1 expected, 0 found"]
        );
    }
}
