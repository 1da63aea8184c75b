//! `told-monotone`: answers about an order agree with the books and never go back.

use super::acts::{TakenBack, is_overtaken, money_noted_at};
use super::evidence::{CallView, Evidence, OrderView};
use super::told::{Told, ToldStatus};
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::ledger::EffectKind;

/// The rule.
pub static TOLD_MONOTONE: Oracle = Oracle {
    id: "told-monotone",
    rule: "What is told of an order agrees with the books at the time, and never goes back: from paid only to \
           cancelled, through a cancel_order that was accepted, or to a person, where the provider took the money back \
           on its own; from failed never to paid.",
    explanation: "`pending` sends the model to get_order, so get_order must be right, and two answers about one order \
                  must not contradict each other. Calls that overlap are not compared: either may have been decided \
                  first. A breach shows both answers. What the payment provider gives or takes back on its own, and the \
                  failure of a refund, count from when the system was shown them and could note it.",
    requirements: &["F5", "F7"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(TOLD_MONOTONE.id);
    // For each order the first answer to end that told it paid, and the first that told it dead.
    let mut firsts = vec![Firsts::default(); evidence.orders.len()];
    for call in &evidence.calls {
        let Some((told, order, end)) = statement(call) else {
            continue;
        };
        let first = match told.status {
            ToldStatus::Success => &mut firsts[order].paid,
            ToldStatus::Failed | ToldStatus::Cancelled => &mut firsts[order].dead,
            ToldStatus::Pending => continue,
        };
        if first.is_none_or(|known| end < known.0) {
            *first = Some((end, told.status));
        }
    }
    for call in &evidence.calls {
        let Some((told, order, end)) = statement(call) else {
            continue;
        };
        let first = firsts[order];
        let order = &evidence.orders[order];
        goes_back(evidence, call, told, order, first, end, &mut findings);
        if !call.is("create_order") {
            agrees(evidence, call, told, order, end, &mut findings);
        }
    }
    findings.verdict()
}

/// The event and status of the first answers that were final.
#[derive(Clone, Copy, Default)]
struct Firsts {
    paid: Option<(usize, ToldStatus)>,
    dead: Option<(usize, ToldStatus)>,
}

/// An answer that says how an order stands: any but an error, and of errors only a sale's failure.
fn statement<'e, 'a>(call: &'e CallView<'a>) -> Option<(&'e Told<'a>, usize, usize)> {
    let told = call.told.as_ref()?;
    let failed_sale = call.is("create_order")
        && told.effects == Some("none")
        && told.order_id.is_some()
        && told
            .code
            .and_then(codes::parse)
            .is_none_or(|code| !codes::leaves_the_sale_open(code) && !codes::before_the_claim(code));
    if told.is_error && !failed_sale {
        return None;
    }
    Some((told, call.order?, call.end?.0))
}

fn goes_back<'a>(
    evidence: &Evidence<'a>,
    call: &CallView<'a>,
    told: &Told<'a>,
    order: &OrderView<'a>,
    first: Firsts,
    end: usize,
    findings: &mut Findings,
) {
    let cancelled = order.cancelled_from.is_some_and(|from| from < end);
    let before = |first: Option<(usize, ToldStatus)>| first.filter(|(at, _)| *at < call.start_event);
    let earlier = match told.status {
        ToldStatus::Success => before(first.dead),
        // The provider took the money back on its own: a person has to look.
        ToldStatus::Pending if is_overtaken(evidence, order, end) => None,
        ToldStatus::Pending | ToldStatus::Failed | ToldStatus::Cancelled if !cancelled => before(first.paid),
        ToldStatus::Failed if !told.is_error => before(first.paid),
        ToldStatus::Pending | ToldStatus::Failed | ToldStatus::Cancelled => None,
    };
    if let Some((at, status)) = earlier {
        let without = if cancelled { "" } else { " although nobody cancelled it" };
        let message = format!(
            "order {} was told `{}`, and later {} told `{}`{without}",
            order.id,
            status.name(),
            call.started.tool,
            told.status.name()
        );
        findings.add(message, [at, end]);
    }
}

