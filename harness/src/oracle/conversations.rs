//! Which calls are about which workflow, and what was told of its step: what `in-step` is about.

use std::time::Duration;

use giftgenius::step_log::{LogLine, StepStatus};
use giftgenius::workflow::Step;
use serde_json::Value;

use super::evidence::{CallView, Evidence};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, HostReply, Write};

/// A purchase conversation: a workflow and all calls that are about it.
pub(super) struct Conversation<'a> {
    pub(super) workflow: &'a str,
    /// Indices into [`Evidence::calls`], in the order in which they were begun.
    pub(super) calls: Vec<usize>,
}

/// Every conversation, in the order of their first calls.
pub(super) fn conversations<'a>(evidence: &Evidence<'a>) -> Vec<Conversation<'a>> {
    let mut found: Vec<Conversation<'a>> = Vec::new();
    for (index, call) in evidence.calls.iter().enumerate() {
        let Some(workflow) = workflow_of(evidence, call) else { continue };
        match found.iter_mut().find(|known| known.workflow == workflow) {
            Some(known) => known.calls.push(index),
            None => found.push(Conversation { workflow, calls: vec![index] }),
        }
    }
    found
}

/// The workflow that a call is about: as it says, as its answer says, or its session's, or its order's.
fn workflow_of<'a>(evidence: &Evidence<'a>, call: &CallView<'a>) -> Option<&'a str> {
    if let Some(workflow) = call.named.workflow.or(call.workflow) {
        return Some(workflow);
    }
    let session = call.named.session.or_else(|| {
        let order = evidence.order_of(call.named.order?)?;
        evidence.orders[order].session
    })?;
    evidence.calls[evidence.sessions.iter().find(|known| known.id == session)?.call].workflow
}

/// A step by its word.
pub(super) fn step(word: &str) -> Option<Step> {
    Step::ALL.into_iter().find(|step| step.as_str() == word)
}

/// The step that an answer tells: of `get_workflow` and of a move, or of a call that was out of step.
pub(super) fn told_step(call: &CallView<'_>) -> Option<Step> {
    step(call.said.step?)
}

/// A result that is no error.
pub(super) fn accepted(call: &CallView<'_>) -> bool {
    matches!(call.reply, Some(HostReply::Tool { is_error: false, .. }))
}

/// Where a call ended in the trace; the end of time if it did not.
pub(super) fn end(call: &CallView<'_>) -> usize {
    call.end.map_or(usize::MAX, |(event, _)| event)
}

/// Whether two calls were in flight at once.
pub(super) fn overlap(one: &CallView<'_>, other: &CallView<'_>) -> bool {
    one.start_event < end(other) && other.start_event < end(one)
}

/// When a call could do no more: at its answer; one to whose answer nobody listened goes on until its own line in the log,
/// or the death of its process.
pub(super) fn over(evidence: &Evidence<'_>, call: &CallView<'_>) -> usize {
    if !matches!(call.reply, Some(HostReply::Cancelled | HostReply::NoAnswer)) {
        return end(call);
    }
    let answered = ends_of(evidence, call).map(|(event, _)| event).next();
    let died = || evidence.deaths.iter().copied().find(|death| *death > call.start_event);
    let died = if evidence.replicas.count <= 1 { died() } else { None };
    answered.into_iter().chain(died).min().unwrap_or(usize::MAX).max(end(call))
}

/// The lines of the log that tell how a call ended.
pub(super) fn ends_of<'e, 'a>(
    evidence: &'e Evidence<'a>,
    call: &'e CallView<'a>,
) -> impl Iterator<Item = (usize, StepStatus)> + use<'e, 'a> {
    evidence.lines.iter().filter_map(|&(event, line)| match line {
        LogLine::Step(line)
            if *line.step_id == *call.started.tool && *line.correlation_id.as_str() == *call.started.correlation =>
        {
            Some((event, line.status))
        }
        _ => None,
    })
}

/// Whether two calls could act at once.
pub(super) fn act_at_once(evidence: &Evidence<'_>, one: &CallView<'_>, other: &CallView<'_>) -> bool {
    one.start_event < over(evidence, other) && other.start_event < over(evidence, one)
}

/// How far the system's calendar jumped between two events.
pub(super) fn jumped(evidence: &Evidence<'_>, from: usize, to: usize) -> Duration {
    jumped_where(evidence, from, to, |_| true)
}

