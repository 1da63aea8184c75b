//! `error-shape`: every answer has the fields its reader needs, in the right channel.

use giftgenius::error::Code;
use giftgenius::step_log::LogLine;
use serde_json::Value;

use super::evidence::{CallView, Evidence};
use super::gather::may_have_begun_unheard;
use super::keyed::share_a_key;
use super::told::ToldStatus;
use super::{Findings, Oracle, Verdict, codes};
use crate::trace::HostReply;

/// The rule.
pub static ERROR_SHAPE: Oracle = Oracle {
    id: "error-shape",
    rule: "A tool error carries code, type, message, user_message, retryable, effects, next and its correlation id, \
           and for invalid arguments every violation; an unknown tool is a protocol error and a known tool never \
           answers with one; an answer about a sale carries order, amount and effects.",
    explanation: "The model repairs its call from the error's own words and the person reads one plain sentence, so a \
                  missing field is a dead end for one of them. A protocol error is for the platform: a tool's failure \
                  must not hide there. A breach names the call and the field.",
    requirements: &["F1", "F11"],
    check,
};

/// The tools that exist.
const TOOLS: [&str; 9] = [
    "search_products",
    "suggest_gifts",
    "get_payment_methods",
    "create_checkout_session",
    "create_order",
    "get_order",
    "cancel_order",
    "user_navigated_to_step",
    "get_workflow",
];

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ERROR_SHAPE.id);
    for call in &evidence.calls {
        let (Some(reply), Some((end, _))) = (call.reply, call.end) else {
            continue;
        };
        let known = TOOLS.contains(&&*call.started.tool);
        let wrong = match reply {
            HostReply::Tool { .. } if !known => Some(String::from("is no tool, but was answered as if it were one")),
            HostReply::Protocol { code, message } if known && call.started.arguments.is_object() => {
                Some(format!("failed as a protocol error ({code}: {message}) instead of a tool error"))
            }
            HostReply::Tool { structured, is_error: true } => {
                wrong_error(evidence, call, structured).map(|what| format!("answered an error {what}"))
            }
            HostReply::Tool { is_error: false, .. } => wrong_answer(call).map(|what| format!("answered {what}")),
            HostReply::Protocol { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => None,
        };
        if let Some(wrong) = wrong {
            let message = format!("{} of script step {} {wrong}", call.started.tool, call.started.step);
            findings.add(message, [call.start_event, end]);
        }
    }
    findings.verdict()
}

/// A message is short (F11): it is read by a model whose every word costs.
const MESSAGE_MAX: usize = 1_000;

/// What is wrong with a tool error.
fn wrong_error(evidence: &Evidence<'_>, call: &CallView<'_>, structured: &Value) -> Option<String> {
    let Some(Value::Object(error)) = structured.get("error") else {
        return Some(String::from("without an `error` object"));
    };
    let text = |field: &str| error.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    for field in ["code", "type", "message", "user_message", "effects", "correlation_id"] {
        if text(field).is_none() {
            return Some(format!("without `{field}`"));
        }
    }
    if error.get("retryable").and_then(Value::as_bool).is_none() {
        return Some(String::from("without `retryable`"));
    }
    if text("message").is_some_and(|message| message.chars().count() > MESSAGE_MAX) {
        return Some(format!("whose `message` has more than {MESSAGE_MAX} characters"));
    }
    let kind = text("type").unwrap_or_default();
    if !matches!(kind, "technical" | "logical" | "business" | "interrupted") {
        return Some(format!("of the unknown type `{kind}`"));
    }
    let effects = text("effects").unwrap_or_default();
    if !matches!(effects, "none" | "unknown" | "charged") {
        return Some(format!("with the unknown effects `{effects}`"));
    }
    match error.get("next") {
        Some(Value::Array(next)) if !next.is_empty() && next.iter().all(Value::is_string) => {}
        _ => return Some(String::from("without `next`: what can be done now")),
    }
    if error.get("retry_after_ms").is_some_and(|after| after.as_u64().is_none()) {
        return Some(String::from("whose `retry_after_ms` is no number of milliseconds"));
    }
    // A saved answer is replayed with the correlation id of the call that was first answered with it; another key on a
    // session that is being paid gets the answer of that order, whose id leads to the lines and requests of its sale.
    let correlation = text("correlation_id").unwrap_or_default();
    let leads_back = *correlation == *call.started.correlation
        || evidence.call_of(correlation).is_some_and(|first| {
            let first = &evidence.calls[first];
            (call.started.key.is_some() && share_a_key(first, call))
                || (call.order.is_some() && first.order == call.order)
                || may_have_begun_it(evidence, first, call)
        });
    if !leads_back {
        return Some(format!("with the correlation id {correlation} instead of its own, {}", call.started.correlation));
    }
    let code = codes::parse(text("code").unwrap_or_default());
    if let Some(code) = code
        && serde_json::to_value(code.kind()).ok().as_ref().and_then(Value::as_str) != Some(kind)
    {
        return Some(format!("{} of type `{kind}`, which is another class", code.as_str()));
    }
    let violations = error.get("violations");
    if code == Some(Code::InvalidArguments) && violations.and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return Some(String::from("about invalid arguments without `violations`"));
    }
    if let Some(wrong) = violations.and_then(|violations| wrong_violations(violations, &call.started.arguments)) {
        return Some(wrong);
    }
    let used = call.started.key.as_deref();
    let example = error.get("example").and_then(|example| example.get(super::json::KEY)).and_then(Value::as_str);
    (used.is_some() && example == used).then(|| String::from("whose `example` holds the caller's own, usable key"))
}

