//! `same-answer`: the same key and parameters give the saved answer and do nothing.

use giftgenius::error::Code;
use serde_json::Value;

use super::evidence::{CallView, Evidence};
use super::json::same_parameters;
use super::keyed::{acted, finished, is_remembered, keyed_calls, sent_for, share_a_key};
use super::{Findings, Oracle, Verdict};
use crate::trace::HostReply;

/// The rule.
pub static SAME_ANSWER: Oracle = Oracle {
    id: "same-answer",
    rule: "Once a call has been answered for good, a later one with the same key and parameters gets the same answer \
           and causes nothing.",
    explanation: "A platform that repeats a call after a time-out, and a model that calls twice, must be told what \
                  was told before: a second opinion is a second purchase. A success and a failure for good are \
                  saved; `pending` and retryable errors are not. Only the correlation id of an error may differ.",
    requirements: &["F4", "F5"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(SAME_ANSWER.id);
    let keyed = keyed_calls(evidence);
    for group in keyed.chunk_by(|left, right| share_a_key(left, right)) {
        if group.len() < 2 {
            continue;
        }
        for (place, later) in group.iter().enumerate() {
            let saved = group[..place]
                .iter()
                .filter(|earlier| {
                    earlier.end.is_some_and(|(end, _)| end < later.start_event)
                        && is_remembered(evidence, earlier, later)
                        && same_parameters(&earlier.started.arguments, &later.started.arguments)
                        && finished(evidence, earlier)
                })
                .min_by_key(|earlier| earlier.end.map(|(end, _)| end));
            if let Some(saved) = saved {
                compare(evidence, saved, later, &mut findings);
            }
        }
    }
    findings.verdict()
}

fn compare(evidence: &Evidence<'_>, saved: &CallView<'_>, later: &CallView<'_>, findings: &mut Findings) {
    let key = later.started.key.as_deref().unwrap_or_default();
    let ends = [saved.end, later.end].into_iter().flatten().map(|(event, _)| event);
    if let (Some(first), Some(second)) = (saved.reply, later.reply)
        && !same(first, second)
        && !store_failed(later)
    {
        let message = format!(
            "{} with key {key} was answered {} and, repeated with the same parameters, {}",
            later.started.tool,
            brief(saved),
            brief(later)
        );
        findings.add(message, ends.clone());
    }
    if acted(evidence, later) {
        let requests = evidence
            .exchanges
            .iter()
            .filter(|exchange| exchange.sent.operation.effectful && sent_for(exchange.sent, later))
            .map(|exchange| exchange.sent_event);
        let message = format!(
            "{} with key {key} had been answered {} for good, and its repetition acted again",
            later.started.tool,
            brief(saved)
        );
        findings.add(message, requests.chain(ends));
    }
}

/// Whether the store could not be asked for the saved answer.
fn store_failed(call: &CallView<'_>) -> bool {
    let code = call.told.as_ref().and_then(|told| told.code);
    code == Some(Code::StoreUnavailable.as_str())
}

/// What an answer comes to, in a word.
fn brief(call: &CallView<'_>) -> String {
    match &call.told {
        Some(told) => match (told.code, told.order_id) {
            (Some(code), _) => format!("`{code}`"),
            (None, Some(order)) => format!("`{}` (order {order})", told.status.name()),
            (None, None) => format!("`{}`", told.status.name()),
        },
        None => String::from("a result"),
    }
}

/// Whether two answers are one. A repetition that the host itself gave up, or that got no answer, tells nothing.
fn same(first: &HostReply, second: &HostReply) -> bool {
    match (first, second) {
        (
            HostReply::Tool { structured: first, is_error: first_error },
            HostReply::Tool { structured: second, is_error: second_error },
        ) => first_error == second_error && same_but_correlation(first, second),
        (_, HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) => true,
        (HostReply::Protocol { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer, _)
        | (HostReply::Tool { .. }, HostReply::Protocol { .. }) => false,
    }
}

fn same_but_correlation(first: &Value, second: &Value) -> bool {
    let (Some(Value::Object(first_error)), Some(Value::Object(second_error))) =
        (first.get("error"), second.get("error"))
    else {
        return first == second;
    };
    first_error.len() == second_error.len()
        && first_error.iter().all(|(name, value)| name == "correlation_id" || second_error.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Effects;
    use serde_json::json;

    use super::*;
    use crate::oracle::testing::{Run, order_arguments, success};
    use crate::provider::operations::{CHARGE, RESERVE};

    #[test]
    fn a_repetition_with_the_same_answer_is_fine() {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        run.kept(&SAME_ANSWER);
    }

    #[test]
    fn another_answer_is_a_breach() {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        run.answer(call, success("cs_1", "ord_2"));
        assert!(run.broken(&SAME_ANSWER).contains("`success` (order ord_2)"));
    }

    #[test]
    fn a_new_request_is_a_breach_even_if_the_provider_deduplicates_it() {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("charge ord_1"));
        run.ok(charge);
        run.tell_success(call, "cs_1", "ord_1");
        assert!(run.broken(&SAME_ANSWER).contains("acted again"));
    }

    #[test]
    fn other_keys_users_and_parameters_are_other_calls() {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k2");
        run.fail_with(call, Code::OrderInProgress, None);
        let call = run.create_order("cs_2", "k1");
        run.fail_with(call, Code::KeyConflict, None);
        run.user = "bob";
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::SessionNotFound, None);
        run.kept(&SAME_ANSWER);
    }

    #[test]
    fn pending_and_retryable_failures_are_not_final() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
        let call = run.create_order("cs_1", "k1");
        run.tell_pending(call, "cs_1", "ord_2");
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_2");
        run.kept(&SAME_ANSWER);
    }

    #[test]
    fn a_failure_for_good_is_replayed_but_for_its_correlation_id() {
        let mut run = Run::new();
        run.session("cs_1");
        for order in ["ord_1", "ord_1", "ord_2"] {
            run.kept(&SAME_ANSWER);
            let call = run.create_order("cs_1", "k1");
            run.fail_with(call, Code::PaymentDeclined, Some((order, Effects::None)));
        }
        run.broken(&SAME_ANSWER);
    }

    #[test]
    fn answers_from_before_the_claim_save_nothing() {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::PaymentMethodNotFound, None);
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        run.kept(&SAME_ANSWER);
    }

    #[test]
    fn calls_that_overlap_are_not_compared() {
        let mut run = Run::new();
        let first = run.create_order("cs_1", "k1");
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
        run.ok(reserve);
        let second = run.create_order("cs_1", "k1");
        run.tell_success(first, "cs_1", "ord_1");
        run.fail_with(second, Code::OrderInProgress, None);
        run.kept(&SAME_ANSWER);
    }

    #[test]
    fn the_same_parameters_in_another_writing_are_the_same() {
        let mut run = Run::sale();
        let mut arguments = order_arguments("cs_1", "k1");
        arguments["quantity"] = json!(1);
        let call = run.call("create_order", arguments.clone());
        run.tell_success(call, "cs_1", "ord_7");
        arguments["quantity"] = json!(1.0);
        let call = run.call("create_order", arguments);
        run.tell_success(call, "cs_1", "ord_8");
        run.broken(&SAME_ANSWER);
    }

    #[test]
    fn an_entry_is_kept_for_its_retention() {
        let mut run = Run::sale();
        run.wait_ms(24 * 3600 * 1000);
        let call = run.create_order("cs_1", "k1");
        run.fail_with(call, Code::SessionExpired, None);
        run.kept(&SAME_ANSWER);
    }
}