/// How far all clocks of the system jumped together: time that passes for the host passes for every replica.
pub(super) fn jumped_together(evidence: &Evidence<'_>, from: usize, to: usize) -> Duration {
    jumped_where(evidence, from, to, |place| place == Place::HostCall)
}

fn jumped_where(evidence: &Evidence<'_>, from: usize, to: usize, counts: fn(Place) -> bool) -> Duration {
    let events = evidence.trace.events.get(from..to.min(evidence.trace.events.len())).unwrap_or_default();
    let span = |event: &crate::trace::Event| match &event.kind {
        EventKind::Struck { site, fault } if counts(site.place) => {
            fault.jumps().map(|expiry| expiry.span(evidence.policy))
        }
        _ => None,
    };
    events.iter().filter_map(span).sum()
}

/// How far the clocks of two replicas may be apart by an event: by their skew, and by what struck one of them alone.
pub(super) fn apart(evidence: &Evidence<'_>, by: usize) -> Duration {
    if evidence.replicas.count <= 1 {
        return Duration::ZERO;
    }
    evidence.replicas.skew_max() + jumped_where(evidence, 0, by, |place| place != Place::HostCall)
}

/// Whether the system wrote to its journal while a call was in flight and nothing else was: no other call, no request or
/// event of anybody else's, no process that began, and no driver of another order. False where something else was, or may have been.
pub(super) fn wrote_during(evidence: &Evidence<'_>, call: &CallView<'_>) -> bool {
    let Some((end, _)) = call.end else { return false };
    // Only in simulation writes and calls are told of in one order.
    if evidence.world != WorldKind::Sim || !matches!(call.reply, Some(HostReply::Tool { .. })) {
        return false;
    }
    // What the driver of another order writes down, this call has nothing to do with.
    let its_own = |write: &&Write| {
        let about = || call.order.map(|order| evidence.orders[order].id).or_else(|| call.text("order_id"));
        write.order.as_ref().is_none_or(|order| about() == Some(order.as_str()))
    };
    let mut writes = evidence.trace.writes.iter().filter(|write| (call.start_event + 1..=end).contains(&write.at));
    if !writes.any(|write| its_own(&write)) {
        return false;
    }
    let others = evidence.calls.iter().filter(|other| !std::ptr::eq(*other, call));
    if others.clone().any(|other| overlap(call, other)) {
        return false;
    }
    // Work in the background: of a call that nobody waited for to its end, or of an order that was not finished.
    let unfinished = others.filter(|other| other.start_event < end).any(|other| match other.reply {
        Some(HostReply::Tool { structured, .. }) => {
            structured.get("status").and_then(Value::as_str) == Some("pending")
                || structured.pointer("/error/effects").and_then(Value::as_str) == Some("unknown")
                || other.told.as_ref().is_some_and(|told| told.is_error && told.order_id.is_some())
        }
        Some(HostReply::Protocol { .. }) => false,
        Some(HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer) | None => true,
    });
    let elsewhere = evidence.trace.events[call.start_event..end].iter().any(|event| match &event.kind {
        EventKind::Sent(sent) => sent.correlation != *call.started.correlation,
        EventKind::Webhook(_) | EventKind::Restarted | EventKind::Crashed | EventKind::Effect(_) => true,
        _ => false,
    });
    // A request of somebody else's that was on its way when the call began has an answer, or a time-out, to write down.
    let pending = evidence.exchanges.iter().any(|exchange| {
        exchange.sent_event < call.start_event
            && exchange.sent.correlation != *call.started.correlation
            && match exchange.answer {
                Some((answered, ..)) => answered > call.start_event,
                None => exchange.start + evidence.policy.retry.attempt_timeout >= call.start,
            }
    });
    // What a slow store took in for an earlier call, which gave up on it, it writes in its own time.
    let late = evidence.trace.events[..call.start_event].iter().any(|event| match &event.kind {
        EventKind::Struck { site, fault } if site.place == Place::JournalWrite => {
            matches!(**fault, Fault::Slow(span) if event.at + span >= call.start)
        }
        _ => false,
    });
    // With a provider that ignores keys a sale is looked after long after it was told.
    let swept = !evidence.policy.payment_profile.deduplicates() || evidence.trace.webhooks().next().is_some();
    !(unfinished || elsewhere || pending || late || swept)
}