/// Whether a call may have begun the order that another one is told of: nothing was sent for the order and no line of its
/// own tells whose it is, so that any call for its session which was not heard to its end may be meant.
fn may_have_begun_it(evidence: &Evidence<'_>, first: &CallView<'_>, call: &CallView<'_>) -> bool {
    let (Some(order), Some((end, _))) = (call.order, call.end) else { return false };
    let order = &evidence.orders[order];
    let is_of_it = |line: &LogLine| match line {
        LogLine::Step(line) => {
            line.order_id.as_ref().is_some_and(|id| id.as_str() == order.id) && !TOOLS.contains(&&*line.step_id)
        }
        _ => false,
    };
    first.start_event < end
        && may_have_begun_unheard(first, call)
        && order.exchanges.is_empty()
        && !evidence.lines.iter().any(|(_, line)| is_of_it(line))
}

/// What is wrong with the violations of an error: each says what is wrong, what would be right, and where.
fn wrong_violations(violations: &Value, arguments: &Value) -> Option<String> {
    for violation in violations.as_array()? {
        let text = |field: &str| violation.get(field).and_then(Value::as_str);
        for field in ["error_type", "expected"] {
            if text(field).is_none_or(|text| text.trim().is_empty()) {
                return Some(format!("with a violation without `{field}`"));
            }
        }
        let Some(place) = text("field") else { return Some(String::from("with a violation without `field`")) };
        if !is_a_place(place, text("error_type"), arguments) {
            return Some(format!("with a violation of `{place}`, which is no place of the arguments"));
        }
    }
    None
}

/// Whether a violation can be of this place: something was sent there, or around it. All of the arguments are meant where they are
/// no object, or too large.
fn is_a_place(place: &str, error_type: Option<&str>, arguments: &Value) -> bool {
    match place.rsplit_once('/') {
        // The key may have come beside the arguments.
        Some((parent, name)) => arguments.pointer(parent).is_some() || name == super::json::KEY,
        None => place.is_empty() && (!arguments.is_object() || error_type == Some("too_large")),
    }
}