/// What `get_order` and `cancel_order` say was so at some moment of the call.
fn agrees<'a>(
    evidence: &Evidence<'a>,
    call: &CallView<'a>,
    told: &Told<'a>,
    order: &OrderView<'a>,
    end: usize,
    findings: &mut Findings,
) {
    if told.status == ToldStatus::Success {
        in_part(evidence, call, told, order, end, findings);
    }
    let paid = match told.status {
        ToldStatus::Success => true,
        ToldStatus::Failed | ToldStatus::Cancelled => false,
        ToldStatus::Pending => return,
    };
    let moments = || {
        evidence
            .effects_of(order)
            .map(|(index, _)| evidence.event_of(index))
            .chain(evidence.taken_back.iter().flat_map(|act| [act.shown_from, act.known_from]).flatten())
            .filter(|event| (call.start_event..end).contains(event))
            .chain([call.start_event])
    };
    let taken_at = |event| {
        if paid { evidence.money_at(order, event) } else { money_noted_at(evidence, order, event) }
    };
    if !moments().any(|event| (taken_at(event) > 0) == paid) {
        let taken = taken_at(end);
        let stands = if taken > 0 {
            format!("a charge of {} stands", evidence.money(order, taken))
        } else {
            String::from("no charge stands")
        };
        let message =
            format!("{} told `{}` for order {}, but {stands}", call.started.tool, told.status.name(), order.id);
        let charges = evidence
            .effects_of(order)
            .filter(|(_, effect)| {
                use EffectKind::{Charge, Dispute, Refund, RefundFailed};
                matches!(effect.kind, Charge | Refund | Dispute | RefundFailed)
            })
            .map(|(index, _)| evidence.event_of(index));
        findings.add(message, charges.chain([end]));
        return;
    }
    let at_rest = usize::MAX;
    let later = if paid { evidence.money_at(order, at_rest) } else { evidence.least_money_at(order, at_rest) };
    if order.parked.is_some() || (later > 0) == paid {
        return;
    }
    if !paid {
        let message = format!(
            "{} told `{}` for order {}, but at rest a charge of {} stands",
            call.started.tool,
            told.status.name(),
            order.id,
            evidence.money(order, later)
        );
        findings.add(message, [end]);
    } else if order.cancelled_from.is_none() {
        let message = format!(
            "{} told `success` for order {}, but at rest no charge stands although nobody cancelled it",
            call.started.tool, order.id
        );
        findings.add(message, [end]);
    }
}

/// What is told to have been given back of a paid order is what the provider gave back on its own, as far as it was shown.
fn in_part<'a>(
    evidence: &Evidence<'a>,
    call: &CallView<'a>,
    told: &Told<'a>,
    order: &OrderView<'a>,
    end: usize,
    findings: &mut Findings,
) {
    // Of several charges it cannot be told which the order's own is.
    if evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge).count() != 1 {
        return;
    }
    let told = told.structured.pointer("/refunded/minor_units").and_then(serde_json::Value::as_i64).unwrap_or_default();
    let known = given_back(evidence, order, |act| act.is_known_by(call.start_event));
    let shown = given_back(evidence, order, |act| act.is_shown_by(end));
    if (known..=shown).contains(&told) {
        return;
    }
    let message = format!(
        "{} told that {} of order {} were given back, but {} are known to be",
        call.started.tool,
        evidence.money(order, told),
        order.id,
        evidence.money(order, known)
    );
    let acts = evidence.taken_back.iter().filter(|act| order.effects.contains(&act.effect));
    findings.add(message, acts.map(|act| evidence.event_of(act.effect)).chain([end]));
}

/// What the provider gave back on its own of an order's charges that still stand, of the acts that count.
fn given_back(evidence: &Evidence<'_>, order: &OrderView<'_>, counts: impl Fn(&TakenBack) -> bool) -> i64 {
    let of_it = |act: &&TakenBack| order.effects.contains(&act.effect) && counts(act);
    let effects = evidence.taken_back.iter().filter(of_it).map(|act| &evidence.ledger.effects[act.effect]);
    let refunds = effects.filter(|effect| effect.kind == EffectKind::Refund);
    refunds.filter_map(|refund| refund.amount).map(|amount| amount.minor_units).sum()
}

#[cfg(test)]
mod tests {
    use giftgenius::error::Code;
    use serde_json::json;

