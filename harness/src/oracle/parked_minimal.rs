//! `parked-minimal`: a person is only bothered where nothing else was left, and then is.

use giftgenius::policy::PaymentProfile;
use giftgenius::step_log::{AlertKind, LogLine};

use super::acts::is_overtaken;
use super::evidence::{Evidence, OrderView};
use super::settlement::unsettled_charge;
use super::{Findings, Oracle, Verdict};
use crate::fault::site::Place;
use crate::provider::OperationSpec;
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESTOCK};
use crate::trace::EventKind;

/// The rule.
pub static PARKED_MINIMAL: Oracle = Oracle {
    id: "parked-minimal",
    rule: "An order is parked only where a fault struck the operation that had to settle or undo it, after the \
           background rounds were used up, or where the payment provider took the money back on its own; it is listed with what stands and what to do, and alerted exactly once (again only where the process \
           died, or its store failed, in the act).",
    explanation: "Parking is the honest end of what cannot be settled, and the lazy end of what was not tried. A \
                  breach says which: no fault that explains it, too few attempts, no line in the list, no alert, or \
                  several. A refusal for good ends the attempts early, and so does a provider that cannot close a \
                  reference, or whose refunds fail again after they were done.",
    requirements: &["F6", "F16"],
    check,
};

/// What can be needed to settle or to undo an order.
static SETTLING: [&OperationSpec; 7] = [&LOOK_UP, &CANCEL, &REFUND, &CHARGE, &RELEASE, &COMMIT, &RESTOCK];

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(PARKED_MINIMAL.id);
    for order in &evidence.orders {
        let recorded = order.at_rest.is_some_and(|rest| rest.status == "parked");
        match (order.parked, recorded) {
            (None, false) => {}
            (None, true) => findings
                .add(format!("order {} is parked, but no person can list it", order.id), last_request(evidence, order)),
            (Some(listed), _) => {
                if listed.note.trim().is_empty() {
                    findings.add(
                        format!("order {} is listed as parked without what stands and what to do", order.id),
                        last_request(evidence, order),
                    );
                }
                justified(evidence, order, &mut findings);
            }
        }
    }
    alerted(evidence, &mut findings);
    findings.verdict()
}

fn last_request(evidence: &Evidence<'_>, order: &OrderView<'_>) -> Option<usize> {
    order.exchanges.last().map(|index| evidence.exchanges[*index].sent_event)
}

/// A fault explains the parking, and all rounds were had.
fn justified(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    if is_overtaken(evidence, order, usize::MAX) {
        return;
    }
    let requests = || order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let struck =
        requests().any(|exchange| exchange.sent.faults.is_some() && SETTLING.iter().any(|spec| exchange.is(spec)));
    if !struck {
        findings.add(
            format!("order {} is parked, although no fault struck any request that had to settle or undo it", order.id),
            requests().map(|exchange| exchange.sent_event),
        );
        return;
    }
    let refused = requests().any(|exchange| {
        exchange.refusal().is_some() && !exchange.is(&CHARGE) && SETTLING.iter().any(|spec| exchange.is(spec))
    });
    let place = evidence.orders.iter().position(|other| other.id == order.id);
    let cannot_close = evidence.policy.payment_profile == PaymentProfile::KeylessNoCancel
        && place.is_some_and(|place| unsettled_charge(evidence, place, usize::MAX).is_some());
    let failures = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::RefundFailed).count();
    if refused || cannot_close || failures > 1 {
        return;
    }
    let rounds = evidence.policy.background.attempts_max as usize;
    let most = SETTLING.iter().map(|spec| requests().filter(|exchange| exchange.is(spec)).count()).max().unwrap_or(0);
    if most < rounds {
        findings.add(
            format!(
                "order {} is parked after {most} requests of the operation tried most; the policy has {rounds} rounds \
                 in the background",
                order.id
            ),
            requests().map(|exchange| exchange.sent_event),
        );
    }
}

/// Whether the note that a person was called may have been lost between two calls: with the process, or in the store.
pub(super) fn may_call_again(evidence: &Evidence<'_>, first: usize, second: usize) -> bool {
    evidence.trace.events[first..second].iter().any(|event| match &event.kind {
        EventKind::Crashed => true,
        EventKind::Struck { site, .. } => site.place == Place::JournalWrite,
        _ => false,
    })
}

