//! Calls that share a caller's key: what same-answer and key-conflict are about.

use giftgenius::error::Code;

use super::codes;
use super::conversations::{apart, jumped, jumped_together};
use super::evidence::{CallView, Evidence};
use super::json::KEY;
use crate::fault::Fault;
use crate::provider::operations::QUOTE;
use crate::trace::{Event, EventKind, HostReply};

/// The calls with a key, those of one user, tool and key side by side, each group in the order in which they were
/// begun. Only tools whose key binds: the checkout's, and those that take it as an argument.
pub(super) fn keyed_calls<'e, 'a>(evidence: &'e Evidence<'a>) -> Vec<&'e CallView<'a>> {
    let mut keyed: Vec<&CallView<'_>> =
        evidence.calls.iter().filter(|call| call.started.key.is_some() && binds(call)).collect();
    keyed.sort_by_key(|call| (&*call.started.user, &*call.started.tool, call.started.key.as_deref()));
    keyed
}

fn binds(call: &CallView<'_>) -> bool {
    call.is("create_order") || call.is("cancel_order") || call.text(KEY).is_some()
}

/// Whether two calls share user, tool and key.
pub(super) fn share_a_key(left: &CallView<'_>, right: &CallView<'_>) -> bool {
    left.started.key == right.started.key
        && left.started.tool == right.started.tool
        && left.started.user == right.started.user
}

/// Whether the key of an earlier call is still to be remembered at a later one: a retention has not passed since it was
/// bound, neither as time goes nor by the calendar of any process of the system, which may have jumped or be ahead.
pub(super) fn is_remembered(evidence: &Evidence<'_>, earlier: &CallView<'_>, later: &CallView<'_>) -> bool {
    let binder = bound_by(evidence, earlier);
    let Some((_, ended)) = binder.end else { return true };
    let last = later.end.map_or(evidence.trace.events.len(), |(event, _)| event);
    let jumped = jumped(evidence, binder.start_event, last) + apart(evidence, binder.start_event);
    later.start.saturating_sub(ended) + jumped < evidence.policy.entry_retention
}

/// The first call that can have bound the key that a call found: an answer that is replayed does not put off when its key is
/// forgotten.
fn bound_by<'e, 'a>(evidence: &'e Evidence<'a>, call: &'e CallView<'a>) -> &'e CallView<'a> {
    if call.started.key.is_none() {
        return call;
    }
    let uses = evidence.calls.iter().filter(|use_| use_.start_event < call.start_event && share_a_key(use_, call));
    uses.chain([call])
        .reduce(|binder, next| if is_forgotten(evidence, binder, next) { next } else { binder })
        .unwrap_or(call)
}

/// Whether the key of an earlier call is certainly forgotten at a later one, on every clock.
fn is_forgotten(evidence: &Evidence<'_>, earlier: &CallView<'_>, later: &CallView<'_>) -> bool {
    let Some((event, ended)) = earlier.end else { return false };
    let passed = later.start.saturating_sub(ended) + jumped_together(evidence, event, later.start_event);
    passed >= evidence.policy.entry_retention + apart(evidence, later.start_event)
}

/// Whether a call sent a request that changes something.
pub(super) fn acted(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    evidence.exchanges.iter().any(|exchange| exchange.sent.operation.effectful && sent_for(exchange.sent, call))
}

/// The session that a call was answered with, opened by it or told again.
pub(super) fn told_session<'a>(call: &CallView<'a>) -> Option<&'a str> {
    match call.reply {
        Some(HostReply::Tool { is_error: false, .. }) if call.is("create_checkout_session") => call.said.session,
        _ => None,
    }
}

/// Whether a call asked for the price of the session that it was answered with, and no other call that had begun by then
/// was answered with the same: it opened the session, in the process that answered. What is told again under a key,
/// by whatever process, is asked for no more.
pub(super) fn opened_itself(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let Some(session) = told_session(call) else { return false };
    let priced = evidence.exchanges.iter().any(|exchange| exchange.is(&QUOTE) && sent_for(exchange.sent, call));
    let end = call.end.map_or(usize::MAX, |(event, _)| event);
    let told_too = |other: &CallView<'_>| {
        !std::ptr::eq(other, call) && other.start_event < end && told_session(other) == Some(session)
    };
    priced && !evidence.calls.iter().any(told_too)
}

/// Whether a planned bug took the call down: it was told that the server failed inside it, and a panic of the plan struck
/// while it ran. A call that fails inside the server unplanned is answered wrongly, like any other wrong answer.
pub(super) fn taken_down(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    if call.told.as_ref().and_then(|told| told.code) != Some(Code::Internal.as_str()) {
        return false;
    }
    let end = call.end.map_or(evidence.trace.events.len(), |(event, _)| event);
    let panicked = |event: &Event| matches!(&event.kind, EventKind::Struck { fault, .. } if **fault == Fault::Panic);
    evidence.trace.events[call.start_event..end].iter().any(panicked)
}

/// Whether a request carries a call's correlation id.
pub(super) fn sent_for(sent: &crate::trace::Sent, call: &CallView<'_>) -> bool {
    sent.correlation == *call.started.correlation
}

/// Whether a call has certainly claimed its key: it was answered with something other than an error, or it acted.
pub(super) fn has_claimed(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    matches!(call.reply, Some(HostReply::Tool { is_error: false, .. })) || acted(evidence, call)
}

/// Whether an answer finishes its key's entry: a success, or a failure for good that came after the claim.
pub(super) fn finished(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let Some(HostReply::Tool { is_error, .. }) = call.reply else {
        return false;
    };
    let Some(told) = &call.told else {
        return !is_error;
    };
    if !told.is_error {
        return told.status != super::ToldStatus::Pending;
    }
    let code = told.code.and_then(codes::parse);
    // What a quote refuses was refused before anything was begun.
    let of_a_sale = call.is("create_order") || call.is("cancel_order");
    told.retryable == Some(false)
        && (acted(evidence, call)
            || of_a_sale
                && code.is_none_or(|code| !codes::before_the_claim(code) && !codes::leaves_the_sale_open(code)))
}
