//! `retry-owed`: what may be asked again while a caller waits is asked again, as often and as soon as the policy promises.

use std::time::Duration;

use giftgenius::ports::Provider;
use giftgenius::step_log::{AttemptUrgency, LogLine};

use super::evidence::{Evidence, ExchangeView};
use super::undo_owed::{
    answer_by, asked_by, callers, did_not_succeed, doubled, end_of, has_failed, is_excused, urgency_of,
};
use super::{Findings, Oracle, Verdict};
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE};
use crate::scenario::model::WorldKind;
use crate::trace::{HostReply, Seen};

/// The rule.
pub static RETRY_OWED: Oracle = Oracle {
    id: "retry-owed",
    rule: "A request that failed while a caller waits, and may succeed when it is repeated, is repeated within the policy's delay \
           as long as it has attempts left, the call has time for one more, and its process has made fewer retries at that \
           provider within the budget's window than the budget always has.",
    explanation: "Bounds on retries are easy to keep by not retrying: then one lost packet costs a sale. A breach names the attempt, \
                  how many it was of, and by when the next one was due. What was refused for good, an API key that is not \
                  accepted, a charge that a provider without deduplication may have made, the second look at an odd listing, and calls \
                  whose caller left are not judged, nor is the wire, where log lines and requests are channels of their own.",
    requirements: &["F2"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(RETRY_OWED.id);
    if evidence.world == WorldKind::Sim {
        for (index, attempt) in evidence.exchanges.iter().enumerate() {
            if did_not_succeed(attempt) && !is_denied(attempt) {
                judge(evidence, index, &mut findings);
            }
        }
    }
    findings.verdict()
}

fn is_denied(attempt: &ExchangeView<'_>) -> bool {
    matches!(attempt.answer, Some((_, _, Seen::Reply { status: 401 | 403, intact: true, .. })))
}

#[cold]
fn judge(evidence: &Evidence<'_>, index: usize, findings: &mut Findings) {
    let (policy, attempt) = (evidence.policy, &evidence.exchanges[index]);
    // A refund is an undo, whoever waits for it: `undo-owed` says when it is due.
    if attempt.is(&REFUND)
        || urgency_of(evidence, attempt) != Some(AttemptUrgency::Caller)
        || !has_failed(evidence, attempt)
        || is_one_of_several(evidence, attempt)
        || confirms(evidence, attempt)
    {
        return;
    }
    let number = failed_so_far(evidence, index);
    if number >= policy.retry.attempts_max {
        return;
    }
    let ended = end_of(evidence, attempt);
    let delay = doubled(policy.retry.delay_base, number - 1, policy.retry.delay_cap).max(asked_by(attempt, policy))
        + policy.retry.jitter_max;
    let due = ended + delay;
    if time_left(evidence, attempt).is_none_or(|by| due >= by) || !is_paid_for(evidence, attempt, ended) {
        return;
    }
    let latest = due + evidence.tolerance(Duration::ZERO);
    let next = evidence.exchanges[index + 1..].iter().find(|next| repeats(evidence, attempt, next));
    if next.is_some_and(|next| next.start <= latest) || left(evidence, attempt, latest) {
        return;
    }
    let excused = attempt
        .order
        .map(|order| &evidence.orders[order])
        .map_or_else(|| stopped(evidence, attempt, latest), |order| is_excused(evidence, order, attempt, latest));
    if excused {
        return;
    }
    let message = format!(
        "{} failed as attempt {number} of {}, and {}; its caller waits, and the next one was due within {} ms",
        attempt.sent.site,
        policy.retry.attempts_max,
        next.map_or_else(
            || String::from("was not repeated"),
            |next| format!("was repeated after {} ms", next.start.saturating_sub(ended).as_millis())
        ),
        delay.as_millis()
    );
    findings.add(message, [attempt.sent_event].into_iter().chain(next.map(|next| next.sent_event)));
}

/// Whether a platform made the call several times at once: whose attempt it was cannot be told then.
fn is_one_of_several(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> bool {
    let correlation = attempt.sent.correlation.as_str();
    attempt.order.is_none()
        && evidence.calls.iter().filter(|call| call.started.correlation.as_str() == correlation).count() != 1
}

/// Whether it is a look that its round goes on without: the second one at a listing that was odd, or one after the money was
/// settled.
fn confirms(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> bool {
    let Some(order) = attempt.order.filter(|_| attempt.is(&LOOK_UP)) else { return false };
    let own = || evidence.orders[order].exchanges.iter().map(|index| &evidence.exchanges[*index]);
    // What is looked at once the money is settled is a round of its own, whoever still waits.
    let settles = |it: &ExchangeView<'_>| it.is(&COMMIT) || it.is(&CANCEL) || it.is(&RELEASE);
    if own().take_while(|it| it.sent_event < attempt.sent_event).any(settles) {
        return true;
    }
    let before = own().take_while(|it| it.sent_event < attempt.sent_event).last();
    before.is_some_and(|it| {
        it.is(&LOOK_UP)
            && matches!(it.answer, Some((_, at, Seen::Reply { status: 200..=299, .. })) if at == attempt.start)
    })
}

/// Whether two requests are attempts of one series: before a charge is repeated it is looked up, and both share a count.
fn is_of_one_series(one: &ExchangeView<'_>, other: &ExchangeView<'_>) -> bool {
    let is_charge = |it: &ExchangeView<'_>| it.is(&CHARGE) || it.is(&LOOK_UP);
    one.incarnation == other.incarnation
        && one.sent.correlation == other.sent.correlation
        && one.order == other.order
        && (std::ptr::eq(one.sent.operation, other.sent.operation)
            && one.sent.question == other.sent.question
            && one.sent.key == other.sent.key
            || one.order.is_some() && is_charge(one) && is_charge(other))
}

/// How many attempts of the series had failed with this one.
fn failed_so_far(evidence: &Evidence<'_>, index: usize) -> u32 {
    let attempt = &evidence.exchanges[index];
    let failed =
        evidence.exchanges[..=index].iter().filter(|it| is_of_one_series(it, attempt) && has_failed(evidence, it));
    u32::try_from(failed.count()).unwrap_or(u32::MAX)
}

/// Whether a request is the next attempt, or shows that there has to be none.
fn repeats(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, next: &ExchangeView<'_>) -> bool {
    // A charge that may have been made is not repeated where it would be a second one: it is looked up or called off.
    let may_be_made = attempt.is(&CHARGE)
        && !evidence.policy.payment_profile.deduplicates()
        && !matches!(attempt.answer, Some((_, _, Seen::Refused)))
        && !attempt.turned_away();
    if may_be_made || attempt.is(&LOOK_UP) {
        // A look-up of a sale may also be given up for the undo of the charge.
        return next.order == attempt.order && next.sent.operation.provider == Provider::Payment;
    }
    is_of_one_series(attempt, next)
}

/// Until when the caller can be answered.
fn time_left(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> Option<Duration> {
    match attempt.order {
        None => attempt.call.map(|call| answer_by(evidence, &evidence.calls[call])),
        Some(order) => callers(evidence, &evidence.orders[order], attempt)
            .map(|call| answer_by(evidence, call))
            .filter(|by| *by > attempt.start)
            .min(),
    }
}

/// Whether the budget has a retry for it whatever was earned: time restores its minimum once a window.
fn is_paid_for(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, at: Duration) -> bool {
    let budget = evidence.policy.budget;
    let provider = attempt.sent.operation.provider.name();
    let spent = evidence.lines.iter().filter(|(index, line)| {
        let event = &evidence.trace.events[*index];
        event.incarnation == attempt.incarnation
            && event.at <= at
            && event.at + budget.window > at
            && matches!(line, LogLine::Attempt(line) if line.urgency == AttemptUrgency::Caller
                && line.wait_ms.is_some()
                && line.operation.split('.').next() == Some(provider))
    });
    // One of them may be this attempt's own, which was repeated then.
    spent.count() < budget.retries_min as usize
}

/// Whether the caller of a reading left before its repeat was due.
fn left(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, until: Duration) -> bool {
    let Some(call) = attempt.call.filter(|_| attempt.order.is_none()) else { return false };
    let call = &evidence.calls[call];
    let is_answered = matches!(call.reply, Some(HostReply::Tool { .. } | HostReply::Protocol { .. }));
    !is_answered && call.end.is_some_and(|(_, at)| at <= until)
}

/// Whether a process was stopped before an instant.
fn stopped(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>, until: Duration) -> bool {
    use crate::trace::EventKind::{Crashed, Restarted, Struck};
    let events = evidence.trace.events[attempt.sent_event..].iter().take_while(|event| event.at <= until);
    events.into_iter().any(|event| matches!(event.kind, Crashed | Restarted | Struck { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::testing::Run;
    use crate::provider::OperationSpec;
    use crate::provider::operations::{QUOTE, RESERVE, SEARCH};
    use crate::trace::EventKind;

    /// A failed request; `after_ms` later another one.
    fn repeated(operation: &'static OperationSpec, seen: Seen, after_ms: Option<u64>) -> Run {
        let mut run = Run::new();
        run.session("cs_1");
        let (reference, key) = if operation.effectful { (Some("ord_1"), Some("k")) } else { (None, None) };
        if operation.effectful {
            run.create_order("cs_1", "k1");
        } else {
            run.call("search_products", serde_json::json!({ "query": "tea" }));
        }
        let first = run.send(operation, reference, key);
        run.see(first, seen);
        if let Some(after) = after_ms {
            run.wait_ms(after);
            let again = run.send(operation, reference, key);
            run.ok(again);
        }
        run
    }

    const DOWN: Seen = Seen::Reply { status: 503, retry_after: None, intact: true };

    #[test]
    fn what_may_be_repeated_is() {
        for operation in [&SEARCH, &RESERVE, &CHARGE] {
            for (after, is_kept) in [(Some(300), true), (Some(401), true), (Some(500), false), (None, false)] {
                repeated(operation, DOWN, after).kept_if(&RETRY_OWED, is_kept);
            }
        }
        let said = repeated(&SEARCH, Seen::Refused, None).broken(&RETRY_OWED);
        assert!(said.contains("attempt 1 of 4, and was not repeated"), "{said}");
    }

    #[test]
    fn what_cannot_help_is_not_owed() {
        for status in [400, 401, 404] {
            repeated(&QUOTE, Seen::Reply { status, retry_after: None, intact: true }, None).kept(&RETRY_OWED);
        }
        let mut run = repeated(&SEARCH, DOWN, None);
        run.push(EventKind::Crashed);
        run.kept(&RETRY_OWED);
        let mut run = repeated(&SEARCH, DOWN, None);
        run.policy.budget.retries_min = 0;
        run.kept(&RETRY_OWED);
        let mut run = repeated(&SEARCH, DOWN, None);
        run.world = WorldKind::Wire;
        run.kept(&RETRY_OWED);
        let mut run = repeated(
            &SEARCH,
            Seen::Reply { status: 503, retry_after: Some(Duration::from_secs(30)), intact: true },
            None,
        );
        run.kept(&RETRY_OWED);
    }

    #[test]
    fn a_caller_that_leaves_is_owed_nothing() {
        let mut run = Run::new();
        let call = run.call("search_products", serde_json::json!({ "query": "tea" }));
        let search = run.send(&SEARCH, None, None);
        run.see(search, DOWN);
        run.reply(call, HostReply::Cancelled);
        run.kept(&RETRY_OWED);
    }
}
