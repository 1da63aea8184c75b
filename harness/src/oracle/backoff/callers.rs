//! A part of `backoff`: reads that several callers made at once.
//!
//! A platform that makes a call twice at once sends both under one correlation id, so that their attempts at one question
//! look like one series. They are innocent if they can be told apart so that each caller's attempts keep the rule.

use super::{BACKOFF, Findings, Jitter, Series, judge_next};
use crate::oracle::evidence::{Evidence, ExchangeView};

/// The attempts of one caller so far: the last one, and where they stand.
type Chain<'e, 'a> = (&'e ExchangeView<'a>, Series);

/// Whether the attempts of a process at one question can be those of several callers, each of whom keeps the rule.
#[cold]
pub(super) fn may_be_of_several<'e, 'a: 'e>(
    evidence: &Evidence<'a>,
    attempts: impl Iterator<Item = &'e ExchangeView<'a>>,
) -> bool {
    let attempts: Vec<_> = attempts.collect();
    // Of what is asked for an order there is one driver.
    if attempts.iter().any(|attempt| attempt.sent.operation.effectful || attempt.order.is_some()) {
        return false;
    }
    callers(evidence, attempts[attempts.len() - 1]) > 1 && divides(evidence, &attempts, &mut Vec::new())
}

/// How many calls with the correlation id of an attempt had been made by then.
fn callers(evidence: &Evidence<'_>, attempt: &ExchangeView<'_>) -> usize {
    let made = evidence.calls.iter().filter(|call| {
        call.start_event < attempt.sent_event && *call.started.correlation == *attempt.sent.correlation.as_str()
    });
    made.count()
}

/// Whether these attempts can go on the chains so far, or begin new ones, no more than there are callers.
fn divides<'e, 'a>(
    evidence: &Evidence<'a>,
    attempts: &[&'e ExchangeView<'a>],
    chains: &mut Vec<Chain<'e, 'a>>,
) -> bool {
    let Some((&next, rest)) = attempts.split_first() else { return true };
    for place in 0..chains.len() {
        let (last, mut series) = chains[place];
        // A caller has one attempt under way.
        if last.answer.is_some_and(|(event, ..)| event > next.sent_event) {
            continue;
        }
        let mut found = Findings::of(BACKOFF.id);
        judge_next(evidence, last, next, (&mut series, &mut Jitter::default()), &mut found);
        if found.is_empty() {
            let before = std::mem::replace(&mut chains[place], (next, series));
            if divides(evidence, rest, chains) {
                return true;
            }
            chains[place] = before;
        }
    }
    if chains.len() < callers(evidence, next) {
        chains.push((next, Series::default()));
        if divides(evidence, rest, chains) {
            return true;
        }
        chains.pop();
    }
    false
}
