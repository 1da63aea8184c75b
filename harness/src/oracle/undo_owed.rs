//! `undo-owed`: what was begun is undone or finished in time, as often as the policy promises.

use std::time::Duration;

use giftgenius::policy::Policy;
use giftgenius::step_log::{AttemptLine, AttemptOutcome, AttemptUrgency, LogLine};

use super::acts::has_lost;
use super::evidence::{CallView, Evidence, ExchangeView, OrderView};
use super::{Findings, Oracle, ToldStatus, Verdict};
use crate::fault::site::Place;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESERVE, RESTOCK};
use crate::scenario::model::WorldKind;
use crate::trace::{Event, EventKind, Seen};

/// How much later than the policy says a request may leave on the wire: another channel, real timers, and a busy machine.
const LATE_ON_THE_WIRE: Duration = Duration::from_secs(2);

/// The rule.
pub static UNDO_OWED: Oracle = Oracle {
    id: "undo-owed",
    rule: "After a failed attempt of an undo (release, restock, close, refund), of a look-up that settles an order or of a commit, \
           the order's next request leaves within the policy's delay: while a caller waits the undo is repeated attempts_max \
           times whatever the retry budget has left, then once a background round until the last one is had. No caller is told \
           `pending` of an undo before its attempts are used up or the call has to be answered.",
    explanation: "A bound on retries says how often at most; an undo that gives up early leaves stock held or money taken that \
                  nothing gives back, and every upper bound is kept. A breach names the attempt, when its successor was due and \
                  when it came. Not judged: what the provider refused for good, a process that died or lost the order, and a \
                  store that failed meanwhile. The refund of a copy beside a sale that stands waits for late_max. Commits and look-ups that settle a sale pay from the retry budget while a caller \
                  waits, so of those only the background round is owed. On the wire a successor may be 2 s late, and attempts in \
                  the foreground are not told apart from rounds.",
    requirements: &["F2", "F6"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(UNDO_OWED.id);
    if evidence.exchanges.iter().any(|exchange| exchange.order.is_some() && did_not_succeed(exchange)) {
        for order in &evidence.orders {
            judge(evidence, order, &mut findings);
        }
    }
    findings.verdict()
}

/// Whether an attempt may have to be made again: it neither succeeded nor was refused for good.
pub(super) fn did_not_succeed(exchange: &ExchangeView<'_>) -> bool {
    !exchange.succeeded() && exchange.refusal().is_none()
}

/// The same, where a reply that was mangled was no good either: some can be read all the same, and the log says which.
pub(super) fn has_failed(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>) -> bool {
    did_not_succeed(exchange)
        && match exchange.answer {
            Some((_, _, Seen::Reply { status: 200..=299, .. })) => line_of(evidence, exchange)
                .is_some_and(|line| matches!(line.outcome, AttemptOutcome::Unreadable | AttemptOutcome::Contradicts)),
            _ => true,
        }
}

#[cold]
fn judge(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    let own: Vec<&ExchangeView<'_>> = order.exchanges.iter().map(|index| &evidence.exchanges[*index]).collect();
    // What is only asked about, as for an event about a reference that is no order's, has no driver.
    if !own.iter().any(|it| it.is(&RESERVE)) {
        return;
    }
    for (place, attempt) in own.iter().enumerate() {
        if is_owed_more(attempt) && has_failed(evidence, attempt) && !is_given_up(&own[..place], attempt) {
            let series = Series::until(evidence, &own, place);
            judge_attempt(evidence, order, &series, own.get(place + 1).copied(), findings);
        }
    }
}

fn is_owed_more(exchange: &ExchangeView<'_>) -> bool {
    [&RELEASE, &RESTOCK, &CANCEL, &REFUND, &LOOK_UP, &COMMIT].into_iter().any(|operation| exchange.is(operation))
}

/// Whether it is the look after a refund that was refused for good, which calls a person where it fails.
fn is_given_up(before: &[&ExchangeView<'_>], attempt: &ExchangeView<'_>) -> bool {
    attempt.is(&LOOK_UP) && before.iter().any(|it| it.is(&REFUND) && it.refusal().is_some())
}

/// Whether copies of a charge are given back that came beside a sale that stands or after one that has ended. What was asked
/// for without an answer is looked for only once it can have been done: asked again, it could be done twice.
fn gives_back_copies(own: &[&ExchangeView<'_>], attempt: &ExchangeView<'_>) -> bool {
    let before = || own.iter().take_while(|it| it.sent_event < attempt.sent_event);
    let is_sold = before().any(|it| it.is(&COMMIT) && it.succeeded()) && !before().any(|it| it.is(&RESTOCK));
    is_of_the_payment(attempt) && (is_sold || before().any(|it| it.is(&RELEASE) && it.succeeded()))
}

/// Where the repeats of one undo stand after an attempt.
struct Series<'e, 'a> {
    attempt: &'e ExchangeView<'a>,
    /// Who waits for the attempt, where its log line can be told.
    urgency: Option<AttemptUrgency>,
    /// Failed attempts in the foreground, this one included. Those of other actions at the payment provider count too, so
    /// that there are never more in truth.
    foreground: u32,
    /// Rounds in the background, the one of this attempt included.
    rounds: u32,
    /// How long it takes at least until what was asked for can be looked for.
    settles: Duration,
}

impl<'e, 'a> Series<'e, 'a> {
    fn until(evidence: &Evidence<'a>, own: &[&'e ExchangeView<'a>], place: usize) -> Self {
        let attempt = own[place];
        let pause = evidence.policy.background.delay_base.saturating_sub(evidence.tolerance(LATE_ON_THE_WIRE));
        let (mut foreground, mut rounds) = (0, 0);
        let mut last: Option<Duration> = None;
        for it in own[..=place].iter().filter(|it| is_of_one_series(it, attempt)) {
            let is_new = last.is_none_or(|last| it.start.saturating_sub(last) >= pause);
            let in_background = urgency_of(evidence, it).is_none_or(|it| it == AttemptUrgency::Background);
            // After so long a pause it is one whatever its line says, unless the provider had asked for the pause.
            rounds += u32::from((is_new && last.is_some()) || (in_background && rounds == 0));
            // A listing that is read and then doubted counts as an attempt, and its line does not say so.
            let may_count = has_failed(evidence, it) || is_of_the_payment(it);
            foreground += u32::from(!in_background && may_count && it.incarnation == attempt.incarnation);
            last = Some(end_of(evidence, it));
        }
        // A charge and the look-ups that settle it are attempts of one action while a caller waits.
        let charges = own[..place].iter().filter(|it| it.is(&CHARGE) && it.incarnation == attempt.incarnation);
        if attempt.is(&LOOK_UP) {
            foreground += u32::try_from(charges.count()).unwrap_or(u32::MAX);
        }
        let settles = if gives_back_copies(own, attempt) { evidence.policy.late_max } else { Duration::ZERO };
        Self { attempt, urgency: urgency_of(evidence, attempt), foreground, rounds, settles }
    }

    /// The longest delay before the next attempt in the foreground, jitter included.
    fn repeat_after(&self, policy: &Policy) -> Duration {
        let number = self.foreground.clamp(1, policy.retry.attempts_max.max(2) - 1);
        doubled(policy.retry.delay_base, number - 1, policy.retry.delay_cap).max(asked_by(self.attempt, policy))
            + policy.retry.jitter_max
    }

    /// The longest delay before the next round in the background.
    fn round_after(&self, policy: &Policy) -> Duration {
        doubled(policy.background.delay_base, self.rounds, policy.background.delay_cap)
            .max(asked_by(self.attempt, policy))
            .max(self.settles)
    }

    /// Until when the policy promises another attempt in the foreground, if it does.
    fn repeat_due(&self, evidence: &Evidence<'_>, order: &OrderView<'_>) -> Option<Duration> {
        let policy = evidence.policy;
        // Our API key was not accepted: repeating that at once brings the same.
        let is_denied =
            matches!(self.attempt.answer, Some((_, _, Seen::Reply { status: 401 | 403, intact: true, .. })));
        if self.urgency != Some(AttemptUrgency::Undo) || is_denied || self.foreground >= policy.retry.attempts_max {
            return None;
        }
        let due = end_of(evidence, self.attempt) + self.repeat_after(policy);
        // The driver works for one of these callers, and that one had time when the attempt began.
        let by = callers(evidence, order, self.attempt).map(|call| answer_by(evidence, call));
        by.filter(|by| *by > self.attempt.start).min().filter(|by| due < *by).map(|_| due)
    }
}

/// Whether two requests of one order are attempts of one undo. At the payment provider several operations make one attempt:
/// the reference is closed, the charges are listed, and then refunded.
fn is_of_one_series(one: &ExchangeView<'_>, other: &ExchangeView<'_>) -> bool {
    (is_of_the_payment(one) && is_of_the_payment(other))
        || (std::ptr::eq(one.sent.operation, other.sent.operation) && one.sent.key == other.sent.key)
}

fn is_of_the_payment(exchange: &ExchangeView<'_>) -> bool {
    exchange.is(&CANCEL) || exchange.is(&LOOK_UP) || exchange.is(&REFUND)
}

fn judge_attempt(
    evidence: &Evidence<'_>,
    order: &OrderView<'_>,
    series: &Series<'_, '_>,
    next: Option<&ExchangeView<'_>>,
    findings: &mut Findings,
) {
    let (policy, attempt) = (evidence.policy, series.attempt);
    let ended = end_of(evidence, attempt);
    let repeat = series.repeat_due(evidence, order);
    let round = (series.rounds < policy.background.attempts_max)
        .then(|| ended + series.round_after(policy).max(series.repeat_after(policy)));
    let Some(due) = repeat.or(round) else { return };
    let latest = due + evidence.tolerance(LATE_ON_THE_WIRE);
    // On the wire a busy machine may be as late as it likes: there it counts that the next one comes.
    let in_time = next.filter(|next| evidence.world == WorldKind::Wire || next.start <= latest);
    let until = in_time.map_or(latest, |next| next.start);
    if is_excused(evidence, order, attempt, until) || next.is_some_and(|it| it.incarnation != attempt.incarnation) {
        return;
    }
    let what = if repeat.is_some() { "attempt while a caller waits" } else { "round in the background" };
    let within = due.saturating_sub(ended).as_millis();
    match (in_time, next) {
        (Some(next), _) => {
            if repeat.is_some()
                && let Some(call) = told_early(evidence, order, attempt, next)
            {
                let message = format!(
                    "{} was told `pending` of order {} although the undo {} had been tried {} times of {}, with time left",
                    call.started.tool, order.id, attempt.sent.site, series.foreground, policy.retry.attempts_max
                );
                let end = call.end.map(|(event, _)| event);
                findings.add(message, [attempt.sent_event, next.sent_event].into_iter().chain(end));
            }
        }
        (None, Some(next)) => {
            let message = format!(
                "{} failed, and the order's next request {} left {} ms later; the next {what} was due within {within} ms",
                attempt.sent.site,
                next.sent.site,
                next.start.saturating_sub(ended).as_millis()
            );
            findings.add(message, [attempt.sent_event, next.sent_event]);
        }
        (None, None) => {
            let message = format!(
                "{} failed, and nothing was asked for order {} afterwards; the next {what} was due within {within} ms, after {} \
                 rounds of {}",
                attempt.sent.site, order.id, series.rounds, policy.background.attempts_max
            );
            findings.add(message, [attempt.sent_event]);
        }
    }
}

/// Whether the process died, lost the order or its store, or had its clock moved, before an instant.
pub(super) fn is_excused(
    evidence: &Evidence<'_>,
    order: &OrderView<'_>,
    attempt: &ExchangeView<'_>,
    until: Duration,
) -> bool {
    let events = evidence.trace.events[attempt.sent_event..].iter().take_while(|event| event.at <= until);
    let failed = events.into_iter().any(|event| match &event.kind {
        EventKind::Crashed | EventKind::Restarted => true,
        EventKind::Struck { site, .. } => matches!(site.place, Place::JournalRead | Place::JournalWrite),
        _ => false,
    });
    let is_taken = || {
        evidence.trace.writes.iter().any(|write| {
            write.at > attempt.sent_event
                && write.incarnation != attempt.incarnation
                && write.order.as_ref().is_some_and(|written| written.as_str() == order.id)
        })
    };
    failed || evidence.replicas.count > 1 && (has_lost(evidence, attempt, attempt.sent_event) || is_taken())
}

/// A call about an order that was told `pending` between two attempts of its undo, before it had to be answered.
fn told_early<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: &OrderView<'_>,
    attempt: &ExchangeView<'_>,
    next: &ExchangeView<'_>,
) -> Option<&'e CallView<'a>> {
    // Of several processes another one may have answered, which does not drive the order.
    if evidence.replicas.count > 1 {
        return None;
    }
    let between = attempt.sent_event..next.sent_event;
    callers(evidence, order, attempt).find(|call| {
        let is_pending = call.told.as_ref().is_some_and(|told| told.status == ToldStatus::Pending);
        is_pending && call.end.is_some_and(|(event, at)| between.contains(&event) && at < answer_by(evidence, call))
    })
}

/// The calls that may wait for an order's driver: those that buy it or cancel it, made before an attempt.
pub(super) fn callers<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: &OrderView<'_>,
    attempt: &ExchangeView<'_>,
) -> impl Iterator<Item = &'e CallView<'a>> {
    let is_of_it = move |call: &&CallView<'_>| {
        call.order.is_some_and(|of| evidence.orders[of].id == order.id)
            || call.text("order_id") == Some(order.id)
            || (order.session.is_some() && call.text("checkout_session_id") == order.session)
    };
    let before = attempt.sent_event;
    evidence
        .calls
        .iter()
        .filter(move |call| call.start_event < before && (call.is("create_order") || call.is("cancel_order")))
        .filter(is_of_it)
}

