//! A part of `logged`: every attempt at a provider has one line, and it says what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::step_log::{AttemptLine, AttemptOutcome, AttemptUrgency, LogLine};

use super::Findings;
use super::evidence::{CallView, Evidence, ExchangeView};
use crate::provider::operations::CHARGE;
use crate::scenario::model::WorldKind;
use crate::trace::Seen;

/// Process, correlation id, operation.
type Series<'a> = (u32, &'a str, &'a str);

/// Holds the lines of attempts to the exchanges. A process that dies takes the line of what it was waiting for with it,
/// so only runs that lost nothing are counted.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if !evidence.deaths.is_empty() {
        return;
    }
    if evidence.world == WorldKind::Wire {
        judge_wire(evidence, findings);
        return;
    }
    // Nearly all runs have a handful of attempts: two sorted lists are cheaper than maps of lists.
    let mut lines: Vec<(Series<'_>, usize, &AttemptLine)> = Vec::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Attempt(line) = line {
            let process = evidence.trace.events[index].incarnation;
            lines.push(((process, line.correlation_id.as_str(), &line.operation), index, line));
        }
    }
    if all_went_well(evidence, &lines) {
        return;
    }
    lines.sort_by_key(|(series, index, _)| (*series, *index));
    let mut sent: Vec<&ExchangeView<'_>> = evidence.exchanges.iter().collect();
    sent.sort_by_key(|exchange| (series(exchange), exchange.sent_event));
    let mut rest = &lines[..];
    for exchanges in sent.chunk_by(|one, next| series(one) == series(next)) {
        let key = series(exchanges[0]);
        // What comes before is of no exchange.
        let unknown = rest.partition_point(|(series, ..)| *series < key);
        never_made(&rest[..unknown], findings);
        let own = rest[unknown..].partition_point(|(series, ..)| *series == key);
        let lines = &rest[unknown..unknown + own];
        rest = &rest[unknown + own..];
        if lines.len() != exchanges.len() {
            let message =
                format!("{} was sent {} times, and the log has {} lines of it", key.2, exchanges.len(), lines.len());
            findings
                .add(message, exchanges.iter().map(|exchange| exchange.sent_event).chain(lines.iter().map(|it| it.1)));
            continue;
        }
        // Overlapping attempts are logged as they end.
        if exchanges.windows(2).all(|pair| end_of(evidence, pair[0]) <= pair[1].start) {
            for (exchange, (_, index, line)) in exchanges.iter().zip(lines) {
                if let Some(wrong) = wrong(evidence, exchange, line) {
                    findings.add(format!("the attempt {} {wrong}", exchange.sent.site), [exchange.sent_event, *index]);
                }
            }
        }
        for pair in lines.windows(2) {
            let (first, next) = (pair[0].2, pair[1].2);
            if next.number == first.number + 1
                && next.number > 1
                && first.outcome != AttemptOutcome::Ok
                && first.wait_ms.is_none()
            {
                let message = format!("{} was repeated, and the log does not say after what wait", key.2);
                findings.add(message, [pair[0].1, pair[1].1]);
            }
        }
    }
    never_made(rest, findings);
}

/// When nobody waits for an attempt any more.
fn end_of(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>) -> Duration {
    match exchange.answer {
        Some((_, at, Seen::Reply { .. } | Seen::Broken | Seen::Cut | Seen::Refused)) => at,
        Some((_, _, Seen::Silence)) | None => exchange.start + evidence.policy.retry.attempt_timeout,
    }
}

/// Whether every attempt was the first of its series, and its line stands where it was made and says what was seen: there is
/// nothing to sort and to compare. So it is in nearly every run, and sorting was two thirds of this judgement.
fn all_went_well(evidence: &Evidence<'_>, lines: &[(Series<'_>, usize, &AttemptLine)]) -> bool {
    lines.len() == evidence.exchanges.len()
        && evidence.exchanges.iter().zip(lines).all(|(exchange, (of, _, line))| {
            line.number == 1 && *of == series(exchange) && wrong(evidence, exchange, line).is_none()
        })
}

fn series<'a>(exchange: &ExchangeView<'a>) -> Series<'a> {
    (exchange.incarnation, &exchange.sent.correlation, exchange.sent.operation.label)
}

