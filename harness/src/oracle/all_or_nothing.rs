//! `all-or-nothing`: what a sale is told to be is what stands, at the answer and at rest.

use super::acts::money_noted_at;
use super::evidence::{CallView, Evidence, OrderView};
use super::told::{Told, ToldStatus};
use super::{Findings, Oracle, Verdict, codes};
use crate::provider::ledger::EffectKind;

/// The rule.
pub static ALL_OR_NOTHING: Oracle = Oracle {
    id: "all-or-nothing",
    rule: "A sale told `success` has its charge and its booked sale, one told `failed, effects: none` has neither, at \
           the answer and at rest; at rest every order has all of its effects or none, or is parked as it stands.",
    explanation: "A model acts on what it is told: told `failed` it buys again, told `success` it congratulates. A \
                  breach is the worst thing a checkout can do: money taken for nothing, or a promise without a gift. \
                  Stock may still be on its way back when a failure is told; money may not. A sale that was told \
                  `success` may be undone only through a later cancel_order that was accepted.",
    requirements: &["F5", "F6", "F8"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ALL_OR_NOTHING.id);
    for call in &evidence.calls {
        if let (Some(told), Some(order), Some((end, _))) = (&call.told, call.order, call.end)
            && call.is("create_order")
        {
            at_the_answer(evidence, call, told, &evidence.orders[order], end, &mut findings);
        }
    }
    let unread = evidence.rest.open > 0 && evidence.rest.orders.is_empty();
    for order in &evidence.orders {
        let open = order.at_rest.is_some_and(|rest| rest.status == "open");
        if order.parked.is_some() {
            as_parked(evidence, order, &mut findings);
        } else if !open && !unread {
            at_rest(evidence, order, &mut findings);
        }
    }
    findings.verdict()
}

fn at_the_answer<'a>(
    evidence: &Evidence<'a>,
    call: &CallView<'a>,
    told: &Told<'a>,
    order: &OrderView<'a>,
    end: usize,
    findings: &mut Findings,
) {
    let taken = evidence.money_at(order, end);
    let cancelled = order.cancelled_from.is_some_and(|from| from < end);
    match told.status {
        // A saved answer is replayed as it was, also after the order was cancelled.
        ToldStatus::Success if cancelled => {}
        ToldStatus::Success => {
            if taken <= 0 {
                findings
                    .add(format!("the model was told `success` for order {}, but no charge stands", order.id), [end]);
            }
            if !evidence.committed_at(order, end) {
                findings.add(
                    format!(
                        "the model was told `success` for order {}, but the sale is not booked in the inventory",
                        order.id
                    ),
                    [end],
                );
            }
        }
        ToldStatus::Pending => {
            if told.effects == Some("charged") && taken <= 0 && !cancelled {
                findings.add(
                    format!(
                        "the model was told `pending, effects: charged` for order {}, but no charge stands",
                        order.id
                    ),
                    [end],
                );
            }
        }
        ToldStatus::Failed | ToldStatus::Cancelled => {
            if told.effects == Some("none") {
                failed(evidence, call, told, order, end, findings);
            }
        }
    }
}

/// Told `failed, effects: none`.
fn failed<'a>(
    evidence: &Evidence<'a>,
    call: &CallView<'a>,
    told: &Told<'a>,
    order: &OrderView<'a>,
    end: usize,
    findings: &mut Findings,
) {
    let code = told.code.and_then(codes::parse);
    let taken = money_noted_at(evidence, order, end);
    let mut events = vec![end];
    if taken > 0 {
        events.extend(charges(evidence, order));
        findings.add(
            format!(
                "the model was told `failed, effects: none`{}, but a charge of {} stands for order {}",
                code_of(told),
                evidence.money(order, taken),
                order.id
            ),
            events,
        );
        return;
    }
    // An answer that leaves the sale open promises nothing about later; an error about somebody else's claim on the
    // key neither.
    if code.is_some_and(codes::leaves_the_sale_open)
        || (order.begun_by != Some(call_number(evidence, call)) && code.is_some_and(codes::before_the_claim))
        || order.parked.is_some()
    {
        return;
    }
    if evidence.committed_at(order, end) {
        findings.add(
            format!(
                "the model was told `failed, effects: none`{}, but the sale is booked in the inventory for order {}",
                code_of(told),
                order.id
            ),
            [end],
        );
        return;
    }
    let later = evidence.least_money_at(order, usize::MAX);
    if later > 0 {
        events.extend(charges(evidence, order));
        findings.add(
            format!(
                "the model was told `failed, effects: none`{}, and later a charge of {} stood for order {} after all",
                code_of(told),
                evidence.money(order, later),
                order.id
            ),
            events,
        );
    }
}

fn code_of(told: &Told<'_>) -> String {
    told.code.map_or_else(String::new, |code| format!(" ({code})"))
}

