//! A part of `settled`: an order whose owner died is taken up in time.

use std::time::Duration;

use giftgenius::policy::Policy;
use giftgenius::step_log::{LogLine, StepStatus};

use super::Findings;
use super::acts::has_lost;
use super::evidence::{Evidence, ExchangeView, OrderView};
use super::money_paged::calendar_jumped;
use crate::fault::site::Place;
use crate::fault::{CrashPoint, Fault};
use crate::scenario::model::WorldKind;
use crate::trace::{Event, EventKind};

/// How often a process looks for orders that nobody works on.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Holds each death to the orders that it left half-way. Who writes to an order is known in simulation only, and clocks that
/// jump or differ say nothing about when a lease ends.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.deaths.is_empty() || evidence.world == WorldKind::Wire || calendar_jumped(evidence) {
        return;
    }
    for death in evidence.deaths.iter().filter(|death| !is_after_a_write(evidence, **death)) {
        for order in evidence.orders.iter().filter(|order| is_left(evidence, order, *death)) {
            judge_one(evidence, order, *death, findings);
        }
    }
}

/// Whether a process died just after it had written: that may have been the end of an order, of which no line was logged.
fn is_after_a_write(evidence: &Evidence<'_>, death: usize) -> bool {
    let before = death.checked_sub(1).map(|before| &evidence.trace.events[before].kind);
    matches!(before, Some(EventKind::Struck { fault, .. }) if matches!(**fault, Fault::Crash(CrashPoint::AfterWrite)))
}

/// Whether the process that died had been working on an order, and had not brought it to its end.
fn is_left(evidence: &Evidence<'_>, order: &OrderView<'_>, death: usize) -> bool {
    let before = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let last = before.take_while(|exchange| exchange.sent_event < death).last();
    let has_ended = evidence.lines.iter().take_while(|(event, _)| *event < death).any(|(_, line)| {
        matches!(line, LogLine::Step(line) if line.step_id == "order"
            && matches!(line.status, StepStatus::Success | StepStatus::Failed | StepStatus::RolledBack)
            && line.order_id.as_ref().is_some_and(|id| id.as_str() == order.id))
    });
    let own = |last: &ExchangeView<'_>| {
        last.incarnation == evidence.trace.events[death].incarnation && !has_lost(evidence, last, death)
    };
    last.is_some_and(own) && !has_ended
}

fn judge_one(evidence: &Evidence<'_>, order: &OrderView<'_>, death: usize, findings: &mut Findings) {
    let events = &evidence.trace.events;
    let died = &events[death];
    let is_start = |event: &&Event| matches!(event.kind, EventKind::Restarted);
    let Some(up) = events[death..].iter().find(is_start) else { return };
    let taken = evidence.trace.writes.iter().find(|write| {
        write.at > death
            && write.incarnation != died.incarnation
            && write.order.as_ref().is_some_and(|written| written.as_str() == order.id)
    });
    // What is never taken up is open at rest, or had nothing left to do.
    let Some(taken) = taken else { return };
    let at = events[taken.at - 1].at;
    // Who waits for a round holds the order until that and a lease.
    let Policy { background, retry, late_max, .. } = evidence.policy;
    let waits = background.delay_cap.max(retry.retry_after_cap).max(*late_max);
    let waits = if was_to_wait(evidence, order, death) { waits } else { Duration::ZERO };
    let held = died.at + waits + evidence.policy.lease;
    let due = held.max(up.at) + HOUSEKEEPING + evidence.tolerance(Duration::ZERO);
    let excused = events[death + 1..taken.at].iter().any(|event| match &event.kind {
        EventKind::Crashed => true,
        EventKind::Struck { site, .. } => matches!(site.place, Place::JournalRead | Place::JournalWrite),
        // What had ended may have been begun again by what came for it.
        EventKind::CallStarted(call) => event.at > due && &*call.tool == "cancel_order",
        EventKind::Webhook(_) => event.at > due,
        _ => false,
    });
    if at > due && !excused {
        let message = format!(
            "order {} was taken up {} s after its owner had died; it was held for {} s at most, and housekeeping comes every {} s",
            order.id,
            at.saturating_sub(died.at).as_secs(),
            held.saturating_sub(died.at).as_secs(),
            HOUSEKEEPING.as_secs()
        );
        findings.add(message, [death, taken.at - 1]);
    }
}

/// Whether it was logged of an order before an event that something of it will be tried again later.
fn was_to_wait(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> bool {
    evidence.lines.iter().take_while(|(index, _)| *index < event).any(|(_, line)| {
        matches!(line, LogLine::Step(line) if line.status == StepStatus::Retry
            && line.order_id.as_ref().is_some_and(|id| id.as_str() == order.id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::site::Site;
    use crate::oracle::settled::SETTLED;
    use crate::oracle::testing::Run;

    /// A sale whose owner dies after the reservation, taken up so many seconds after its lease.
    fn taken_up(after: u64) -> Run {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.die(2);
        run.wait_ms(1000 * after);
        run.now += run.policy.lease;
        run.push(EventKind::Switched { checkout: true });
        run.write_of("ord_1");
        run.charge("ord_1");
        run
    }

    #[test]
    fn an_order_is_taken_up_within_its_lease_and_a_round_of_housekeeping() {
        taken_up(0).kept(&SETTLED);
        taken_up(60).kept(&SETTLED);
        let said = taken_up(61).broken(&SETTLED);
        assert!(said.contains("order ord_1 was taken up") && said.contains("after its owner had died"), "{said}");
    }

    #[test]
    fn nothing_is_owed_of_an_order_that_had_ended_and_less_of_one_that_waited() {
        for (step, status, is_kept) in [
            ("order", StepStatus::Success, true),
            ("settle", StepStatus::Success, false),
            ("settle", StepStatus::Retry, true),
        ] {
            let mut run = taken_up(100);
            let trace = &mut run.record.trace;
            let death =
                trace.events.iter().position(|event| matches!(event.kind, EventKind::Crashed)).expect("it died");
            let mut line = Run::new();
            line.step(step, status, None);
            let mut line = line.record.trace.events.pop().expect("it is logged");
            if let EventKind::Log(line) = &mut line.kind
                && let LogLine::Step(line) = &mut **line
            {
                line.order_id = Some("ord_1".into());
            }
            line.at = trace.events[death].at;
            trace.events.insert(death, line);
            trace.writes[0].at += 1;
            run.kept_if(&SETTLED, is_kept);
        }
    }

    #[test]
    fn a_store_that_failed_excuses_it_and_so_does_a_write_that_may_have_been_its_end() {
        for (fault, after_the_death) in [(Fault::Busy, true), (Fault::Crash(CrashPoint::AfterWrite), false)] {
            let mut run = taken_up(100);
            let trace = &mut run.record.trace;
            let death =
                trace.events.iter().position(|event| matches!(event.kind, EventKind::Crashed)).expect("it died");
            let place = death + usize::from(after_the_death) * 2;
            let site = Site { place: Place::JournalWrite, arrival: 1, for_step: None };
            let kind = EventKind::Struck { site, fault: Box::new(fault) };
            let at = trace.events[place].at;
            trace.events.insert(place, Event { at, incarnation: 1, kind });
            trace.writes[0].at += 1;
            run.kept(&SETTLED);
        }
    }
}
