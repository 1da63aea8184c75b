//! A part of `logged`: every attempt at a provider has one line, and it says what came of it.

use std::collections::BTreeMap;

use giftgenius::step_log::{AttemptLine, AttemptOutcome, LogLine};

use super::Findings;
use super::evidence::{Evidence, ExchangeView};
use crate::scenario::model::WorldKind;
use crate::trace::Seen;

/// The lines of one operation under one correlation id in one process.
type Lines<'a> = Vec<(usize, &'a AttemptLine)>;

/// Process, correlation id, operation.
type Series<'a> = (u32, &'a str, &'a str);

/// Holds the lines of attempts to the exchanges. A process that dies takes the line of what it was waiting for with it,
/// and on the wire the log is another channel than the requests, so only runs that lost nothing are counted.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if !evidence.deaths.is_empty() || evidence.world == WorldKind::Wire {
        return;
    }
    let mut lines: BTreeMap<Series<'_>, Lines<'_>> = BTreeMap::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Attempt(line) = line {
            let process = evidence.trace.events[index].incarnation;
            lines.entry((process, line.correlation_id.as_str(), &line.operation)).or_default().push((index, line));
        }
    }
    let mut sent: BTreeMap<Series<'_>, Vec<&ExchangeView<'_>>> = BTreeMap::new();
    for exchange in &evidence.exchanges {
        let series = (exchange.incarnation, &*exchange.sent.correlation, exchange.sent.operation.label);
        sent.entry(series).or_default().push(exchange);
    }
    let none = Lines::new();
    for (key, exchanges) in &sent {
        let lines = lines.get(key).unwrap_or(&none);
        if lines.len() != exchanges.len() {
            let message =
                format!("{} was sent {} times, and the log has {} lines of it", key.2, exchanges.len(), lines.len());
            findings
                .add(message, exchanges.iter().map(|exchange| exchange.sent_event).chain(lines.iter().map(|it| it.0)));
            continue;
        }
        // Overlapping attempts are logged as they end.
        if let [exchange] = &exchanges[..]
            && let [(index, line)] = lines[..]
            && let Some(wrong) = wrong(exchange, line)
        {
            findings.add(format!("the attempt {} {wrong}", exchange.sent.site), [exchange.sent_event, index]);
        }
        for pair in lines.windows(2) {
            let (first, next) = (pair[0].1, pair[1].1);
            if next.number == first.number + 1
                && next.number > 1
                && first.outcome != AttemptOutcome::Ok
                && first.wait_ms.is_none()
            {
                let message = format!("{} was repeated, and the log does not say after what wait", key.2);
                findings.add(message, [pair[0].0, pair[1].0]);
            }
        }
    }
    for (key, lines) in &lines {
        if !sent.contains_key(key) {
            findings
                .add(format!("the log has an attempt at {} that was never made", key.2), lines.iter().map(|it| it.0));
        }
    }
}

/// How a line disagrees with what was seen of its exchange.
fn wrong(exchange: &ExchangeView<'_>, line: &AttemptLine) -> Option<String> {
    use AttemptOutcome::{Abandoned, Broken, Contradicts, Cut, NotSent, Ok, TimedOut, Unreadable};
    // A caller may leave before anything is seen, and a reply may be late.
    let agrees = line.outcome == Abandoned
        || match exchange.answer.as_ref().map(|(_, _, seen)| *seen) {
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
    let (_, at, _) = exchange.answer.as_ref()?;
    let took = at.saturating_sub(exchange.start).as_millis();
    (matches!(line.outcome, Ok) && u128::from(line.duration_ms) != took)
        .then(|| format!("took {took} ms, and is logged with {}", line.duration_ms))
}
