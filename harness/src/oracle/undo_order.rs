//! `undo-order`: what was done last is undone first, and each undo takes effect once.

use super::acts::money_known_at;
use super::evidence::{Evidence, ExchangeView, OrderView};
use super::settlement::unsettled_charge;
use super::{Findings, Oracle, Verdict};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESERVE, RESTOCK};
use crate::trace::EventKind;

/// The rule.
pub static UNDO_ORDER: Oracle = Oracle {
    id: "undo-order",
    rule: "An undo starts only after each later step's undo succeeded, was given up and parked, or was needless: \
           restock before refund, refund or cancel before release; each takes effect once, and only what was asked \
           for is undone; no refund is sent while a dispute is known to be open.",
    explanation: "Stock that is freed while the money still stands (or may still arrive) can be sold to somebody \
                  else, and then the first buyer has paid for nothing; money that is given back while the sale is \
                  booked leaves a gift that nobody paid for. One undo that is stuck does not block another, once it \
                  has been given up and a person is looking. A dispute has taken the money back already: a refund beside it \
                  pays the person twice.",
    requirements: &["F6"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(UNDO_ORDER.id);
    for (index, exchange) in evidence.exchanges.iter().enumerate() {
        let Some(order) = exchange.order else {
            continue;
        };
        needless(evidence, index, order, &mut findings);
        if exchange.is(&RELEASE) {
            released(evidence, index, order, &mut findings);
        } else if exchange.is(&REFUND) {
            refunded(evidence, index, order, &mut findings);
        }
    }
    once(evidence, &mut findings);
    findings.verdict()
}

/// Whether the undo requests that an order needs had been given up before an event: it is parked, and none was sent
/// from then on.
fn given_up(
    evidence: &Evidence<'_>,
    order: &OrderView<'_>,
    event: usize,
    is_undo: impl Fn(&ExchangeView<'_>) -> bool,
) -> bool {
    let undos = || order.exchanges.iter().map(|index| &evidence.exchanges[*index]).filter(|exchange| is_undo(exchange));
    order.parked.is_some() && undos().next().is_some() && undos().all(|exchange| exchange.sent_event < event)
}

/// An undo of a step that was never asked for. After a crash it is none: the record says that the step may have been.
fn needless(evidence: &Evidence<'_>, undo: usize, order: usize, findings: &mut Findings) {
    let undo = &evidence.exchanges[undo];
    let step = if undo.is(&RELEASE) {
        &RESERVE
    } else if undo.is(&RESTOCK) {
        &COMMIT
    } else if undo.is(&REFUND) || undo.is(&CANCEL) {
        &CHARGE
    } else {
        return;
    };
    let view = &evidence.orders[order];
    let same_thing =
        |exchange: &ExchangeView<'_>| step.label == CHARGE.label || exchange.sent.reference == undo.sent.reference;
    let asked = view
        .exchanges
        .iter()
        .map(|index| &evidence.exchanges[*index])
        .any(|exchange| exchange.sent_event < undo.sent_event && exchange.is(step) && same_thing(exchange));
    let began = view.begun_by.map_or(0, |call| evidence.calls[call].start_event);
    let lost_its_memory = evidence.trace.events[began..undo.sent_event]
        .iter()
        .any(|event| matches!(event.kind, EventKind::Crashed | EventKind::Restarted));
    if !asked && !lost_its_memory {
        let message = format!(
            "{} undoes a step of order {} that was never asked for: there was no {}",
            undo.sent.site, view.id, step.label
        );
        findings.add(message, [undo.sent_event]);
    }
}

fn released(evidence: &Evidence<'_>, release: usize, order: usize, findings: &mut Findings) {
    let release = &evidence.exchanges[release];
    let event = release.sent_event;
    let view = &evidence.orders[order];
    let taken = money_known_at(evidence, view, event);
    // Where nothing can be closed, the undo of a charge begins by looking it up.
    let looks_up = !evidence.policy.payment_profile.can_close_reference();
    let refunds = |exchange: &ExchangeView<'_>| {
        exchange.is(&REFUND) || exchange.is(&CANCEL) || (looks_up && exchange.is(&LOOK_UP))
    };
    if taken > 0 && !given_up(evidence, view, event, refunds) {
        let message = format!(
            "{} frees the stock of order {} while a charge of {} still stands",
            release.sent.site,
            view.id,
            evidence.money(view, taken)
        );
        findings.add(message, [event]);
    } else if taken <= 0
        && let Some(charge) = unsettled_charge(evidence, order, event)
    {
        let message = format!(
            "{} frees the stock of order {} while it is not known what became of {}",
            release.sent.site, view.id, charge.sent.site
        );
        findings.add(message, [charge.sent_event, event]);
    }
    if evidence.committed_at(view, event) && !given_up(evidence, view, event, |exchange| exchange.is(&RESTOCK)) {
        let message = format!(
            "{} frees the stock of order {} while its sale is still booked in the inventory",
            release.sent.site, view.id
        );
        findings.add(message, [event]);
    }
}

fn refunded(evidence: &Evidence<'_>, refund: usize, order: usize, findings: &mut Findings) {
    let refund = &evidence.exchanges[refund];
    let event = refund.sent_event;
    let view = &evidence.orders[order];
    if let Some(dispute) = open_dispute(evidence, view, event) {
        let message = format!(
            "{} gives the money of order {} back, although {} is open: the person would have it twice",
            refund.sent.site, view.id, evidence.ledger.effects[dispute].subject
        );
        findings.add(message, [evidence.event_of(dispute), event]);
    }
    if !evidence.committed_at(view, event) {
        return;
    }
    // Late copies of a charge are given back while the sale stands; the last charge is not.
    let charges = evidence
        .effects_of(view)
        .filter(|(index, effect)| effect.kind == EffectKind::Charge && evidence.event_of(*index) < event)
        .count();
    let price = view.quote.map(|quote| quote.0).or_else(|| {
        evidence
            .effects_of(view)
            .find(|(_, effect)| effect.kind == EffectKind::Charge)
            .and_then(|(_, effect)| effect.amount)
            .map(|amount| amount.minor_units)
    });
    let more_than_the_price = price.is_some_and(|price| evidence.money_at(view, event) > price);
    let repeats_a_sweep = charges > 1;
    if more_than_the_price || repeats_a_sweep || given_up(evidence, view, event, |exchange| exchange.is(&RESTOCK)) {
        return;
    }
    let message = format!(
        "{} gives the money of order {} back while its sale is still booked in the inventory",
        refund.sent.site, view.id
    );
    findings.add(message, [event]);
}

/// A dispute about an order that the system had been shown before an event, by a listing that it can still know of.
fn open_dispute(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> Option<usize> {
    let disputes = evidence.taken_back.iter().filter(|act| {
        order.effects.contains(&act.effect) && evidence.ledger.effects[act.effect].kind == EffectKind::Dispute
    });
    let died_since = |shown: usize| evidence.deaths.iter().any(|death| (shown..event).contains(death));
    let known = disputes.filter(|act| {
        act.is_known_by(event) || act.shown_from.is_some_and(|shown| shown < event && !died_since(shown))
    });
    known.map(|act| act.effect).next()
}

/// No reserve or commit is undone twice, and no charge that was already given back in full.
fn once(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (index, effect) in evidence.ledger.effects.iter().enumerate() {
        let times = evidence.undone[index];
        let twice = match effect.kind {
            EffectKind::Reserve | EffectKind::Commit => times > 1,
            EffectKind::Charge => effect.amount.is_some_and(|amount| times > amount.minor_units),
            EffectKind::Refund
            | EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Restock => false,
        };
        if twice {
            let undos = evidence.ledger.effects.iter().filter(|other| other.undoes == Some(effect.id));
            let names: Vec<&str> = undos.clone().map(|undo| undo.kind.name()).collect();
            let message =
                format!("{} of {} was undone more than once: {}", effect.subject, effect.reference, names.join(", "));
            let events = undos.map(|undo| evidence.event_of(undo.id.0 as usize));
            findings.add(message, events.chain([evidence.event_of(index)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Contradiction, Fault};
    use crate::oracle::testing::Run;
    use crate::trace::Seen;
    use giftgenius::policy::PaymentProfile;

    #[test]
    fn the_reverse_order_is_kept() {
        let mut run = Run::new();
        let (charge, commit) = run.buy();
        run.done(&RESTOCK, EffectKind::Restock, "ord_1/1", Some(commit));
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.kept(&UNDO_ORDER);
    }

    #[test]
    fn a_refund_before_the_restock_is_a_breach() {
        let mut run = Run::new();
        let (charge, _) = run.buy();
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        assert!(run.broken(&UNDO_ORDER).contains("still booked"));
    }

    #[test]
    fn a_late_copy_is_given_back_while_the_sale_stands() {
        let mut run = Run::with_profile(PaymentProfile::Keyless);
        run.buy();
        let copy = run.effect(EffectKind::Charge, "ord_1", None, None);
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(copy));
        run.kept(&UNDO_ORDER);
    }

    #[test]
    fn a_release_before_the_refund_is_a_breach() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        let charge = run.charge("ord_1");
        run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
        assert!(run.broken(&UNDO_ORDER).contains("42.00 EUR still stands"));
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.broken(&UNDO_ORDER);
    }

    #[test]
    fn a_release_after_a_refund_that_failed_is_a_breach_once_the_failure_was_shown() {
        for shown in [false, true] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            let charge = run.charge("ord_1");
            let refund = run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
            run.effect(EffectKind::RefundFailed, "ord_1", None, Some(refund));
            if shown {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            if shown {
                assert!(run.broken(&UNDO_ORDER).contains("42.00 EUR still stands"));
            } else {
                run.kept(&UNDO_ORDER);
            }
        }
    }

    #[test]
    fn a_release_after_the_undo_of_the_charge_was_given_up_is_fine() {
        for (profile, parked, fine) in [
            (PaymentProfile::KeylessNoCancel, true, true),
            (PaymentProfile::KeylessNoCancel, false, false),
            // Where references can be closed, looking up is no attempt to undo.
            (PaymentProfile::Keyless, true, false),
        ] {
            let mut run = Run::with_profile(profile);
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            run.charge("ord_1");
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.see(look_up, Seen::Refused);
            run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            if parked {
                run.park("ord_1", "charged");
            }
            if fine {
                run.kept(&UNDO_ORDER);
            } else {
                run.broken(&UNDO_ORDER);
            }
        }
    }

    #[test]
    fn a_release_while_the_charge_is_unknown_is_a_breach_and_after_it_was_closed_is_not() {
        for close in [false, true] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            let charge = run.send(&CHARGE, Some("ord_1"), Some("c"));
            run.silence(charge);
            if close {
                run.done(&CANCEL, EffectKind::Close, "ord_1", None);
            }
            run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            if close {
                run.kept(&UNDO_ORDER);
            } else {
                assert!(run.broken(&UNDO_ORDER).contains("not known what became"));
            }
        }
    }

    #[test]
    fn a_release_after_a_refund_by_the_provider_needs_a_whole_listing_or_two_in_a_row_that_agree() {
        let amount = || Some(Fault::WrongAmount);
        let currency = || Some(Fault::Contradicting(Contradiction::Currency));
        for (listings, fine) in [
            (vec![], false),
            (vec![None], true),
            (vec![currency()], false),
            (vec![currency(), currency()], true),
            (vec![amount(), amount()], true),
            (vec![amount(), currency()], false),
            (vec![currency(), Some(Fault::Garbage), currency()], false),
        ] {
            let mut run = Run::with_profile(PaymentProfile::Keyless);
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            let sent = run.send(&CHARGE, Some("ord_1"), Some("c"));
            run.silence(sent);
            let charge = run.effect(EffectKind::Charge, "ord_1", Some(sent), None);
            run.effect(EffectKind::Refund, "ord_1", None, Some(charge));
            for fault in &listings {
                let intact = fault.is_none();
                let look_up = run.send_faulty(&LOOK_UP, Some("ord_1"), None, fault.clone());
                run.deliver(look_up);
                run.see(look_up, Seen::Reply { status: 200, retry_after: None, intact });
            }
            run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            if fine {
                run.kept(&UNDO_ORDER);
            } else {
                run.broken(&UNDO_ORDER);
            }
        }
    }

    #[test]
    fn a_release_after_a_decline_or_without_a_charge_is_fine() {
        for declined in [true, false] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            if declined {
                let charge = run.send(&CHARGE, Some("ord_1"), Some("c"));
                run.status(charge, 402);
            }
            run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            run.kept(&UNDO_ORDER);
        }
    }

    #[test]
    fn a_refund_that_was_given_up_does_not_block_the_release() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        let refund = run.send(&REFUND, Some("ord_1"), Some("r"));
        run.silence(refund);
        run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
        run.broken(&UNDO_ORDER);
        run.park("ord_1", "charged");
        run.kept(&UNDO_ORDER);
        run.send(&REFUND, Some("ord_1"), Some("r"));
        run.broken(&UNDO_ORDER);
    }

    #[test]
    fn an_undo_that_takes_effect_twice_is_a_breach() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
        run.kept(&UNDO_ORDER);
        run.effect(EffectKind::Release, "ord_1/1", None, Some(reserve));
        assert!(run.broken(&UNDO_ORDER).contains("release, release"));
    }

    #[test]
    fn an_undo_of_what_was_never_asked_for_is_a_breach() {
        for (undo, reference) in [(&RELEASE, "ord_1/2"), (&RESTOCK, "ord_1/1"), (&REFUND, "ord_1"), (&CANCEL, "ord_1")]
        {
            let mut run = Run::new();
            run.session("cs_1");
            run.create_order("cs_1", "k1");
            run.reserve("ord_1");
            let asked = run.send(undo, Some(reference), Some("u"));
            run.ok(asked);
            let said = run.broken(&UNDO_ORDER);
            assert!(said.contains("was never asked for"), "{said}");
        }
    }

    #[test]
    fn after_a_crash_what_may_have_been_asked_for_is_undone() {
        let mut run = Run::new();
        run.session("cs_1");
        run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.push(EventKind::Crashed);
        run.push(EventKind::Restarted);
        let close = run.send(&CANCEL, Some("ord_1"), Some("u"));
        run.ok(close);
        run.kept(&UNDO_ORDER);
    }
}