fn call_number(evidence: &Evidence<'_>, call: &CallView<'_>) -> usize {
    evidence.call_of(&call.started.correlation).unwrap_or(usize::MAX)
}

fn charges<'e>(evidence: &'e Evidence<'_>, order: &'e OrderView<'_>) -> impl Iterator<Item = usize> + use<'e> {
    evidence
        .effects_of(order)
        .filter(|(_, effect)| effect.kind == EffectKind::Charge)
        .map(|(index, _)| evidence.event_of(index))
}

/// All or nothing, for an order that nobody has to look at.
fn at_rest(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    if order.effects.is_empty() {
        return;
    }
    let sold = evidence.standing(order, EffectKind::Commit) > 0;
    // What a process saw that died over it is nothing that the others must know, and nothing that they must not.
    let charged = if sold { evidence.money_at(order, usize::MAX) } else { evidence.least_money_at(order, usize::MAX) };
    let held = evidence.standing(order, EffectKind::Reserve) > 0;
    let what = match (charged > 0, sold, held) {
        (true, true, _) | (false, false, false) => return,
        (true, false, _) => format!(
            "a charge of {} stands at rest for order {}, but the sale is not booked in the inventory",
            evidence.money(order, charged),
            order.id
        ),
        (false, true, _) => {
            format!("the sale of order {} is booked in the inventory at rest, but no charge stands", order.id)
        }
        (false, false, true) => {
            format!("stock is still reserved at rest for order {}, although nothing was bought", order.id)
        }
    };
    let standing = evidence
        .effects_of(order)
        .filter(|(index, effect)| {
            matches!(effect.kind, EffectKind::Charge | EffectKind::Reserve | EffectKind::Commit)
                && evidence.stands(*index)
        })
        .map(|(index, _)| evidence.event_of(index));
    let told = evidence
        .calls
        .iter()
        .filter(|call| call.order.is_some_and(|about| evidence.orders[about].id == order.id))
        .filter_map(|call| call.end)
        .map(|(event, _)| event);
    findings.add(what, standing.chain(told));
}

/// A parked order says of its money what the books say.
fn as_parked(evidence: &Evidence<'_>, order: &OrderView<'_>, findings: &mut Findings) {
    let Some(record) = order.at_rest else {
        return;
    };
    let charged = evidence.money_at(order, usize::MAX);
    let wrong = match record.money {
        "charged" => charged <= 0,
        "none" => evidence.least_money_at(order, usize::MAX) > 0,
        _ => false,
    };
    if wrong {
        let message = format!(
            "order {} is parked with its money recorded as `{}`, but {} stands at the payment provider",
            order.id,
            record.money,
            evidence.money(order, charged)
        );
        findings.add(message, charges(evidence, order));
    }
}

#[cfg(test)]
mod tests {
    use giftgenius::error::{Code, Effects};

    use super::*;
    use crate::oracle::testing::{PRICE, Run, pending};
    use crate::provider::operations::{CHARGE, LOOK_UP, REFUND, RELEASE, RESTOCK};

    #[test]
    fn a_sale_has_all_of_it() {
        Run::sale().kept(&ALL_OR_NOTHING);
    }

