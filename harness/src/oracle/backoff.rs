//! `backoff`: a failed request is repeated neither too early nor at odd times.

use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::policy::Policy;
use giftgenius::step_log::{LogLine, StepStatus};

use super::acts::is_borne_out;
use super::evidence::{CallView, Evidence, ExchangeView};
use super::{Findings, Oracle, Verdict};
use crate::provider::operations::{CANCEL, CHARGE, LOOK_UP, REFUND};
use crate::scenario::model::WorldKind;
use crate::trace::{Event, EventKind, Seen};

/// How much later than the policy says a repeat may leave on the wire: sockets, timers and a busy machine.
pub const LATE_ON_THE_WIRE: Duration = Duration::from_millis(250);

/// How much earlier a repeat after a time-out may seem to leave on the wire: the time-out began when the request left
/// the system, which is before it arrived, and on a busy machine long before. Nothing that arrives tells when it ended.
pub const EARLY_AFTER_A_TIMEOUT_ON_THE_WIRE: Duration = Duration::from_millis(250);

/// The rule.
pub static BACKOFF: Oracle = Oracle {
    id: "backoff",
    rule: "Between the end of a failed attempt and the next one lies the policy's delay: in the foreground \
           min(base · 2^(n−1), cap) plus at most the jitter (and the time of the requests in between that it needs), in the background \
           at least its own delay; never less than Retry-After (capped) asks for; one that goes past the call's deadline ends the call and is told. \
           Delays that could have jitter have it.",
    explanation: "A provider that is struggling needs fewer requests, not the same again at once. A breach names the \
                  two attempts, the gap between them and what the policy allows. A gap may be of the foreground's \
                  kind or of the background's; one that is neither came from a retry that the policy does not know. \
                  Each process is judged by its own attempts, and from the first again where another one had the order \
                  in between; a search for something else is no repeat, and two callers of one process may ask the same \
                  at once. On the wire a repeat may be 250 ms late, 1 ms early, and 250 ms early after a time-out. Look-ups are \
                  not judged: they are asked between attempts and by several actions in a row.",
    requirements: &["F2"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(BACKOFF.id);
    let mut jitter = Jitter::default();
    let alike = |left: &usize, right: &usize| {
        let (left, right) = (evidence.exchanges[*left].sent, evidence.exchanges[*right].sent);
        std::ptr::eq(left.operation, right.operation)
            && left.reference == right.reference
            && left.key == right.key
            && left.correlation == right.correlation
    };
    for group in evidence.repeats.chunk_by(alike) {
        if group.len() < 2 || evidence.exchanges[group[0]].is(&LOOK_UP) {
            continue;
        }
        let mut series: Vec<(u32, u64)> = group.iter().map(|index| asked(&evidence.exchanges[*index])).collect();
        series.sort_unstable();
        series.dedup();
        for series in series {
            judge_series(evidence, group, series, &mut jitter, &mut findings);
        }
    }
    jitter.judge(evidence, &mut findings);
    for (index, call) in evidence.calls.iter().enumerate() {
        judge_told(evidence, index, call, &mut findings);
    }
    findings.verdict()
}

/// Which process asked, and what.
const fn asked(exchange: &ExchangeView<'_>) -> (u32, u64) {
    (exchange.incarnation, exchange.sent.question)
}

/// The attempts of one process at one question: each process waits by its own clock, and knows nothing of what another one
/// sends; and another question of the same call is no repeat.
fn judge_series(
    evidence: &Evidence<'_>,
    group: &[usize],
    of: (u32, u64),
    jitter: &mut Jitter,
    findings: &mut Findings,
) {
    let own = || group.iter().map(|index| &evidence.exchanges[*index]).filter(|it| asked(it) == of);
    let mut found = Findings::of(BACKOFF.id);
    let mut series = Series::default();
    let mut attempts = own();
    let Some(mut earlier) = attempts.next() else { return };
    for later in attempts {
        judge_next(evidence, earlier, later, (&mut series, jitter), &mut found);
        earlier = later;
    }
    if !found.is_empty() && !callers::may_be_of_several(evidence, own()) {
        findings.take(found);
    }
}

/// Judges an attempt by the one before it.
fn judge_next(
    evidence: &Evidence<'_>,
    earlier: &ExchangeView<'_>,
    later: &ExchangeView<'_>,
    (series, jitter): (&mut Series, &mut Jitter),
    findings: &mut Findings,
) {
    if lost_a_write(evidence, earlier, later)
        || changed_hands(evidence, earlier, later)
        || was_taken_from_itself(evidence, earlier, later)
    {
        // A lost write may have been another one's, so that the series goes on.
        series.may_begin_anew = true;
    } else {
        judge_pair(evidence, earlier, later, (series, jitter), findings);
    }
}

/// Whether a process could not write down what became of an attempt: what takes the order up again counts from its own
/// first attempt, as after a death.
fn lost_a_write(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> bool {
    let between = earlier.sent_event..later.sent_event;
    let own = |lost: &usize| between.contains(lost) && evidence.trace.events[*lost].incarnation == earlier.incarnation;
    evidence.lost_writes.iter().any(own)
}

/// Whether another process had the order in between, as its driver's write shows: the next attempt is that of a new driver,
/// which knows what the record says, and not what an answer to the one before it asked for.
fn changed_hands(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> bool {
    let Some(order) = earlier.order.filter(|_| evidence.replicas.count > 1) else { return false };
    evidence.trace.writes.iter().any(|write| {
        (earlier.sent_event + 1..=later.sent_event).contains(&write.at)
            && write.incarnation != earlier.incarnation
            && write.order.as_ref().is_some_and(|written| written.as_str() == evidence.orders[order].id)
    })
}

/// Whether a process took an order from itself: its calendar jumped past the lease of its own driver, and the next one sent
/// before the first was answered.
fn was_taken_from_itself(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> bool {
    let unanswered = earlier.answer.is_none_or(|(answered, ..)| answered > later.sent_event);
    let jumped = |event: &Event| {
        event.incarnation == earlier.incarnation
            && matches!(&event.kind, EventKind::Struck { fault, .. } if fault.jumps().is_some())
    };
    unanswered && earlier.order.is_some() && evidence.trace.events[..later.sent_event].iter().any(jumped)
}

/// A Retry-After that goes past the call's deadline ends the call, and the caller is told how long to wait.
fn judge_told(evidence: &Evidence<'_>, index: usize, call: &CallView<'_>, findings: &mut Findings) {
    let Some(told) = call.told.as_ref().filter(|told| told.is_error && told.retryable == Some(true)) else { return };
    // Who could not read how the sale stands knows nothing of what a provider asked for.
    if told.code == Some(Code::StoreUnavailable.as_str()) {
        return;
    }
    let Some((end, _)) = call.end else { return };
    let own = |exchange: &&ExchangeView<'_>| {
        exchange.call == Some(index) && !exchange.is(&LOOK_UP) && exchange.sent_event < end
    };
    let beyond = evidence.exchanges.iter().filter(own).find_map(|exchange| match exchange.answer {
        Some((event, at, Seen::Reply { retry_after: Some(asked), .. }))
            // A longer one is cut to the cap, and waited for.
            if at.saturating_add((*asked).min(evidence.policy.retry.retry_after_cap)) > deadline(evidence, exchange, call)
                && !ended_before(evidence, exchange, event) =>
        {
            Some((exchange, event, *asked))
        }
        _ => None,
    });
    let said = told.structured.pointer("/error/retry_after_ms").and_then(serde_json::Value::as_u64);
    if let (Some((exchange, event, asked)), None) = (beyond, said) {
        let message = format!(
            "{} was answered Retry-After {} ms, past the call's deadline, and {} was told {} without it",
            exchange.sent.site,
            asked.as_millis(),
            call.started.tool,
            told.code.unwrap_or("an error")
        );
        findings.add(message, [exchange.sent_event, event, end]);
    }
}

/// Until when the process that made an attempt had time for its call: one that was started again under the call was handed
/// it anew.
fn deadline(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, call: &CallView<'_>) -> Duration {
    let events = &evidence.trace.events;
    let restarted = (call.start_event..attempt.sent_event)
        .rev()
        .map(|event| &events[event])
        .find(|event| matches!(event.kind, EventKind::Restarted) && event.incarnation == attempt.incarnation);
    restarted.map_or(call.start, |event| event.at) + evidence.policy.tool_deadline
}

/// Whether another process had brought the order to its ending before an attempt at it was answered: what ends the call
/// then is that ending, and the answer has nothing to say in it.
fn ended_before(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, answered: usize) -> bool {
    let Some(order) = attempt.order.map(|order| evidence.orders[order].id) else { return false };
    evidence.lines.iter().take_while(|(event, _)| *event < answered).any(|(event, line)| {
        evidence.trace.events[*event].incarnation != attempt.incarnation
            && matches!(line, LogLine::Step(line) if line.step_id == "order"
                && matches!(line.status, StepStatus::Success | StepStatus::Failed | StepStatus::RolledBack)
                && line.order_id.as_ref().is_some_and(|id| id.as_str() == order))
    })
}

/// How many repeats in the foreground there may have been so far: a bit for each number. Where a series may have begun anew,
/// or a wait was another's to say, several agree with what was seen, and a later gap may tell them apart.
#[derive(Clone, Copy)]
struct Repeats(u32);

impl Repeats {
    const NONE: Self = Self(1);

    const fn with(self, number: u32) -> Self {
        Self(self.0 | 1 << if number < u32::BITS { number } else { u32::BITS - 1 })
    }

    const fn may_be(self, number: u32) -> bool {
        number < u32::BITS && self.0 & 1 << number != 0
    }

    const fn least(self) -> u32 {
        self.0.trailing_zeros()
    }

    const fn most(self) -> u32 {
        u32::BITS - 1 - self.0.leading_zeros()
    }
}

impl Default for Repeats {
    fn default() -> Self {
        Self::NONE
    }
}

/// Where a series of attempts stands.
#[derive(Clone, Copy, Default)]
struct Series {
    /// Repeats in the foreground so far.
    foreground: Repeats,
    /// Rounds in the background so far.
    background: u32,
    /// Whether it may have begun anew, so that the next attempt may be any of those.
    may_begin_anew: bool,
}

/// Whether delays are spread.
#[derive(Debug, Default)]
struct Jitter {
    /// Repeats, as events, that left at the very end of the delay.
    exact: Vec<usize>,
    /// Whether one left later than that.
    spread: bool,
}

/// So many delays without any jitter are no chance: each has one in thousands.
const WITHOUT_JITTER_MIN: usize = 3;
/// Jitter of less than this cannot be seen: timers have whole milliseconds.
const JITTER_SEEN_FROM: Duration = Duration::from_millis(3);

impl Jitter {
    fn count(&mut self, exact: bool, repeat: &ExchangeView<'_>) {
        if exact {
            self.exact.push(repeat.sent_event);
        } else {
            self.spread = true;
        }
    }

    /// On the wire a delay is never exact.
    fn judge(self, evidence: &Evidence<'_>, findings: &mut Findings) {
        let visible = evidence.world == WorldKind::Sim && evidence.policy.retry.jitter_max >= JITTER_SEEN_FROM;
        if visible && !self.spread && self.exact.len() >= WITHOUT_JITTER_MIN {
            let message = format!(
                "{} repeats left at the very end of their delay; the policy adds up to {} ms of jitter to each",
                self.exact.len(),
                evidence.policy.retry.jitter_max.as_millis()
            );
            findings.add(message, self.exact);
        }
    }
}

fn judge_pair(
    evidence: &Evidence<'_>,
    earlier: &ExchangeView<'_>,
    later: &ExchangeView<'_>,
    (series, jitter): (&mut Series, &mut Jitter),
    findings: &mut Findings,
) {
    let policy = evidence.policy;
    let overlap = later.start < earlier.start + policy.retry.attempt_timeout
        && earlier.answer.is_none_or(|(event, _, _)| event > later.sent_event)
        && !earlier.sent.operation.effectful;
    // A reading that was refused, or whose attempts are used up, is over; the next one asks something else.
    let used_up = |repeats: u32| !earlier.sent.operation.effectful && repeats + 1 >= policy.retry.attempts_max;
    let another_reading =
        !earlier.sent.operation.effectful && earlier.refusal().is_some() || used_up(series.foreground.least());
    // A request after a success and two readings side by side are no retries.
    if earlier.succeeded() || overlap || another_reading || is_borne_out(evidence, earlier) {
        *series = Series::default();
        return;
    }
    let end = end_of(evidence, earlier);
    let gap = later.start.saturating_sub(end.at);
    let slack =
        evidence.tolerance(if end.timed_out { EARLY_AFTER_A_TIMEOUT_ON_THE_WIRE } else { Duration::from_millis(1) });
    let retry_after = retry_after(earlier, policy);
    let asked = retry_after.map(|(at_least, _)| at_least);
    let delay = foreground_delay(policy, series.foreground.least() + 1);
    let at_least = asked.map_or(delay, |asked| asked.max(delay));
    let on_top =
        policy.retry.jitter_max + between(evidence, earlier, later) + evidence.tolerance(LATE_ON_THE_WIRE) + end.unsure;
    // An attempt may be of several requests, of which an earlier one failed before this one's turn came: then its
    // second request belongs to a later attempt.
    let compound = earlier.is(&REFUND) || earlier.is(&CANCEL);
    let begins_anew = std::mem::take(&mut series.may_begin_anew);
    let fits = |repeat: u32| {
        let delay = foreground_delay(policy, repeat);
        let latest = retry_after.map_or(delay, |(_, asked)| asked.max(delay)) + on_top;
        gap + slack >= asked.map_or(delay, |asked| asked.max(delay)) && gap <= latest
    };
    let may_be = |repeat: u32| {
        if begins_anew {
            true
        } else if compound {
            repeat > series.foreground.least()
        } else {
            series.foreground.may_be(repeat - 1)
        }
    };
    let repeats = || (1..policy.retry.attempts_max).filter(|repeat| may_be(*repeat) && fits(*repeat));
    let repeat = repeats().next();
    let round = background_delay(policy, if earlier.is(&CANCEL) || begins_anew { 1 } else { series.background + 1 });
    let not_asked_off = asked.is_none_or(|asked| gap + slack >= asked);
    if let Some(repeat) = repeat {
        if retry_after.is_none() && end.unsure.is_zero() && between(evidence, earlier, later).is_zero() {
            // A round in the background leaves without jitter, and where its delay is as short it may be one.
            let exact = gap == foreground_delay(policy, repeat);
            if !(exact && gap >= round) {
                jitter.count(exact, later);
            }
        }
        let more = failed_look_ups(evidence, earlier, later);
        // The attempts may have been used up, and this is the first of another reading.
        let none = if used_up(series.foreground.most()) { Repeats::NONE } else { Repeats(0) };
        series.foreground = repeats().fold(none, |repeats, repeat| repeats.with(repeat + more));
        return;
    }
    if used_up(series.foreground.most()) {
        *series = Series::default();
        return;
    }
    // What was asked for may be cut short by the round's own delay only upwards.
    if not_asked_off && gap + slack + end.unsure >= round {
        // Left alone for longer than any failure asks for, the provider had its rest: what fails next is the first again.
        let rested = gap > policy.background.delay_cap + policy.retry.jitter_max + between(evidence, earlier, later);
        series.background = if rested { 0 } else { series.background + 1 };
        return;
    }
    let allowed = if series.foreground.least() + 1 < policy.retry.attempts_max {
        format!(
            "{} to {} ms in the foreground or at least {} ms in the background",
            at_least.as_millis(),
            (at_least + policy.retry.jitter_max).as_millis(),
            round.as_millis()
        )
    } else {
        format!("at least {} ms, as its attempts in the foreground were used up", round.as_millis())
    };
    let asked = asked.map_or_else(String::new, |asked| {
        format!(" and not before the {} ms that Retry-After asked for", asked.as_millis())
    });
    let message = format!(
        "{} was sent {} ms after {} had ended; the policy waits {allowed}{asked}",
        later.sent.site,
        gap.as_millis(),
        earlier.sent.site
    );
    let answered = earlier.answer.map(|(event, _, _)| event);
    findings.add(message, [earlier.sent_event, later.sent_event].into_iter().chain(answered));
    *series = Series::default();
}

/// When an attempt ended for the system.
struct End {
    at: Duration,
    timed_out: bool,
    /// By how much it may have ended earlier: near the call's deadline an attempt may be cut short.
    unsure: Duration,
}

fn end_of(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> End {
    let timeout = evidence.policy.retry.attempt_timeout;
    match attempt.answer {
        Some((_, at, Seen::Reply { .. } | Seen::Broken | Seen::Cut | Seen::Refused)) => {
            End { at, timed_out: false, unsure: Duration::ZERO }
        }
        Some((_, _, Seen::Silence)) | None => {
            let deadline = attempt.call.map(|call| deadline(evidence, attempt, &evidence.calls[call]));
            let cut_short = deadline
                .is_some_and(|deadline| attempt.start <= deadline && attempt.start + timeout + timeout >= deadline);
            End {
                at: attempt.start + timeout,
                timed_out: true,
                unsure: if cut_short { timeout } else { Duration::ZERO },
            }
        }
    }
}

/// What an answer's Retry-After asks for, capped: at least and at most. A date is only good to a second.
fn retry_after(attempt: &ExchangeView<'_>, policy: &Policy) -> Option<(Duration, Duration)> {
    let (_, _, Seen::Reply { retry_after: Some(asked), .. }) = attempt.answer? else {
        return None;
    };
    let asked = (*asked).min(policy.retry.retry_after_cap);
    let by_date = attempt.sent.asks_by_date();
    let at_least = if by_date { asked.saturating_sub(Duration::from_secs(1)) } else { asked };
    // By the provider's own clock the date is up to a second further off: its `date` has whole seconds too.
    let at_most = if by_date { asked + Duration::from_secs(1) } else { asked };
    Some((at_least, at_most))
}

fn doubled(base: Duration, times: u32, cap: Duration) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(cap)
}

fn foreground_delay(policy: &Policy, repeat: u32) -> Duration {
    doubled(policy.retry.delay_base, repeat - 1, policy.retry.delay_cap)
}

fn background_delay(policy: &Policy, round: u32) -> Duration {
    doubled(policy.background.delay_base, round - 1, policy.background.delay_cap)
}

/// How long other requests for the order between two attempts took, their own retries included: a charge is looked up
/// before it is repeated, and a refund's reference is closed first.
fn between(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> Duration {
    let Some(order) = earlier.order else {
        return Duration::ZERO;
    };
    let mut first = None;
    let mut last = Duration::ZERO;
    for index in &evidence.orders[order].exchanges {
        let other = &evidence.exchanges[*index];
        if other.sent.operation.provider == earlier.sent.operation.provider
            && other.incarnation == earlier.incarnation
            && (earlier.sent_event + 1..later.sent_event).contains(&other.sent_event)
        {
            first.get_or_insert(other.start);
            last = last.max(end_of(evidence, other).at);
        }
    }
    first.map_or(Duration::ZERO, |first| last.saturating_sub(first))
}

/// How many attempts between two charges did not come to a charge: before one is repeated it is looked up, and an
/// attempt ends where that fails.
fn failed_look_ups(evidence: &Evidence<'_>, earlier: &ExchangeView<'_>, later: &ExchangeView<'_>) -> u32 {
    let Some(order) = earlier.order.filter(|_| earlier.is(&CHARGE)) else {
        return 0;
    };
    let failed = evidence.orders[order]
        .exchanges
        .iter()
        .map(|index| &evidence.exchanges[*index])
        .filter(|other| (earlier.sent_event + 1..later.sent_event).contains(&other.sent_event))
        .filter(|other| other.incarnation == earlier.incarnation && other.is(&LOOK_UP) && !other.succeeded());
    u32::try_from(failed.count()).unwrap_or(u32::MAX)
}

mod callers;

#[cfg(test)]
mod tests;