    use super::*;
    use crate::fault::Fault;
    use crate::fault::site::Place;
    use crate::oracle::testing::{Run, order_answer};
    use crate::provider::ledger::EffectId;
    use crate::provider::operations::{LOOK_UP, REFUND, RESTOCK};
    use crate::scenario::model::WorldKind;

    #[test]
    fn pending_then_success_is_the_ordinary_way() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.tell_pending(call, "cs_1", "ord_1");
        run.get_order("ord_1", "pending");
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.get_order("ord_1", "success");
        run.kept(&TOLD_MONOTONE);
    }

    #[test]
    fn success_then_pending_or_failed_goes_back() {
        for status in ["pending", "failed", "cancelled"] {
            let mut run = Run::sale();
            run.get_order("ord_1", status);
            let said = run.broken(&TOLD_MONOTONE);
            assert!(said.contains("was told `success`"), "{said}");
        }
    }

    #[test]
    fn failed_then_success_goes_back() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
        run.charge("ord_1");
        run.get_order("ord_1", "success");
        assert!(run.broken(&TOLD_MONOTONE).contains("told `failed`, and later get_order"));
    }

    fn cancelled() -> Run {
        taken_back().0
    }

    /// A sale that was taken back, with its charge and its refund.
    fn taken_back() -> (Run, EffectId, EffectId) {
        let mut run = Run::new();
        let (charge, commit) = run.buy();
        let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "c1"}));
        run.done(&RESTOCK, EffectKind::Restock, "ord_1/1", Some(commit));
        let refund = run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.answer(call, order_answer("ord_1", "cancelled"));
        (run, charge, refund)
    }

    #[test]
    fn an_accepted_cancel_leads_from_paid_to_cancelled() {
        let mut run = cancelled();
        run.get_order("ord_1", "cancelled");
        run.kept(&TOLD_MONOTONE);
        run.get_order("ord_1", "success");
        run.broken(&TOLD_MONOTONE);
        let mut run = cancelled();
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        run.broken(&TOLD_MONOTONE);
    }

    #[test]
    fn a_refund_that_failed_counts_once_a_process_was_shown_it_and_could_note_it() {
        for (believed, looked, wrote, died, broken) in [
            (true, false, false, false, false),
            (true, true, false, false, true),
            (true, true, false, true, false),
            (true, true, true, true, true),
            // The refund's own reply was not noted either.
            (false, true, false, true, true),
        ] {
            let (mut run, charge, refund) = taken_back();
            if believed {
                run.write_of("ord_1");
            }
            run.effect(EffectKind::RefundFailed, "ord_1", None, Some(refund));
            if looked {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            if wrote {
                run.write_of("ord_1");
            }
            if died {
                run.die(2);
            }
            run.get_order("ord_1", "cancelled");
            run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
            run.kept_unless(&TOLD_MONOTONE, broken.then_some("told `cancelled` for order ord_1, but a charge of"));
        }
    }

    #[test]
    fn a_charge_that_is_given_back_in_part_is_believed_once_a_second_look_shows_it() {
        for (in_part, second, broken) in
            [(true, Some(500), false), (true, Some(200), true), (false, Some(500), true), (true, None, true)]
        {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "c1"}));
            if in_part {
                run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(2100));
                let shown = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(shown);
            }
            let own = run.send(&REFUND, Some("ord_1"), Some("r1"));
            let back = if in_part { 2100 } else { 4200 };
            let refund = run.effect_of(EffectKind::Refund, "ord_1", Some(own), Some(charge), Some(back));
            run.ok(own);
            run.write_of("ord_1");
            run.answer(call, order_answer("ord_1", "cancelled"));
            run.effect_of(EffectKind::RefundFailed, "ord_1", None, Some(refund), Some(back));
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.ok(look_up);
            if let Some(status) = second {
                let second = run.send(&LOOK_UP, Some("ord_1"), None);
                if status == 200 {
                    run.ok(second);
                } else {
                    run.status(second, status);
                }
            }
            run.write_of("ord_1");
            run.get_order("ord_1", "cancelled");
            run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
            run.kept_unless(&TOLD_MONOTONE, broken.then_some("told `cancelled` for order ord_1, but a charge of"));
        }
    }

    #[test]
    fn what_was_given_back_in_part_while_it_was_looked_up_waits_for_a_second_look_too() {
        for (second, is_kept) in [(500, true), (200, false)] {
            let (mut run, charge, refund) = taken_back();
            run.write_of("ord_1");
            run.effect(EffectKind::RefundFailed, "ord_1", None, Some(refund));
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(2100));
            run.ok(look_up);
            let again = run.send(&LOOK_UP, Some("ord_1"), None);
            if second == 200 {
                run.ok(again);
            } else {
                run.status(again, second);
            }
            run.get_order("ord_1", "cancelled");
            let own = run.send(&REFUND, Some("ord_1"), Some("r2"));
            run.effect_of(EffectKind::Refund, "ord_1", Some(own), Some(charge), Some(2100));
            run.ok(own);
            run.kept_if(&TOLD_MONOTONE, is_kept);
        }
    }

    #[test]
    fn a_refused_cancel_does_not() {
        let mut run = Run::new();
        let (charge, _) = run.buy();
        let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "c1"}));
        run.fail_with(call, Code::OrderInProgress, None);
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.get_order("ord_1", "cancelled");
        assert!(run.broken(&TOLD_MONOTONE).contains("nobody cancelled"));
    }

    #[test]
    fn answers_that_overlap_are_not_compared() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        let asked = run.call("get_order", json!({"order_id": "ord_1"}));
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        run.answer(asked, order_answer("ord_1", "pending"));
        run.kept(&TOLD_MONOTONE);
    }

    #[test]
    fn what_a_process_saw_and_could_not_write_down_is_lost_with_it() {
        let seen = |write: &dyn Fn(&mut Run)| {
            let mut run = Run::new();
            let (charge, _) = run.buy();
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(2100));
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.ok(look_up);
            write(&mut run);
            run.die(2);
            run.get_order("ord_1", "success");
            run
        };
        let said = seen(&|run| run.write_of("ord_1")).broken(&TOLD_MONOTONE);
        assert!(said.contains("told that 0.00 EUR of order ord_1 were given back, but 21.00 EUR"), "{said}");
        seen(&|_| {}).kept(&TOLD_MONOTONE);
        // That of an event, of a call, or of another order's driver.
        seen(&Run::write).kept(&TOLD_MONOTONE);
        seen(&|run| run.write_of("ord_2")).kept(&TOLD_MONOTONE);
        // The driver's was refused, or it could not read what it needed to write.
        for place in [Place::JournalWrite, Place::JournalRead] {
            seen(&|run| {
                run.strike(place, Fault::Busy);
                run.write();
            })
            .kept(&TOLD_MONOTONE);
            seen(&|run| {
                run.strike(place, Fault::Busy);
                run.write();
                run.write_of("ord_1");
            })
            .broken(&TOLD_MONOTONE);
        }
    }

    #[test]
    fn on_the_wire_the_first_write_counts_where_the_store_refused_nothing_before() {
        for (refused, is_kept) in [(None, false), (Some(Place::JournalWrite), true), (Some(Place::JournalRead), true)] {
            let mut run = Run::new();
            run.world = WorldKind::Wire;
            let (charge, _) = run.buy();
            run.effect_of(EffectKind::Refund, "ord_1", None, Some(charge), Some(2100));
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.ok(look_up);
            if let Some(place) = refused {
                run.strike(place, Fault::Busy);
            }
            run.write();
            run.die(2);
            run.get_order("ord_1", "success");
            if is_kept {
                run.kept(&TOLD_MONOTONE);
            } else {
                run.broken(&TOLD_MONOTONE);
            }
        }
    }

    #[test]
    fn get_order_agrees_with_the_books() {
        let mut run = Run::new();
        run.session("cs_1");
        run.create_order("cs_1", "k1");
        run.get_order("ord_1", "success");
        assert!(run.broken(&TOLD_MONOTONE).contains("but no charge stands"));

        let mut run = Run::new();
        run.session("cs_1");
        run.create_order("cs_1", "k1");
        run.charge("ord_1");
        run.get_order("ord_1", "failed");
        assert!(run.broken(&TOLD_MONOTONE).contains("a charge of 42.00 EUR stands"));
    }
}