    #[test]
    fn success_without_a_charge_or_without_a_booked_sale_is_a_lie() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.tell_success(call, "cs_1", "ord_1");
        let said = run.broken(&ALL_OR_NOTHING);
        assert!(said.contains("no charge stands"), "{said}");
        assert!(said.contains("not booked"), "{said}");
        assert!(said.contains("stock is still reserved"), "{said}");
    }

    #[test]
    fn what_a_process_sees_that_has_lost_its_order_is_not_known_to_the_others() {
        for (owner, is_kept) in [(1, false), (2, true)] {
            let mut run = Run::new();
            run.session("cs_1");
            let call = run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            run.write_of("ord_1");
            let charge = run.charge("ord_1");
            run.process = owner;
            run.commit("ord_1", reserve);
            run.write_of("ord_1");
            run.process = 1;
            let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
            run.effect(EffectKind::Dispute, "ord_1", None, Some(charge));
            run.ok(look_up);
            run.tell_success(call, "cs_1", "ord_1");
            run.kept_if(&ALL_OR_NOTHING, is_kept);
        }
    }

    #[test]
    fn success_told_before_the_sale_is_booked_is_a_lie_even_if_it_is_booked_later() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        run.tell_success(call, "cs_1", "ord_1");
        run.commit("ord_1", reserve);
        assert!(run.broken(&ALL_OR_NOTHING).contains("not booked"));
    }

    fn charged_but_told_failed() -> Run {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.deliver(charge);
        run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
        run.silence(charge);
        run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
        run
    }

    #[test]
    fn failed_with_a_charge_standing_is_a_lie() {
        let said = charged_but_told_failed().broken(&ALL_OR_NOTHING);
        let expected = "the model was told `failed, effects: none` (PAYMENT_UNAVAILABLE), but a charge of 42.00 EUR stands for order ord_1";
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn a_failure_that_names_no_order_speaks_of_the_one_it_began() {
        let mut run = charged_but_told_failed();
        let error = run.error(Code::PaymentUnavailable, None);
        let last = run.record.trace.events.last_mut().expect("events");
        let crate::trace::EventKind::CallEnded { reply, .. } = &mut last.kind else {
            panic!("the last event is the answer");
        };
        *reply = crate::trace::HostReply::Tool { structured: error.into(), is_error: true };
        run.broken(&ALL_OR_NOTHING);
    }

    #[test]
    fn failed_with_everything_given_back_is_true_and_stock_may_still_be_on_its_way() {
        for release_first in [true, false] {
            let mut run = Run::new();
            run.session("cs_1");
            let call = run.create_order("cs_1", "k1");
            let reserve = run.reserve("ord_1");
            let charge = run.charge("ord_1");
            run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
            if release_first {
                run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            }
            run.tell_failure(call, "cs_1", "ord_1", Code::ReservationLost);
            if !release_first {
                run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
            }
            run.kept(&ALL_OR_NOTHING);
        }
    }

    #[test]
    fn what_the_provider_gave_back_on_its_own_counts_once_a_listing_has_shown_it() {
        let mut run = Run::new();
        let (charge, _) = run.buy();
        run.effect(EffectKind::Refund, "ord_1", None, Some(charge));
        let replayed = run.create_order("cs_1", "k1");
        run.tell_success(replayed, "cs_1", "ord_1");
        run.kept(&ALL_OR_NOTHING);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        assert!(run.broken(&ALL_OR_NOTHING).contains("no charge stands"));
        run.rest.orders.clear();
        run.park("ord_1", "unknown");
        run.kept(&ALL_OR_NOTHING);
        let replayed = run.create_order("cs_1", "k1");
        run.tell_success(replayed, "cs_1", "ord_1");
        assert!(run.broken(&ALL_OR_NOTHING).contains("told `success` for order ord_1, but no charge stands"));
    }

    #[test]
    fn a_refund_that_stands_half_leaves_money() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let charge = run.charge("ord_1");
        let refund = run.send(&REFUND, Some("ord_1"), Some("r"));
        run.effect_of(EffectKind::Refund, "ord_1", Some(refund), Some(charge), Some(PRICE - 100));
        run.tell_failure(call, "cs_1", "ord_1", Code::ReservationLost);
        assert!(run.broken(&ALL_OR_NOTHING).contains("1.00 EUR"));
    }

    #[test]
    fn failed_and_charged_later_is_a_lie_at_rest() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
        run.silence(charge);
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
        run.kept(&ALL_OR_NOTHING);
        run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
        assert!(run.broken(&ALL_OR_NOTHING).contains("after all"));
    }

    #[test]
    fn pending_may_become_either_and_must_become_one() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.tell_pending(call, "cs_1", "ord_1");
        run.charge("ord_1");
        assert!(run.broken(&ALL_OR_NOTHING).contains("not booked"));
        run.commit("ord_1", reserve);
        run.kept(&ALL_OR_NOTHING);
    }

    #[test]
    fn pending_that_claims_a_charge_has_one() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.answer(call, pending("cs_1", "ord_1", "charged"));
        run.broken(&ALL_OR_NOTHING);
    }

    #[test]
    fn an_accepted_cancel_undoes_a_success_and_a_replay_of_it_is_no_lie() {
        let mut run = Run::new();
        let (charge, commit) = run.buy();
        let call = run.call("cancel_order", serde_json::json!({"order_id": "ord_1"}));
        run.done(&RESTOCK, EffectKind::Restock, "ord_1/1", Some(commit));
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        run.answer(call, crate::oracle::testing::order_answer("ord_1", "cancelled"));
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        run.kept(&ALL_OR_NOTHING);
    }

    #[test]
    fn a_conflict_about_a_paid_order_says_nothing_of_it() {
        let mut run = Run::sale();
        let call = run.create_order("cs_2", "k1");
        run.fail_with(call, Code::KeyConflict, None);
        let call = run.create_order("cs_1", "k3");
        run.fail_with(call, Code::OrderInProgress, Some(("ord_1", Effects::Unknown)));
        run.kept(&ALL_OR_NOTHING);
    }

    #[test]
    fn an_order_parked_as_it_stands_is_neither() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.tell_pending(call, "cs_1", "ord_1");
        run.park("ord_1", "charged");
        assert!(run.broken(&ALL_OR_NOTHING).contains("recorded as `charged`, but 0.00"));
        run.charge("ord_1");
        run.kept(&ALL_OR_NOTHING);
        run.rest.orders[0].money = "none";
        run.broken(&ALL_OR_NOTHING);
        run.rest.orders[0].money = "unknown";
        run.kept(&ALL_OR_NOTHING);
    }
}
