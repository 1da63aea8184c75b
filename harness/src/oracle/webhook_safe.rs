//! `webhook-safe`: what the payment provider tells is taken in once, and what it did not tell is not.

use std::collections::BTreeMap;
use std::time::Duration;

use giftgenius::step_log::{LogLine, WebhookStatus};

use super::acts::told_acts;
use super::evidence::Evidence;
use super::{Findings, Oracle, Verdict};
use crate::fault::site::Place;
use crate::fault::{Fault, Forgery};
use crate::trace::{Event, EventKind, WebhookDelivery};

/// The rule.
pub static WEBHOOK_SAFE: Oracle = Oracle {
    id: "webhook-safe",
    rule: "A delivery that the provider did not send is refused with a 4xx and leaves nothing behind; a valid one is \
           answered 2xx in the end, and only once it is in the journal; one of no concern is answered 2xx and not taken \
           in; no event is taken in twice; what one tells of \
           that the provider did on its own is looked up.",
    explanation: "Anybody can post to a webhook's address, networks repeat, and a process dies between any two lines. A \
                  forged event that is answered well was believed. An event that is answered well and is not in the \
                  journal at rest is lost: the provider will not send it again. One that is refused although it is \
                  right is lost as well, after the provider has tried often enough. A 5xx is right only while the \
                  store fails, and silence only while the process is down. A clock that is further off than the \
                  signature's tolerance excuses refusals.",
    requirements: &["F5", "F6"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(WEBHOOK_SAFE.id);
    let mut valid: BTreeMap<(&str, u8), Vec<(usize, &WebhookDelivery)>> = BTreeMap::new();
    for (index, event) in evidence.trace.events.iter().enumerate() {
        let EventKind::Webhook(delivery) = &event.kind else { continue };
        match delivery.forged {
            Some(forgery) => forged(evidence, index, delivery, forgery, &mut findings),
            None => valid.entry((&delivery.id, delivery.copy)).or_default().push((index, delivery)),
        }
    }
    if !valid.is_empty() {
        let circumstances = Circumstances::of(evidence);
        for deliveries in valid.values() {
            answered(evidence, &circumstances, deliveries, &mut findings);
        }
        taken_in_once(evidence, &mut findings);
        looked_into(evidence, &mut findings);
    }
    findings.verdict()
}

/// So long an attempt takes at most, from the first use of the store to its answer.
const TAKES_AT_MOST: Duration = Duration::from_secs(1);

const fn is_well(status: Option<u16>) -> bool {
    matches!(status, Some(200..=299))
}

fn forged(
    evidence: &Evidence<'_>,
    index: usize,
    delivery: &WebhookDelivery,
    forgery: Forgery,
    findings: &mut Findings,
) {
    let what = match forgery {
        Forgery::Signature => "an event that the provider did not sign",
        Forgery::Stale => "a delivery that was signed too long ago",
        Forgery::Future => "a delivery that was signed in the future",
        Forgery::Cut => "an event under a signature that is cut short",
        Forgery::Padded => "an event under a signature that is too long",
        Forgery::Altered => "an event under the signature of another",
        Forgery::Moved => "a delivery whose time is not the one that was signed",
        Forgery::Doubled => "a delivery that names two times",
    };
    match delivery.status {
        // Nobody was there to believe it.
        None | Some(400..=499) => {}
        // By a clock that is ahead the time is not to come.
        Some(_) if forgery == Forgery::Future && clock_was_ahead(evidence, index) => {}
        Some(status) => {
            findings.add(format!("{what} ({} of {}) was answered {status}", delivery.id, delivery.reference), [index]);
        }
    }
    // What is not made up is a copy of a right one, which may well be there.
    if forgery.is_made_up() && evidence.rest.events.contains(&delivery.id) {
        findings.add(format!("{what} ({}) is in the journal", delivery.id), [index]);
    }
}

/// Whether the system's calendar had jumped ahead of the provider's by an event, or a replica's may be ahead.
fn clock_was_ahead(evidence: &Evidence<'_>, event: usize) -> bool {
    let jumped = |event: &Event| matches!(&event.kind, EventKind::Struck { fault, .. } if fault.jumps().is_some());
    evidence.trace.events[..event].iter().any(jumped) || evidence.replicas.clocks_ms().any(|ms| ms != 0)
}

/// What excuses an answer that is not well.
struct Circumstances {
    /// A clock of the system is further off than a signature may be old.
    clock_is_off: bool,
    store_failed: bool,
    was_down: bool,
}

impl Circumstances {
    fn of(evidence: &Evidence<'_>) -> Self {
        let mut found = Self { clock_is_off: false, store_failed: false, was_down: false };
        let mut off = evidence.replicas.skew_max();
        for event in &evidence.trace.events {
            match &event.kind {
                EventKind::Struck { site, fault } => match fault.jumps() {
                    Some(expiry) => off += expiry.span(evidence.policy),
                    None => found.store_failed |= matches!(site.place, Place::JournalRead | Place::JournalWrite),
                },
                EventKind::Crashed | EventKind::Restarted => found.was_down = true,
                _ => {}
            }
        }
        found.clock_is_off = off > evidence.policy.webhooks.tolerance;
        found
    }
}

/// All attempts at one copy of an event.
fn answered(
    evidence: &Evidence<'_>,
    circumstances: &Circumstances,
    deliveries: &[(usize, &WebhookDelivery)],
    findings: &mut Findings,
) {
    for (index, delivery) in deliveries {
        let wrong = match delivery.status {
            Some(200..=299) => None,
            Some(400..=499) if circumstances.clock_is_off => None,
            Some(500..) if circumstances.store_failed => None,
            Some(status @ 500..) => Some(format!("answered {status}, although the store did not fail")),
            Some(status) => Some(format!("answered {status}, although it is right")),
            None if circumstances.was_down => None,
            None => Some(String::from("not answered, although the system was up")),
        };
        if let Some(wrong) = wrong {
            let WebhookDelivery { id, kind, reference, .. } = delivery;
            findings.add(format!("{id} ({} of {reference}) was {wrong}", kind.name()), [*index]);
        }
    }
    let Some((last, delivery)) = deliveries.last() else { return };
    if is_well(delivery.status) {
        if delivery.is_of_no_concern() {
            if evidence.rest.events.contains(&delivery.id) {
                let message = format!("{} is no concern of a checkout, and was taken in", delivery.id);
                findings.add(message, [*last]);
            }
        } else if !evidence.rest.events.contains(&delivery.id) {
            let message = format!("{} was answered well, and is not in the journal at rest", delivery.id);
            findings.add(message, deliveries.iter().map(|(index, _)| *index));
        }
    } else if !circumstances.clock_is_off && !had_no_chance(evidence, deliveries) {
        findings.add(
            format!("{} was never answered well, in {} attempts", delivery.id, delivery.attempt),
            [deliveries.first().map_or(*last, |(index, _)| *index), *last],
        );
    }
}

/// Whether the provider has tried as often as it does, and each time found no process, or a store that failed just then.
fn had_no_chance(evidence: &Evidence<'_>, deliveries: &[(usize, &WebhookDelivery)]) -> bool {
    let events = &evidence.trace.events;
    let refused = |event: &Event| {
        matches!(&event.kind, EventKind::Struck { site, fault }
            if matches!(site.place, Place::JournalRead | Place::JournalWrite)
                && matches!(**fault, Fault::Busy | Fault::Full | Fault::Corrupt | Fault::Panic))
    };
    let is_lives = |event: &Event| matches!(event.kind, EventKind::Crashed | EventKind::Restarted);
    let is_down = |at: usize| {
        let Some(began) = events[..at].iter().rposition(is_lives) else { return false };
        // One that could not read its store as it began has ended, and another begins later.
        let ended = || {
            let next = events[at..].iter().find(|event| is_lives(event));
            next.is_some_and(|event| matches!(event.kind, EventKind::Restarted))
                && events[began..at].iter().any(refused)
        };
        matches!(events[began].kind, EventKind::Crashed) || ended()
    };
    let store_failed = |from: usize, to: usize| {
        events[from..to].iter().any(|event| refused(event) && event.at + TAKES_AT_MOST >= events[to].at)
    };
    let mut before = 0;
    deliveries.iter().all(|(at, delivery)| {
        let from = std::mem::replace(&mut before, *at);
        match delivery.status {
            None => is_down(*at),
            Some(500..) => store_failed(from, *at),
            Some(_) => false,
        }
    })
}

/// What an event tells of that the provider did on its own is looked up; an order that a person has needs no further look.
fn looked_into(evidence: &Evidence<'_>, findings: &mut Findings) {
    let ours = evidence.orders.iter().filter(|order| order.at_rest.is_some() && order.parked.is_none());
    for (order, (act, told)) in ours.flat_map(|order| told_acts(evidence, order).map(move |act| (order, act))) {
        if act.shown_from.is_none() {
            let effect = &evidence.ledger.effects[act.effect];
            let message = format!(
                "an event told of {} for order {}, and no listing has been seen since that shows it",
                effect.subject, order.id
            );
            findings.add(message, [evidence.event_of(act.effect), told]);
        }
    }
}

/// The system itself says of each delivery what became of it.
fn taken_in_once(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut taken: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Webhook(line) = line
            && let WebhookStatus::Accepted | WebhookStatus::Parked = line.status
            && let Some(id) = &line.event_id
        {
            taken.entry(id.as_str()).or_default().push(index);
        }
    }
    for (id, lines) in taken {
        if lines.len() > 1 {
            findings.add(format!("{id} was taken in {} times", lines.len()), lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use giftgenius::step_log::{Level, WebhookLine};

    use super::*;
    use crate::fault::site::Site;
    use crate::fault::{CrashPoint, Expiry, Fault};
    use crate::oracle::testing::Run;
    use crate::provider::event::EventType;
    use crate::scenario::model::Replicas;

    fn site(arrival: u32) -> Site {
        Site { place: Place::Webhook, arrival, for_step: None }
    }

    fn delivery(id: &str, attempt: u32, status: Option<u16>) -> WebhookDelivery {
        WebhookDelivery {
            site: site(1),
            id: id.into(),
            kind: EventType::ChargeCaptured,
            reference: "ord_1".into(),
            object: "charge_0".into(),
            copy: 0,
            attempt,
            forged: None,
            status,
        }
    }

    fn deliver(run: &mut Run, delivery: WebhookDelivery) {
        run.push(EventKind::Webhook(Box::new(delivery)));
    }

    fn logged(run: &mut Run, id: &str, status: WebhookStatus) {
        run.push(EventKind::Log(Box::new(LogLine::Webhook(WebhookLine {
            event: status.event().into(),
            level: Level::Info,
            status,
            event_id: Some(id.into()),
            kind: None,
            order_id: None,
            count: None,
            time: jiff::Timestamp::UNIX_EPOCH,
        }))));
    }

    fn struck(run: &mut Run, place: Place, fault: Fault) {
        run.push(EventKind::Struck { site: Site { place, arrival: 1, for_step: None }, fault: Box::new(fault) });
    }

    /// A sale whose event was taken in.
    fn told() -> Run {
        let mut run = Run::sale();
        deliver(&mut run, delivery("evt_1", 1, Some(200)));
        logged(&mut run, "evt_1", WebhookStatus::Accepted);
        run.rest.events.push("evt_1".into());
        run
    }

    #[test]
    fn an_event_that_is_taken_in_is_safe_and_so_is_one_that_comes_twice() {
        Run::sale().kept(&WEBHOOK_SAFE);
        let mut run = told();
        run.kept(&WEBHOOK_SAFE);
        deliver(&mut run, WebhookDelivery { copy: 1, ..delivery("evt_1", 1, Some(200)) });
        logged(&mut run, "evt_1", WebhookStatus::Duplicate);
        run.kept(&WEBHOOK_SAFE);
    }

    #[test]
    fn taking_one_in_twice_is_a_breach() {
        let mut run = told();
        logged(&mut run, "evt_1", WebhookStatus::Accepted);
        assert!(run.broken(&WEBHOOK_SAFE).contains("evt_1 was taken in 2 times"));
    }

    #[test]
    fn what_is_answered_well_is_in_the_journal() {
        let mut run = told();
        run.rest.events.clear();
        assert!(run.broken(&WEBHOOK_SAFE).contains("not in the journal"));
    }

    #[test]
    fn a_forged_event_is_refused_and_leaves_nothing() {
        for forgery in Forgery::ALL {
            for (status, broken) in
                [(Some(401), false), (Some(404), false), (None, false), (Some(200), true), (Some(500), true)]
            {
                let mut run = told();
                deliver(&mut run, WebhookDelivery { forged: Some(forgery), ..delivery("evt_forged_1", 1, status) });
                if broken {
                    assert!(run.broken(&WEBHOOK_SAFE).contains("was answered"), "{status:?}");
                } else {
                    run.kept(&WEBHOOK_SAFE);
                }
            }
        }
        let mut run = told();
        deliver(&mut run, WebhookDelivery { forged: Some(Forgery::Signature), ..delivery("evt_f", 1, Some(401)) });
        run.rest.events.push("evt_f".into());
        assert!(run.broken(&WEBHOOK_SAFE).contains("is in the journal"));
    }

    #[test]
    fn a_time_to_come_is_none_by_a_clock_that_is_ahead() {
        for (forgery, jumped, broken) in [
            (Forgery::Future, true, false),
            (Forgery::Future, false, true),
            (Forgery::Moved, true, true),
            (Forgery::Cut, true, true),
        ] {
            let mut run = told();
            if jumped {
                run.strike(Place::JournalWrite, Fault::Jump(Expiry::Lease));
            }
            deliver(&mut run, WebhookDelivery { forged: Some(forgery), ..delivery("evt_1", 1, Some(200)) });
            run.kept_unless(&WEBHOOK_SAFE, broken.then_some("was answered 200"));
        }
    }

    #[test]
    fn a_right_event_is_not_refused_unless_the_clock_is_off() {
        let refused = || {
            let mut run = Run::sale();
            deliver(&mut run, delivery("evt_1", 1, Some(401)));
            run
        };
        assert!(refused().broken(&WEBHOOK_SAFE).contains("although it is right"));
        let mut run = refused();
        struck(&mut run, Place::JournalWrite, Fault::Jump(Expiry::Lease));
        run.broken(&WEBHOOK_SAFE);
        let mut run = refused();
        struck(&mut run, Place::JournalWrite, Fault::Jump(Expiry::Quote));
        run.kept(&WEBHOOK_SAFE);
        // What a replica's clock is off adds to that.
        let mut run = refused();
        run.replicas = Replicas { count: 2, skew_ms: 290_000 };
        run.broken(&WEBHOOK_SAFE);
        struck(&mut run, Place::JournalWrite, Fault::Jump(Expiry::Lease));
        run.kept(&WEBHOOK_SAFE);
    }

    #[test]
    fn a_failure_is_the_stores_and_is_made_good() {
        let failed = |last| {
            let mut run = told();
            deliver(&mut run, delivery("evt_2", 1, Some(503)));
            deliver(&mut run, delivery("evt_2", 2, last));
            run.rest.events.push("evt_2".into());
            run
        };
        assert!(failed(Some(200)).broken(&WEBHOOK_SAFE).contains("although the store did not fail"));
        let mut run = failed(Some(200));
        struck(&mut run, Place::JournalWrite, Fault::Busy);
        run.kept(&WEBHOOK_SAFE);
        let mut run = failed(Some(503));
        struck(&mut run, Place::JournalWrite, Fault::Busy);
        assert!(run.broken(&WEBHOOK_SAFE).contains("never answered well, in 2 attempts"));
    }

    #[test]
    fn an_event_that_never_had_a_chance_is_nobodys_loss() {
        let tried = |fault: Fault, last_had_one: bool| {
            let mut run = told();
            run.push(EventKind::Crashed);
            deliver(&mut run, delivery("evt_2", 1, None));
            run.process = 2;
            run.push(EventKind::Restarted);
            // It cannot read its store as it begins.
            struck(&mut run, Place::JournalRead, fault.clone());
            deliver(&mut run, delivery("evt_2", 2, None));
            run.process = 3;
            run.push(EventKind::Restarted);
            for attempt in 3..=8 {
                run.wait_ms(2_000);
                if attempt < 8 || !last_had_one {
                    struck(&mut run, Place::JournalRead, fault.clone());
                }
                deliver(&mut run, delivery("evt_2", attempt, Some(503)));
            }
            run
        };
        tried(Fault::Corrupt, false).kept(&WEBHOOK_SAFE);
        assert!(tried(Fault::Corrupt, true).broken(&WEBHOOK_SAFE).contains("never answered well, in 8 attempts"));
        // A store that is only slow takes events in.
        tried(Fault::Yield, false).broken(&WEBHOOK_SAFE);
    }

    #[test]
    fn silence_is_a_dead_processs() {
        let silent = || {
            let mut run = told();
            deliver(&mut run, delivery("evt_2", 1, None));
            deliver(&mut run, delivery("evt_2", 2, Some(200)));
            run.rest.events.push("evt_2".into());
            run
        };
        assert!(silent().broken(&WEBHOOK_SAFE).contains("although the system was up"));
        let mut run = silent();
        struck(&mut run, Place::JournalWrite, Fault::Crash(CrashPoint::AfterWrite));
        run.push(EventKind::Crashed);
        run.kept(&WEBHOOK_SAFE);
    }
}