/// What is wrong with an answer that is no error.
fn wrong_answer(call: &CallView<'_>) -> Option<String> {
    if call.said.holds_an_error {
        return Some(String::from("an `error` that is not marked as one"));
    }
    if call.is("create_checkout_session") {
        return match (call.said.session, call.said.amount) {
            (None, _) => Some(String::from("without `checkout_session_id`")),
            (Some(_), None) => Some(String::from("without `amount`")),
            (Some(_), Some(_)) => None,
        };
    }
    if !(call.is("create_order") || call.is("get_order") || call.is("cancel_order")) {
        return None;
    }
    let Some(told) = &call.told else {
        return Some(String::from("without a known `status` and `order_id`"));
    };
    let effects = told.effects.unwrap_or("nothing");
    let fits = match told.status {
        ToldStatus::Success => effects == "charged",
        ToldStatus::Pending => matches!(effects, "unknown" | "charged"),
        // A failed order that waits for a person may still hold money.
        ToldStatus::Failed => matches!(effects, "none" | "unknown" | "charged"),
        ToldStatus::Cancelled => effects == "none",
    };
    if !fits {
        return Some(format!("`{}` with effects `{effects}`, which does not fit", told.status.name()));
    }
    if call.is("create_order") {
        // A purchase that was taken back since it was told paid is cancelled, which is no error.
        if told.status == ToldStatus::Failed {
            return Some(format!("`{}` as a result; a sale that failed is a tool error", told.status.name()));
        }
        if told.amount.is_none() {
            return Some(String::from("without `amount`"));
        }
        if call.said.session.is_none() {
            return Some(String::from("without `checkout_session_id`"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use giftgenius::step_log::StepStatus;
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, order_answer, pending, success};

    fn failed(change: impl FnOnce(&mut Value)) -> Run {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(Code::PaymentDeclined, Some(("ord_1", Effects::None)));
        change(&mut error["error"]);
        run.fail(call, error);
        run
    }

    #[test]
    fn a_whole_error_and_a_sale_are_well_formed() {
        failed(|_| ()).kept(&ERROR_SHAPE);
        Run::sale().kept(&ERROR_SHAPE);
    }

    #[test]
    fn every_field_is_needed() {
        for field in ["code", "type", "message", "user_message", "retryable", "effects", "next", "correlation_id"] {
            let mut run = failed(|error| {
                error.as_object_mut().expect("an object").remove(field);
            });
            let said = run.broken(&ERROR_SHAPE);
            assert!(said.contains(&format!("without `{field}`")), "{said}");
        }
    }

    #[test]
    fn every_field_means_something() {
        for (field, value) in [
            ("type", json!("weird")),
            ("type", json!("technical")),
            ("effects", json!("some")),
            ("next", json!([])),
            ("retry_after_ms", json!("soon")),
            ("correlation_id", json!("another")),
            ("user_message", json!("")),
            ("example", json!({"idempotency_key": "k1"})),
        ] {
            failed(|error| error[field] = value).broken(&ERROR_SHAPE);
        }
        failed(|error| error["example"] = json!({"idempotency_key": "<a fresh key>"})).kept(&ERROR_SHAPE);
    }

    #[test]
    fn the_answer_of_an_order_may_carry_the_id_of_the_call_that_began_it() {
        for (order, broken) in [("ord_1", false), ("ord_2", true)] {
            let mut run = failed(|_| ());
            let first = run.correlation.clone();
            let call = run.create_order("cs_1", "k2");
            let mut error = run.error(Code::PaymentDeclined, Some((order, Effects::None)));
            error["error"]["correlation_id"] = json!(first);
            run.fail(call, error);
            if broken {
                run.broken(&ERROR_SHAPE);
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
    }

    #[test]
    fn an_order_that_was_begun_without_a_word_is_of_the_call_that_the_log_names() {
        for (logged, session, broken) in [(true, "cs_1", false), (false, "cs_1", true), (true, "cs_2", true)] {
            let mut run = Run::new();
            let first = run.create_order(session, "k1");
            let began = run.correlation.clone();
            if logged {
                run.order_step("order", StepStatus::Success, "ord_1");
            }
            run.fail_with(first, Code::StoreUnavailable, None);
            let second = run.create_order("cs_1", "k2");
            let mut error = run.error(Code::SessionExpired, Some(("ord_1", Effects::None)));
            error["error"]["correlation_id"] = json!(began);
            run.fail(second, error);
            if broken {
                run.broken(&ERROR_SHAPE);
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
    }

    #[test]
    fn an_order_of_which_nothing_is_logged_may_be_of_any_call_for_its_session_that_was_not_heard() {
        for (session, unheard, is_kept) in [("cs_1", true, true), ("cs_2", true, false), ("cs_1", false, false)] {
            let mut run = Run::new();
            let first = run.create_order(session, "k1");
            let began = run.correlation.clone();
            if unheard {
                run.reply(first, HostReply::Broken);
            } else {
                run.fail_with(first, Code::CheckoutDisabled, None);
            }
            // Refused for it, so that it was there before the next call.
            let move_away = run.call("user_navigated_to_step", json!({"workflow_id": "wf_1", "step": "choose_gift"}));
            run.fail_with(move_away, Code::OrderInProgress, Some(("ord_1", Effects::Unknown)));
            let dead = run.create_order("cs_1", "k2");
            run.reply(dead, HostReply::Broken);
            let second = run.create_order("cs_1", "k2");
            let mut error = run.error(Code::OrderCancelled, Some(("ord_1", Effects::None)));
            error["error"]["correlation_id"] = json!(began);
            run.fail(second, error);
            if is_kept {
                run.kept(&ERROR_SHAPE);
                run.with_evidence(|evidence| assert_eq!(evidence.orders[0].begun_by, Some(0)));
            } else {
                run.broken(&ERROR_SHAPE);
            }
        }
    }

    #[test]
    fn of_two_calls_at_once_the_later_one_may_have_begun_the_order_that_the_earlier_one_is_told_of() {
        for (logged_under, broken) in [("step-2.1", false), ("step-1.1", true)] {
            let mut run = Run::new();
            let first = run.create_order("cs_1", "k1");
            let second = run.create_order("cs_1", "k2");
            let began = run.correlation.clone();
            run.correlation = logged_under.to_owned();
            run.order_step("order", StepStatus::Success, "ord_1");
            run.correlation = began.clone();
            run.fail_with(second, Code::StoreUnavailable, None);
            let mut error = run.error(Code::SessionExpired, Some(("ord_1", Effects::None)));
            error["error"]["correlation_id"] = json!(began);
            run.fail(first, error);
            if broken {
                assert!(run.broken(&ERROR_SHAPE).contains("the correlation id step-2.1 instead of its own"));
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
    }

    #[test]
    fn invalid_arguments_come_with_violations() {
        for (violations, broken) in [
            (json!([]), true),
            (json!([{"field": "/x"}]), true),
            (json!([{"field": "/x", "error_type": "missing", "expected": "a key"}]), false),
            (json!([{"field": "/x", "error_type": "", "expected": "a key"}]), true),
            (json!([{"field": "/x", "error_type": "missing", "expected": " "}]), true),
            (json!([{"field": "x", "error_type": "missing", "expected": "a key"}]), true),
            (json!([{"field": "/x/y", "error_type": "missing", "expected": "a key"}]), true),
            (json!([{"field": "", "error_type": "missing", "expected": "a key"}]), true),
            (json!([{"field": "", "error_type": "too_large", "expected": "less"}]), false),
        ] {
            let mut run = Run::new();
            let call = run.create_order("cs_1", "k1");
            let mut error = run.error(Code::InvalidArguments, None);
            error["error"]["violations"] = violations;
            run.fail(call, error);
            if broken {
                run.broken(&ERROR_SHAPE);
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
    }

    #[test]
    fn the_channel_is_right() {
        for (tool, broken) in [("create_order", true), ("make_order", false)] {
            let mut run = Run::new();
            let call = run.call(tool, json!({}));
            run.reply(call, HostReply::Protocol { code: -32601, message: String::from("no") });
            if broken {
                run.broken(&ERROR_SHAPE);
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
        let mut run = Run::new();
        let call = run.call("make_order", json!({}));
        run.fail_with(call, Code::InvalidArguments, None);
        assert!(run.broken(&ERROR_SHAPE).contains("is no tool"));

        let mut run = failed(|_| ());
        let call = run.create_order("cs_1", "k1");
        let error = run.error(Code::PaymentDeclined, None);
        run.answer(call, error);
        assert!(run.broken(&ERROR_SHAPE).contains("not marked"));
    }

    #[test]
    fn a_sale_is_told_as_success_pending_or_an_error() {
        for (answer, broken) in [
            (success("cs_1", "ord_1"), false),
            (pending("cs_1", "ord_1", "charged"), false),
            (pending("cs_1", "ord_1", "none"), true),
            (order_answer("ord_1", "failed"), true),
            (json!({"status": "success"}), true),
        ] {
            let mut run = Run::new();
            let call = run.create_order("cs_1", "k1");
            run.answer(call, answer);
            if broken {
                run.broken(&ERROR_SHAPE);
            } else {
                run.kept(&ERROR_SHAPE);
            }
        }
    }
}