/// A little before a call's deadline: what is begun to answer then arrives in time.
pub(super) fn answer_by(evidence: &Evidence<'_>, call: &CallView<'_>) -> Duration {
    let deadline = evidence.policy.tool_deadline;
    taken_in(evidence, call) + deadline.saturating_sub(deadline / 50)
}

/// When a process took a call in: one that is made while the only process is down waits until that has started again.
fn taken_in(evidence: &Evidence<'_>, call: &CallView<'_>) -> Duration {
    if evidence.deaths.is_empty() || evidence.replicas.count > 1 {
        return call.start;
    }
    let events = &evidence.trace.events;
    let turns = |event: &&Event| matches!(event.kind, EventKind::Crashed | EventKind::Restarted);
    let before = events[..call.start_event].iter().rev().find(turns);
    if !before.is_some_and(|event| matches!(event.kind, EventKind::Crashed)) {
        return call.start;
    }
    let end = call.end.map_or(events.len(), |(event, _)| event);
    let is_start = |event: &&Event| matches!(event.kind, EventKind::Restarted);
    events[call.start_event..end].iter().find(is_start).map_or(call.start, |event| event.at)
}

/// Who waits for an attempt, by its log line.
pub(super) fn urgency_of(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> Option<AttemptUrgency> {
    line_of(evidence, attempt).map(|line| line.urgency)
}

/// The log line of an attempt: each process logs its attempts at an operation in order. On the wire the log is
/// another channel than the requests.
fn line_of<'a>(evidence: &Evidence<'a>, attempt: &ExchangeView<'_>) -> Option<&'a AttemptLine> {
    if evidence.world == WorldKind::Wire {
        return None;
    }
    let sent = attempt.sent;
    let is_earlier = |it: &&ExchangeView<'_>| {
        it.sent_event < attempt.sent_event
            && it.incarnation == attempt.incarnation
            && std::ptr::eq(it.sent.operation, sent.operation)
            && it.sent.correlation == sent.correlation
    };
    let number = evidence.exchanges.iter().filter(is_earlier).count();
    let own = evidence.lines.iter().filter_map(|(index, line)| match line {
        LogLine::Attempt(line)
            if evidence.trace.events[*index].incarnation == attempt.incarnation
                && line.operation == sent.operation.label
                && line.correlation_id.as_str() == sent.correlation =>
        {
            Some(line)
        }
        _ => None,
    });
    own.into_iter().nth(number)
}

pub(super) fn end_of(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> Duration {
    match attempt.answer {
        Some((_, at, Seen::Reply { .. } | Seen::Broken | Seen::Cut | Seen::Refused)) => at,
        Some((_, _, Seen::Silence)) | None => attempt.start + evidence.policy.retry.attempt_timeout,
    }
}

/// The longest that an answer can ask to be left alone, capped: a date is only good to a second.
pub(super) fn asked_by(attempt: &ExchangeView<'_>, policy: &Policy) -> Duration {
    let Some((_, _, Seen::Reply { retry_after: Some(asked), .. })) = attempt.answer else { return Duration::ZERO };
    let by_date = attempt.sent.asks_by_date();
    (*asked + Duration::from_secs(u64::from(by_date))).min(policy.retry.retry_after_cap)
}

pub(super) fn doubled(base: Duration, times: u32, cap: Duration) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

#[cfg(test)]
mod tests;
