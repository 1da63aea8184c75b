//! `same-answer`: the same key and parameters give the answer that was given, brought up to date, and do nothing.

use giftgenius::error::Code;
use serde_json::Value;

use super::acts::shown_an_act;
use super::evidence::{CallView, Evidence};
use super::json::same_parameters;
use super::keyed::{acted, finished, is_remembered, keyed_calls, sent_for, share_a_key, taken_down};
use super::quiet::disturbed_from;
use super::told::ToldStatus;
use super::{Findings, Oracle, Verdict};
use crate::trace::HostReply;

/// The rule.
pub static SAME_ANSWER: Oracle = Oracle {
    id: "same-answer",
    rule: "Once a call has been answered for good, a later one with the same key and parameters gets the same answer \
           and causes nothing. Order, session, amount and the order's correlation id never change; how the order \
           stands is told as it is now, and changes only for a reason that shows. What is told again says so.",
    explanation: "A platform that repeats a call after a time-out, and a model that calls twice, must be told what \
                  was told before: a second opinion is a second purchase. A success and a failure for good are \
                  saved; `pending` and retryable errors are not. A changed status is explained by a cancel_order \
                  that was accepted since, or by something that the provider did and the system was shown (a look-up \
                  that was answered, an event that was taken in). A replay that repeats what another answer has \
                  overtaken is a breach as well. Where no order exists the whole answer is the same, but for the \
                  correlation id of an error.",
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
                        && !taken_down(evidence, earlier)
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
        && !was_not_asked(later)
        && !taken_down(evidence, later)
    {
        if let Some(difference) = difference(evidence, saved, later, first, second) {
            let message = format!(
                "{} with key {key} was answered {} and, repeated with the same parameters, {}{difference}",
                later.started.tool,
                brief(saved),
                brief(later)
            );
            findings.add(message, ends.clone());
        } else if let Some(overtaking) = overtaking(evidence, saved, later) {
            let message = format!(
                "{} with key {key} repeated {}, although {} had told {} since",
                later.started.tool,
                brief(later),
                overtaking.started.tool,
                brief(overtaking)
            );
            let shows = [overtaking.end, later.end].into_iter().flatten().map(|(event, _)| event);
            findings.add(message, shows);
        } else if !is_marked(second) && is_over(evidence, saved, later) {
            let message = format!(
                "{} with key {key} was answered {} again without a word that nothing was done for it (`replayed`)",
                later.started.tool,
                brief(later)
            );
            findings.add(message, ends.clone());
        }
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

/// Whether an answer says that it was given before, and of when it is.
fn is_marked(reply: &HostReply) -> bool {
    let HostReply::Tool { structured, is_error } = reply else { return true };
    let body = if *is_error { &structured["error"] } else { &**structured };
    body["replayed"] == Value::Bool(true) && body["as_of"].is_string()
}

/// Whether a sale that was answered had certainly ended by then, under a key that is certainly remembered: nothing went wrong
/// before its repetition, and nothing is looked for afterwards.
fn is_over(evidence: &Evidence<'_>, saved: &CallView<'_>, later: &CallView<'_>) -> bool {
    let code = later.told.as_ref().and_then(|told| told.code);
    let began_it = saved.order.and_then(|order| evidence.orders[order].begun_by);
    let (Some((_, answered)), Some((end, _))) = (saved.end, later.end) else { return false };
    saved.is("create_order")
        && began_it.is_some_and(|began| std::ptr::eq(&raw const evidence.calls[began], saved))
        && later.start.saturating_sub(answered) < evidence.policy.entry_retention / 2
        && code != Some(Code::RepeatedCall.as_str())
        && evidence.policy.payment_profile.deduplicates()
        && evidence.trace.webhooks().next().is_none()
        && disturbed_from(evidence) > end
}

/// Whether nobody looked for the saved answer: the store could not be asked, or the user had made too many calls for this one
/// to be taken.
fn was_not_asked(call: &CallView<'_>) -> bool {
    let code = call.told.as_ref().and_then(|told| told.code);
    [Code::StoreUnavailable, Code::LimitReached].into_iter().any(|known| code == Some(known.as_str()))
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

/// What differs between an answer and its repetition that may not. A repetition that the host itself gave up, or that got
/// no answer, tells nothing.
fn difference(
    evidence: &Evidence<'_>,
    saved: &CallView<'_>,
    later: &CallView<'_>,
    first: &HostReply,
    second: &HostReply,
) -> Option<&'static str> {
    let (first, second) = match (first, second) {
        (
            HostReply::Tool { structured: first, is_error: first_error },
            HostReply::Tool { structured: second, is_error: second_error },
        ) => ((&**first, *first_error), (&**second, *second_error)),
        (_, HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) => return None,
        (HostReply::Protocol { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer, _)
        | (HostReply::Tool { .. }, HostReply::Protocol { .. }) => return Some(""),
    };
    let order = |call: &CallView<'_>| call.told.as_ref().and_then(|told| told.order_id.map(str::to_owned));
    let (Some(one), Some(other)) = (order(saved), order(later)) else {
        return (first.1 != second.1 || !same_but(&["correlation_id"], body(first), body(second))).then_some("");
    };
    if one != other {
        return Some("");
    }
    if FROZEN.iter().any(|field| differs(body(first).get(field), body(second).get(field))) {
        return Some(": what never changes was told otherwise");
    }
    let same_status = first.1 == second.1 && status(saved) == status(later);
    if same_status && same_but(&LIVE_DETAILS, body(first), body(second)) {
        return None;
    }
    if is_explained(evidence, saved, later) { None } else { Some(": nothing that shows explains the change") }
}

/// What a repetition never changes. What only one of the two answers has is not compared: an error names no amount.
const FROZEN: [&str; 4] = ["order_id", "checkout_session_id", "amount", "correlation_id"];

/// What marks a replay, and what may be told anew while the status stays.
const LIVE_DETAILS: [&str; 4] = ["replayed", "as_of", "refunded", "retry_after_ms"];

fn differs(first: Option<&Value>, second: Option<&Value>) -> bool {
    matches!((first, second), (Some(first), Some(second)) if first != second)
}

/// The object in which an answer says it.
fn body((structured, is_error): (&Value, bool)) -> &Value {
    if is_error { structured.get("error").unwrap_or(&Value::Null) } else { structured }
}

/// Whether two objects say the same, but for these fields.
fn same_but(ignored: &[&str], first: &Value, second: &Value) -> bool {
    let (Value::Object(first), Value::Object(second)) = (first, second) else { return first == second };
    let counted = |name: &str| !ignored.contains(&name);
    let count = |fields: &serde_json::Map<String, Value>| fields.keys().filter(|name| counted(name)).count();
    count(first) == count(second)
        && first.iter().filter(|(name, _)| counted(name)).all(|(name, value)| second.get(name) == Some(value))
}

fn status(call: &CallView<'_>) -> Option<ToldStatus> {
    call.told.as_ref().map(|told| told.status)
}

/// Whether something that the system was shown between the two answers may have changed how the order stands.
fn is_explained(evidence: &Evidence<'_>, saved: &CallView<'_>, later: &CallView<'_>) -> bool {
    let (Some((from, _)), Some((to, _)), Some(order)) = (saved.end, later.end, later.order) else { return true };
    let order = &evidence.orders[order];
    order.cancelled_from.is_some_and(|at| at < to) || shown_an_act(evidence, order, from, to)
}

/// The latest answer about the order that had ended before a replay began, and that the replay contradicts although
/// nothing was shown to the system since.
fn overtaking<'e, 'a>(
    evidence: &'e Evidence<'a>,
    saved: &CallView<'_>,
    later: &CallView<'_>,
) -> Option<&'e CallView<'a>> {
    let order = later.order?;
    let replayed = stands(later)?;
    let latest = evidence
        .calls
        .iter()
        .filter(|call| call.order == Some(order) && call.start_event != saved.start_event)
        .filter(|call| call.end.is_some_and(|(end, _)| end < later.start_event) && stands(call).is_some())
        .max_by_key(|call| call.end)?;
    let before = stands(latest)?;
    // What was told dead is never paid again, whatever happened since.
    let contradicts = before != replayed && (!before || !is_explained(evidence, latest, later));
    contradicts.then_some(latest)
}

/// Whether an answer says that the sale stands, or that nothing does; `None` where it leaves that open.
fn stands(call: &CallView<'_>) -> Option<bool> {
    let told = call.told.as_ref()?;
    let is_of_a_sale = call.is("create_order") || call.is("cancel_order") || call.is("get_order");
    match told.status {
        ToldStatus::Success => Some(true),
        ToldStatus::Cancelled => Some(false),
        ToldStatus::Failed if is_of_a_sale && told.effects == Some("none") => Some(false),
        ToldStatus::Failed | ToldStatus::Pending => None,
    }
}

#[cfg(test)]
mod tests;
