//! A part of `logged`: every attempt at a provider has one line, and it says what came of it.

use giftgenius::step_log::{AttemptLine, AttemptOutcome, LogLine};

use super::Findings;
use super::evidence::{Evidence, ExchangeView};
use crate::scenario::model::WorldKind;
use crate::trace::Seen;

/// Process, correlation id, operation.
type Series<'a> = (u32, &'a str, &'a str);

/// Holds the lines of attempts to the exchanges. A process that dies takes the line of what it was waiting for with it,
/// and on the wire the log is another channel than the requests, so only runs that lost nothing are counted.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if !evidence.deaths.is_empty() || evidence.world == WorldKind::Wire {
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
        if let [exchange] = exchanges
            && let [(_, index, line)] = lines[..]
            && let Some(wrong) = wrong(exchange, line)
        {
            findings.add(format!("the attempt {} {wrong}", exchange.sent.site), [exchange.sent_event, index]);
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

/// Whether every attempt was the first of its series, and its line stands where it was made and says what was seen: there is
/// nothing to sort and to compare. So it is in nearly every run, and sorting was two thirds of this judgement.
fn all_went_well(evidence: &Evidence<'_>, lines: &[(Series<'_>, usize, &AttemptLine)]) -> bool {
    lines.len() == evidence.exchanges.len()
        && evidence.exchanges.iter().zip(lines).all(|(exchange, (of, _, line))| {
            line.number == 1 && *of == series(exchange) && wrong(exchange, line).is_none()
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
