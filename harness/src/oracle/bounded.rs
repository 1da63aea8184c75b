//! `bounded`: nothing is asked without end, and nothing is asked again after a no.

use smol_str::{SmolStr, format_smolstr};

use super::bounds::Bounds;
use super::evidence::{Evidence, ExchangeView};
use super::{Findings, Oracle, Verdict};
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::provider::operations::{CANCEL, LOOK_UP, SEARCH};
use crate::trace::{EventKind, WebhookDelivery};

/// The rule.
pub static BOUNDED: Oracle = Oracle {
    id: "bounded",
    rule: "Requests of one operation under one key, look-ups of one order and reads of one tool call stay within the \
           policy's figures, and a request that was refused for good is not repeated.",
    explanation: "Retries live in one layer with one bound; a fault that multiplies through several layers becomes a \
                  storm at the provider that is down. The worst case is a figure that follows from the policy \
                  (attempts of one loop, plus one a background round); each event of the payment provider's about an \
                  order allows a look more, with its own rounds. A 4xx other than 408, 429 and a 409 in flight \
                  is an answer: asking again under the same key cannot help. What a process could not write \
                  down, because it died, because its store refused or because another process took the order over, \
                  it or its successor may do once more: the round, and the request that was refused.",
    requirements: &["F2", "F3"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(BOUNDED.id);
    let bounds = Bounds::of(evidence.policy);
    let alike = |left: &usize, right: &usize| {
        let (left, right) = (&evidence.exchanges[*left], &evidence.exchanges[*right]);
        std::ptr::eq(left.sent.operation, right.sent.operation)
            && left.sent.reference == right.sent.reference
            && left.sent.key == right.sent.key
            && (left.order.is_some() || left.sent.correlation == right.sent.correlation)
    };
    for group in evidence.repeats.chunk_by(alike) {
        if group.len() < 2 {
            continue;
        }
        // Those of an order may carry the correlation ids of several calls, by which they are sorted first.
        let mut group = group.to_vec();
        group.sort_unstable();
        let first = &evidence.exchanges[group[0]];
        // A round that could not be noted, because the process died in it or the store refused, is had once more.
        let last = &evidence.exchanges[group[group.len() - 1]];
        let (from, to) = (first.sent_event, last.sent_event);
        let unnoted = evidence.unnoted_between(from, to) + unread_between(evidence, from, to);
        let unnoted = u32::try_from(unnoted).unwrap_or(u32::MAX);
        let bound = bound_of(evidence, &bounds, first) + unnoted.max(taken_over(evidence, &group));
        if group.len() > bound as usize {
            let message = format!(
                "{} was asked {} times for {}; the policy bounds it at {bound}",
                first.sent.operation.label,
                group.len(),
                subject(first)
            );
            let events = group.iter().map(|index| evidence.exchanges[*index].sent_event);
            findings.add(message, events);
        }
        if first.sent.operation.effectful {
            repeated(evidence, &group, &mut findings);
        }
    }
    findings.verdict()
}

/// How often the store could not be read between two events: who cannot read the record cannot bring it up to date.
fn unread_between(evidence: &Evidence<'_>, from: usize, to: usize) -> usize {
    let is_unread = |kind: &EventKind| match kind {
        EventKind::Struck { site, fault } => {
            site.place == Place::JournalRead && matches!(**fault, Fault::Busy | Fault::Corrupt)
        }
        _ => false,
    };
    evidence.trace.events[from..to].iter().filter(|event| is_unread(&event.kind)).count()
}

/// How many processes took over from another one. The round in which its predecessor was is not noted: the order is no
/// longer its own to write.
fn taken_over(evidence: &Evidence<'_>, group: &[usize]) -> u32 {
    let mut processes: Vec<_> = group.iter().map(|index| evidence.exchanges[*index].incarnation).collect();
    processes.sort_unstable();
    processes.dedup();
    u32::try_from(processes.len()).unwrap_or(u32::MAX).saturating_sub(1)
}

fn bound_of(evidence: &Evidence<'_>, bounds: &Bounds, exchange: &ExchangeView<'_>) -> u32 {
    if exchange.is(&LOOK_UP) {
        bounds.look_ups + bounds.look_ups_per_event * events_about(evidence, exchange)
    } else if exchange.is(&CANCEL) {
        bounds.cancels
    } else if exchange.sent.operation.effectful {
        bounds.per_key
    } else if exchange.is(&SEARCH) {
        bounds.searches_per_call
    } else {
        bounds.reads_per_call
    }
}

/// How many events of the payment provider's were delivered about an order.
fn events_about(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>) -> u32 {
    let about = |delivery: &&WebhookDelivery| Some(&delivery.reference) == exchange.sent.reference.as_ref();
    let mut events: Vec<_> = evidence.trace.webhooks().filter(about).map(|delivery| &delivery.id).collect();
    events.sort_unstable();
    events.dedup();
    u32::try_from(events.len()).unwrap_or(u32::MAX)
}

fn subject(exchange: &ExchangeView<'_>) -> SmolStr {
    let sent = exchange.sent;
    match (&sent.reference, &sent.key) {
        (Some(reference), Some(key)) => format_smolstr!("{reference} under key {key}"),
        (Some(reference), None) => reference.clone(),
        (None, _) => format_smolstr!("the call {}", sent.correlation),
    }
}

/// A request sent after one like it had been refused for good, by a process that could know.
fn repeated(evidence: &Evidence<'_>, group: &[usize], findings: &mut Findings) {
    let exchanges = || group.iter().map(|index| &evidence.exchanges[*index]);
    let refused = exchanges()
        .filter_map(|exchange| Some((exchange.answer?.0, exchange.refusal()?, exchange)))
        .min_by_key(|(answered, _, _)| *answered);
    let Some((answered, status, refused)) = refused else {
        return;
    };
    let mut last = answered;
    for again in exchanges().filter(|exchange| exchange.sent_event > answered) {
        // What could not be noted since is not known, to this process or to its successor.
        let unnoted = || {
            let (from, to) = (last, again.sent_event);
            evidence.unnoted_between(from, to) + unread_between(evidence, from, to)
        };
        if again.incarnation == refused.incarnation && unnoted() == 0 {
            let message = format!(
                "{} repeats {} for {}, which had been refused for good with {status}",
                again.sent.site,
                refused.sent.site,
                subject(refused)
            );
            findings.add(message, [refused.sent_event, answered, again.sent_event]);
            return;
        }
        last = again.sent_event;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::site::{Place, Site};
    use crate::oracle::testing::Run;
    use crate::provider::event::EventType;
    use crate::provider::operations::{CHARGE, QUOTE, RELEASE, RESERVE};
    use crate::trace::{EventKind, Seen};

    #[test]
    fn a_sale_is_bounded() {
        Run::sale().kept(&BOUNDED);
    }

    #[test]
    fn twelve_requests_under_one_key_are_within_the_bound_and_thirteen_are_not() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        for _ in 0..12 {
            let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
            run.silence(release);
        }
        run.kept(&BOUNDED);
        run.call("cancel_order", serde_json::json!({}));
        run.send(&RELEASE, Some("ord_1/1"), Some("r"));
        assert!(run.broken(&BOUNDED).contains("13 times"));
    }

    #[test]
    fn a_tool_call_asks_for_a_quote_four_times_at_most() {
        let mut run = Run::new();
        for _ in 0..2 {
            run.call("create_checkout_session", serde_json::json!({}));
            for _ in 0..4 {
                let quote = run.send(&QUOTE, None, None);
                run.silence(quote);
            }
        }
        run.kept(&BOUNDED);
        run.send(&QUOTE, None, None);
        assert!(run.broken(&BOUNDED).contains("5 times for the call step-2.1"));
    }

    #[test]
    fn look_ups_have_a_bound_of_their_own() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        for _ in 0..96 {
            run.send(&LOOK_UP, Some("ord_1"), None);
        }
        run.kept(&BOUNDED);
        run.send(&LOOK_UP, Some("ord_1"), None);
        run.broken(&BOUNDED);
    }

    #[test]
    fn an_event_about_the_order_allows_a_look_more_however_often_it_is_delivered() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let delivery = |id: &str, reference: &str| {
            EventKind::Webhook(Box::new(WebhookDelivery {
                site: Site { place: Place::Webhook, arrival: 1, for_step: None },
                id: id.into(),
                kind: EventType::ChargeCaptured,
                reference: reference.into(),
                object: "charge_0".into(),
                copy: 0,
                attempt: 1,
                forged: None,
                status: Some(200),
            }))
        };
        for (id, reference) in [("evt_1", "ord_1"), ("evt_1", "ord_1"), ("evt_2", "ord_2")] {
            run.push(delivery(id, reference));
        }
        let bounds = Bounds::of(&run.policy);
        for _ in 0..bounds.look_ups + bounds.look_ups_per_event {
            run.send(&LOOK_UP, Some("ord_1"), None);
        }
        run.kept(&BOUNDED);
        run.send(&LOOK_UP, Some("ord_1"), None);
        run.broken(&BOUNDED);
    }

    #[test]
    fn a_refusal_that_was_noted_beside_a_record_that_could_not_be_read_may_be_asked_again() {
        for (fault, broken) in [(Fault::Busy, false), (Fault::Corrupt, false), (Fault::Yield, true)] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let ask = |run: &mut Run| {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
                run.see(charge, Seen::Reply { status: 402, retry_after: None, intact: true });
            };
            ask(&mut run);
            run.strike(Place::JournalRead, fault);
            ask(&mut run);
            if broken {
                assert!(run.broken(&BOUNDED).contains("refused for good"));
            } else {
                run.kept(&BOUNDED);
            }
        }
    }

    #[test]
    fn what_several_calls_ask_for_an_order_counts_in_the_order_in_which_it_was_sent() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let refused = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.see(refused, Seen::Reply { status: 402, retry_after: None, intact: true });
        // "step-0" sorts before "step-1".
        run.correlation = String::from("step-0");
        run.strike(Place::JournalRead, Fault::Busy);
        run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.kept(&BOUNDED);
        run.send(&CHARGE, Some("ord_1"), Some("k"));
        assert!(run.broken(&BOUNDED).contains("refused for good"));
    }

    #[test]
    fn only_what_may_be_repeated_is_repeated() {
        let after = Some(Duration::from_secs(1));
        for (status, retry_after, broken) in [
            (400, None, true),
            (402, None, true),
            (409, None, true),
            (409, after, false),
            (408, None, false),
            (429, after, false),
            (500, None, false),
            (503, after, false),
        ] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            run.see(charge, Seen::Reply { status, retry_after, intact: true });
            run.send(&CHARGE, Some("ord_1"), Some("k"));
            if broken {
                assert!(run.broken(&BOUNDED).contains("refused for good"), "{status}");
            } else {
                run.kept(&BOUNDED);
            }
        }
    }

    #[test]
    fn a_second_reservation_after_the_first_was_refused_is_another_request() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("a"));
        run.status(reserve, 409);
        run.send(&RESERVE, Some("ord_1/2"), Some("b"));
        run.kept(&BOUNDED);
    }

    #[test]
    fn a_round_that_could_not_be_noted_is_had_once_more() {
        for (before, between, broken) in [(0, 0, true), (1, 0, true), (0, 1, false)] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            (0..before).for_each(|_| run.lost_write());
            for round in 0..13 {
                if round == 12 {
                    (0..between).for_each(|_| run.lost_write());
                }
                let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
                run.silence(release);
            }
            if broken {
                assert!(run.broken(&BOUNDED).contains("13 times"));
            } else {
                run.kept(&BOUNDED);
                run.send(&RELEASE, Some("ord_1/1"), Some("r"));
                assert!(run.broken(&BOUNDED).contains("14 times"));
            }
        }
    }

    #[test]
    fn a_round_after_which_the_record_could_not_be_read_is_had_once_more() {
        for (fault, broken) in [(Fault::Busy, false), (Fault::Corrupt, false), (Fault::Yield, true)] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            for round in 0..13 {
                if round == 12 {
                    run.strike(Place::JournalRead, fault.clone());
                }
                let release = run.send(&RELEASE, Some("ord_1/1"), Some("r"));
                run.silence(release);
            }
            if broken { drop(run.broken(&BOUNDED)) } else { run.kept(&BOUNDED) }
        }
    }

    #[test]
    fn a_refusal_that_could_not_be_written_down_may_be_asked_for_once_more() {
        for (before, after, broken) in [(false, false, true), (true, false, true), (false, true, false)] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            if before {
                run.lost_write();
            }
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            run.status(charge, 402);
            if after {
                run.lost_write();
            }
            let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
            run.status(charge, 402);
            if broken {
                assert!(run.broken(&BOUNDED).contains("refused for good"));
            } else {
                run.kept(&BOUNDED);
                run.send(&CHARGE, Some("ord_1"), Some("k"));
                assert!(run.broken(&BOUNDED).contains("payment.charge#3 repeats payment.charge#1"));
            }
        }
    }

    #[test]
    fn a_refusal_that_came_after_the_time_out_forbids_nothing() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.wait_ms(5_000);
        run.status(charge, 402);
        run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.kept(&BOUNDED);
    }
}