/// One alert for each parked order, and none for another.
fn alerted(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut alerts: Vec<(&str, usize)> = Vec::new();
    for &(index, line) in &evidence.lines {
        if let LogLine::Alert(alert) = line
            && alert.kind == AlertKind::OrderParked
        {
            let order = alert.order_id.as_ref().map_or("", |id| id.as_str());
            alerts.push((order, index));
        }
    }
    for parked in &evidence.rest.parked {
        let mut own = alerts.iter().filter(|(order, _)| *order == parked.order_id);
        match (own.next(), own.next()) {
            (Some(_), None) => {}
            (None, _) => findings.add(format!("order {} is parked, but nobody was alerted", parked.order_id), []),
            (Some((_, first)), Some((_, second))) if may_call_again(evidence, *first, *second) => {}
            (Some(_), Some(_)) => findings.add(
                format!("order {} is parked once, but was alerted several times", parked.order_id),
                alerts.iter().filter(|(order, _)| *order == parked.order_id).map(|(_, index)| *index),
            ),
        }
    }
    for (order, index) in alerts {
        if !evidence.rest.parked.iter().any(|parked| parked.order_id == order) {
            findings.add(format!("an alert says that order {order} is parked, but no person can list it"), [index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::oracle::testing::Run;
    use crate::provider::ledger::EffectKind;

    /// A refund that fails this often, and then the order is parked.
    fn stuck(times: usize, fault: Option<&Fault>) -> Run {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.charge("ord_1");
        for _ in 0..times {
            let refund = run.send_faulty(&REFUND, Some("ord_1"), Some("r"), fault.cloned());
            run.silence(refund);
        }
        run.park("ord_1", "charged");
        run
    }

    #[test]
    fn parked_after_every_round_failed_is_right() {
        stuck(12, Some(&Fault::LostRequest)).kept(&PARKED_MINIMAL);
    }

    #[test]
    fn parked_without_a_fault_or_before_the_last_round_is_a_breach() {
        assert!(stuck(12, None).broken(&PARKED_MINIMAL).contains("no fault"));
        let said = stuck(4, Some(&Fault::Refuse)).broken(&PARKED_MINIMAL);
        assert!(said.contains("after 4 requests"), "{said}");
    }

    #[test]
    fn a_fault_elsewhere_explains_nothing() {
        let mut run = stuck(12, None);
        run.send_faulty(&crate::provider::operations::QUOTE, None, None, Some(Fault::LostRequest));
        run.broken(&PARKED_MINIMAL);
    }

    #[test]
    fn a_refusal_for_good_ends_the_attempts_early() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        run.charge("ord_1");
        let fault = Some(Fault::Status(400, None));
        let refund = run.send_faulty(&REFUND, Some("ord_1"), Some("r"), fault);
        run.status(refund, 400);
        run.park("ord_1", "charged");
        run.kept(&PARKED_MINIMAL);
    }

    #[test]
    fn refunds_that_fail_again_after_they_were_done_end_them_too() {
        for failures in [1, 2] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let charge = run.charge("ord_1");
            for _ in 0..failures {
                let fault = Some(Fault::Circumstance(crate::fault::Circumstance::RefundFailsLater));
                let refund = run.send_faulty(&REFUND, Some("ord_1"), Some("r"), fault);
                run.ok(refund);
                let refund = run.effect(EffectKind::Refund, "ord_1", Some(refund), Some(charge));
                run.effect(EffectKind::RefundFailed, "ord_1", None, Some(refund));
            }
            run.park("ord_1", "charged");
            if failures > 1 {
                run.kept(&PARKED_MINIMAL);
            } else {
                run.broken(&PARKED_MINIMAL);
            }
        }
    }

    #[test]
    fn a_dispute_is_shown_by_a_whole_listing_or_by_two_that_tell_another_amount_alike() {
        let odd = || Some(Fault::WrongAmount);
        let foreign = || Some(Fault::Contradicting(crate::fault::Contradiction::Currency));
        for (listings, broken) in [
            (vec![], true),
            (vec![None], false),
            (vec![odd()], true),
            (vec![odd(), odd()], false),
            (vec![foreign(), foreign()], false),
            (vec![odd(), foreign()], true),
            (vec![Some(Fault::Garbage), odd()], true),
            // What was believed of the first is held against the last.
            (vec![odd(), Some(Fault::Garbage), odd()], false),
        ] {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            run.effect(EffectKind::Dispute, "ord_1", None, Some(charge));
            for fault in listings.iter().cloned() {
                let intact = fault.is_none();
                let look_up = run.send_faulty(&crate::provider::operations::LOOK_UP, Some("ord_1"), None, fault);
                run.deliver(look_up);
                run.see(look_up, crate::trace::Seen::Reply { status: 200, retry_after: None, intact });
            }
            run.park("ord_1", "charged");
            if broken {
                run.broken(&PARKED_MINIMAL);
            } else {
                run.kept(&PARKED_MINIMAL);
            }
        }
    }

    #[test]
    fn a_reference_that_cannot_be_closed_ends_them_too() {
        let mut run = Run::with_profile(PaymentProfile::KeylessNoCancel);
        run.create_order("cs_1", "k1");
        let fault = Some(Fault::LostRequest);
        let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("c"), fault);
        run.silence(charge);
        run.park("ord_1", "unknown");
        run.kept(&PARKED_MINIMAL);
        run.policy.payment_profile = PaymentProfile::Keyless;
        run.broken(&PARKED_MINIMAL);
    }

    #[test]
    fn it_is_listed_with_a_note_and_alerted_once() {
        let mut run = stuck(12, Some(&Fault::Refuse));
        run.rest.parked[0].note = String::from(" ");
        assert!(run.broken(&PARKED_MINIMAL).contains("without what stands"));

        let mut run = stuck(12, Some(&Fault::Refuse));
        run.alert(AlertKind::OrderParked, "ord_1");
        assert!(run.broken(&PARKED_MINIMAL).contains("several times"));

        let mut run = stuck(12, Some(&Fault::Refuse));
        run.record.trace.events.pop();
        assert!(run.broken(&PARKED_MINIMAL).contains("nobody was alerted"));

        let mut run = stuck(12, Some(&Fault::Refuse));
        run.rest.parked.clear();
        assert!(run.broken(&PARKED_MINIMAL).contains("no person can list it"));
    }

    #[test]
    fn other_alerts_are_not_counted() {
        let mut run = Run::sale();
        run.alert(AlertKind::ProviderDown, "ord_1");
        run.kept(&PARKED_MINIMAL);
        run.alert(AlertKind::OrderParked, "ord_1");
        run.broken(&PARKED_MINIMAL);
        run.effect(EffectKind::Close, "ord_1", None, None);
    }
}