/// Lines of attempts that there were none of.
fn never_made(lines: &[(Series<'_>, usize, &AttemptLine)], findings: &mut Findings) {
    for of_it in lines.chunk_by(|one, next| one.0 == next.0) {
        let message = format!("the log has an attempt at {} that was never made", of_it[0].0.2);
        findings.add(message, of_it.iter().map(|it| it.1));
    }
}

/// How a line disagrees with what was seen of its exchange.
fn wrong(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, line: &AttemptLine) -> Option<String> {
    use AttemptOutcome::{Abandoned, Broken, Contradicts, Cut, NotSent, Ok, TimedOut, Unreadable};
    let seen = exchange.answer.as_ref().map(|(_, _, seen)| *seen);
    // A caller may leave before anything is seen, and a reply may be late.
    let agrees = line.outcome == Abandoned
        || match seen {
            Some(Seen::Reply { status, .. }) => {
                line.status == Some(*status)
                    && ((200..300).contains(status) == matches!(line.outcome, Ok | Unreadable | Contradicts))
            }
            Some(Seen::Broken) => line.outcome == Broken,
            Some(Seen::Cut) => line.outcome == Cut,
            Some(Seen::Refused) => line.outcome == NotSent,
            Some(Seen::Silence) | None => line.outcome == TimedOut,
        };
    if !agrees {
        let status = line.status.map_or_else(String::new, |status| format!(" {status}"));
        return Some(format!("is logged as {:?}{status}, which is not what was seen", line.outcome));
    }
    if line.provider_key != exchange.sent.key {
        return Some(String::from("is logged with another provider_key than was sent"));
    }
    wrong_urgency(evidence, exchange, line)
        .or_else(|| wrong_wait(seen, line))
        .or_else(|| wrong_duration(evidence, exchange, line))
}

/// Who waits for an attempt, where that is beyond doubt.
fn wrong_urgency(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, line: &AttemptLine) -> Option<String> {
    let caller = exchange.call.map(|call| &evidence.calls[call])?;
    let is_open = caller.end.is_none_or(|(end, _)| exchange.sent_event < end);
    let is_background = line.urgency == AttemptUrgency::Background;
    if exchange.order.is_none() {
        // What is asked for no order is asked for the caller.
        return (is_open && line.urgency != AttemptUrgency::Caller)
            .then(|| format!("is logged as {:?}, and its caller waits for it", line.urgency));
    }
    // The first charge goes out while its caller waits, unless another replica has taken the order over, or the store so long
    // that the call has to be answered.
    let policy = &evidence.policy;
    let is_first = exchange.is(&CHARGE) && line.number == 1 && evidence.replicas.count <= 1;
    let answer_by = caller.start + policy.tool_deadline.saturating_sub(policy.tool_deadline / 50);
    if is_first && is_open && exchange.start < answer_by && is_background && caller.is("create_order") {
        return Some(String::from("is logged as Background, and its caller waits for it"));
    }
    // Nobody waits before calling. A round that was begun in time goes on for two attempts and the pause between them.
    let retry = policy.retry;
    let patience = policy.tool_deadline + retry.attempt_timeout * 2 + retry.delay_cap + retry.jitter_max;
    let waits = |call: &CallView<'_>| (call.start..=call.start + patience).contains(&exchange.start);
    (!is_background && !evidence.calls.iter().any(waits))
        .then(|| format!("is logged as {:?}, and nobody has waited for it for long", line.urgency))
}

/// How long the provider asked to be left alone, where it said so with a status for which that counts.
fn wrong_wait(seen: Option<&Seen>, line: &AttemptLine) -> Option<String> {
    let Some(Seen::Reply { status, retry_after, .. }) = seen else {
        return line
            .retry_after_ms
            .map(|logged| format!("is logged with a Retry-After of {logged} ms, and had no reply"));
    };
    let asked = retry_after.map(|asked| u64::try_from(asked.as_millis()).unwrap_or(u64::MAX));
    // A date is in whole seconds of another clock; what is beyond all bounds is beyond comparison.
    let agrees = |asked: u64, logged: u64| asked.min(FOR_EVER_MS).abs_diff(logged.min(FOR_EVER_MS)) <= 1000;
    match (asked, line.retry_after_ms) {
        (None | Some(0), None) => None,
        (Some(asked), Some(logged)) if agrees(asked, logged) => None,
        (Some(_), None) if !matches!(status, 429 | 503) => None,
        (asked, logged) => {
            let ms = |ms: Option<u64>| ms.map_or_else(|| String::from("none"), |ms| format!("{ms} ms"));
            Some(format!("was answered with a Retry-After of {}, and is logged with {}", ms(asked), ms(logged)))
        }
    }
}

/// More than a hundred years.
const FOR_EVER_MS: u64 = 1 << 42;

fn wrong_duration(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, line: &AttemptLine) -> Option<String> {
    // On the wire the provider's end of it is measured, which is the shorter one.
    if evidence.world == WorldKind::Wire || line.outcome == AttemptOutcome::Abandoned {
        return None;
    }
    let timeout = evidence.policy.retry.attempt_timeout;
    let took = match exchange.answer {
        _ if line.outcome == AttemptOutcome::TimedOut => timeout,
        Some((_, at, _)) => at.saturating_sub(exchange.start),
        None => return None,
    };
    (u128::from(line.duration_ms) != took.as_millis())
        .then(|| format!("took {} ms, and is logged with {}", took.as_millis(), line.duration_ms))
}

/// On the wire: as many lines as requests came in, and of those as many of each outcome; which of them is which cannot be
/// told, for the log is another channel than the requests.
fn judge_wire(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut lines: BTreeMap<(&str, &str), Vec<(usize, &AttemptLine)>> = BTreeMap::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Attempt(line) = line {
            lines.entry((line.correlation_id.as_str(), &line.operation)).or_default().push((index, line));
        }
    }
    let mut sent: BTreeMap<(&str, &str), Vec<&ExchangeView<'_>>> = BTreeMap::new();
    for exchange in &evidence.exchanges {
        let (_, correlation, operation) = series(exchange);
        sent.entry((correlation, operation)).or_default().push(exchange);
    }
    for (key, exchanges) in &sent {
        let own = lines.get(key).map_or(&[][..], Vec::as_slice);
        let events = || exchanges.iter().map(|it| it.sent_event).chain(own.iter().map(|it| it.0));
        // What no connection was made for never came in.
        let came_in = own.iter().filter(|(_, line)| line.outcome != AttemptOutcome::NotSent).count();
        let seen = exchanges.iter().filter(|it| !matches!(it.answer, Some((_, _, Seen::Refused)))).count();
        if own.len() != exchanges.len() && came_in != seen {
            findings.add(format!("{} was sent {seen} times, and the log has {came_in} lines of it", key.1), events());
            continue;
        }
        // A reply that came as the time-out struck, or as the caller left, was not seen.
        let is_open = own.iter().any(|(_, line)| {
            matches!(line.outcome, AttemptOutcome::TimedOut | AttemptOutcome::Abandoned | AttemptOutcome::Broken)
        });
        let mut replied: Vec<u16> = exchanges.iter().filter_map(|it| status(it)).collect();
        let mut logged: Vec<u16> = own.iter().filter_map(|(_, line)| line.status).collect();
        replied.sort_unstable();
        logged.sort_unstable();
        if (!is_open && replied != logged) || logged.iter().any(|status| !replied.contains(status)) {
            findings.add(format!("{} was answered {replied:?}, and is logged with {logged:?}", key.1), events());
        }
        let keys = exchanges.iter().map(|it| &it.sent.key);
        if let Some((index, line)) = own.iter().find(|(_, line)| keys.clone().all(|key| *key != line.provider_key)) {
            let message = format!("{} is logged with another provider_key than was sent", line.operation);
            findings.add(message, [*index]);
        }
    }
    for (key, own) in &lines {
        let made = own.iter().filter(|(_, line)| line.outcome != AttemptOutcome::NotSent);
        if !sent.contains_key(key) && made.clone().next().is_some() {
            findings.add(format!("the log has an attempt at {} that was never made", key.1), made.map(|it| it.0));
        }
    }
}

fn status(exchange: &ExchangeView<'_>) -> Option<u16> {
    match exchange.answer {
        Some((_, _, Seen::Reply { status, .. })) => Some(*status),
        Some((_, _, Seen::Silence | Seen::Broken | Seen::Cut | Seen::Refused)) | None => None,
    }
}
