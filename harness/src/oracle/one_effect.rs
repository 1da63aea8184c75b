//! `one-effect`: a purchase is charged, reserved and sold at most once.

use super::evidence::{Evidence, OrderView};
use super::{Findings, Oracle, Verdict};
use crate::fault::{Circumstance, Fault};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::COMMIT;
use crate::trace::Seen;

/// The rule.
pub static ONE_EFFECT: Oracle = Oracle {
    id: "one-effect",
    rule: "At rest at most one charge, one reservation and one booked sale stand per purchase, which is a workflow, or a \
           checkout session without one; with a payment provider that deduplicates, at most one charge and one booked \
           sale at every instant.",
    explanation: "Whoever asks twice must not pay twice: a model that repeats a call, a platform that repeats after a \
                  time-out, a double click, a request that the network delivers again. A breach names the effects \
                  that stand side by side; look for the request that brought the second one, and for the key it \
                  carried. Two sessions without a common workflow are two purchases, and so is a price that \
                  is paid after the person has moved away from a paid gift. What was refunded or released does not stand. An order that waits for a person counts \
                  once: whether it may wait is the matter of parked-minimal.",
    requirements: &["F4", "F5", "F7"],
    check,
};

fn check(evidence: &Evidence<'_>) -> Verdict {
    let mut findings = Findings::of(ONE_EFFECT.id);
    // One effect of a kind cannot stand twice: nothing to look at in most runs.
    if evidence.ledger.effects.len() < 2 {
        return Verdict::Kept;
    }
    for kind in [EffectKind::Charge, EffectKind::Reserve, EffectKind::Commit] {
        if evidence.ledger.of_kind(kind).nth(1).is_none() {
            continue;
        }
        for purchase in 0..evidence.purchases {
            at_rest(evidence, purchase, kind, &mut findings);
            if kind != EffectKind::Reserve && evidence.policy.payment_profile.deduplicates() {
                at_every_instant(evidence, purchase, kind, &mut findings);
            }
        }
    }
    findings.verdict()
}

/// The effects of a kind of a purchase, order by order.
fn of_purchase<'e, 'a>(
    evidence: &'e Evidence<'a>,
    purchase: usize,
    kind: EffectKind,
) -> impl Iterator<Item = (&'e OrderView<'a>, usize)> {
    evidence
        .orders
        .iter()
        .filter(move |order| order.purchase == purchase)
        .flat_map(move |order| {
            evidence
                .effects_of(order)
                .filter(move |(_, effect)| effect.kind == kind)
                .map(move |(index, _)| (order, index))
        })
        .filter(move |(_, index)| !was_called_gone(evidence, *index))
}

/// Whether the inventory itself said of a reservation, when it was to be sold, that it is gone: another one may then be
/// asked for, whatever its books say.
fn was_called_gone(evidence: &Evidence<'_>, effect: usize) -> bool {
    let effect = &evidence.ledger.effects[effect];
    let gone = |seen: &Seen| matches!(seen, Seen::Reply { status: 410, .. });
    matches!(effect.kind, EffectKind::Reserve | EffectKind::Commit)
        && evidence.exchanges.iter().any(|exchange| {
            exchange.is(&COMMIT)
                && exchange.sent.reference.as_deref() == Some(&effect.reference)
                && exchange.answer.is_some_and(|(_, _, seen)| gone(seen))
        })
}

/// Whether the provider had forgotten the key of the request that brought an effect: it did not deduplicate then, and
/// what it did twice can only be undone.
fn was_forgotten(evidence: &Evidence<'_>, effect: usize) -> bool {
    let exchange = evidence.ledger.effects[effect].exchange;
    let forgotten = Fault::Circumstance(Circumstance::KeyExpired);
    evidence.exchanges.iter().any(|view| Some(view.sent.exchange) == exchange && view.sent.faults.has(&forgotten))
}

fn at_rest(evidence: &Evidence<'_>, purchase: usize, kind: EffectKind, findings: &mut Findings) {
    let mut standing: Vec<usize> = Vec::new();
    let mut parked_counted = None;
    for (order, effect) in of_purchase(evidence, purchase, kind) {
        if !evidence.stands(effect) {
            continue;
        }
        if order.parked.is_some() && parked_counted.replace(order.id) == Some(order.id) {
            continue;
        }
        standing.push(effect);
    }
    if standing.len() > 1 {
        let message = format!(
            "{} {}s stand at rest for one purchase: {}",
            standing.len(),
            kind.name(),
            list(evidence, &standing)
        );
        findings.add(message, standing.iter().map(|effect| evidence.event_of(*effect)));
    }
}

fn at_every_instant(evidence: &Evidence<'_>, purchase: usize, kind: EffectKind, findings: &mut Findings) {
    let mut standing: Vec<usize> = Vec::new();
    let mut all: Vec<usize> = of_purchase(evidence, purchase, kind)
        .map(|(_, effect)| effect)
        .filter(|effect| !was_forgotten(evidence, *effect))
        .collect();
    all.sort_unstable();
    for effect in all {
        let now = evidence.event_of(effect);
        standing.retain(|earlier| evidence.stands_at(*earlier, now));
        // What still stands together at rest has been said already.
        let said = standing.iter().all(|earlier| evidence.stands(*earlier)) && evidence.stands(effect);
        standing.push(effect);
        if standing.len() > 1 && !said {
            let message = format!(
                "for a time {} {}s stood for one purchase: {}",
                standing.len(),
                kind.name(),
                list(evidence, &standing)
            );
            findings.add(message, standing.iter().map(|effect| evidence.event_of(*effect)));
        }
    }
}

/// `ch_1 of 42.00 EUR for ord_1 (key k1)`, each.
fn list(evidence: &Evidence<'_>, effects: &[usize]) -> String {
    let mut text = String::new();
    for index in effects {
        let effect = &evidence.ledger.effects[*index];
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&effect.subject);
        if let Some(amount) = effect.amount {
            text.push_str(" of ");
            text.push_str(&amount.to_string());
        }
        text.push_str(" for ");
        text.push_str(&effect.reference);
    }
    text
}

#[cfg(test)]
mod tests {
    use giftgenius::error::{Code, Effects};
    use giftgenius::policy::PaymentProfile;

    use super::*;
    use crate::oracle::testing::{PRICE, Run};
    use crate::provider::operations::{CHARGE, LOOK_UP, REFUND, RESERVE};
    use crate::trace::CallId;

    #[test]
    fn a_sale_has_one_effect_of_a_kind() {
        Run::sale().kept(&ONE_EFFECT);
    }

    #[test]
    fn a_declined_sale_then_another_card_on_the_same_session_is_one_purchase() {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        let charge = run.send(&CHARGE, Some("ord_1"), Some("charge ord_1"));
        run.status(charge, 402);
        run.effect(EffectKind::Release, "ord_1/1", None, Some(reserve));
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentDeclined);
        let call = run.create_order("cs_1", "k2");
        let reserve = run.reserve("ord_2");
        run.charge("ord_2");
        run.commit("ord_2", reserve);
        run.tell_success(call, "cs_1", "ord_2");
        run.kept(&ONE_EFFECT);
    }

    #[test]
    fn two_orders_of_one_session_that_both_stand_are_one_too_many() {
        let mut run = Run::sale();
        run.create_order("cs_1", "k2");
        let reserve = run.reserve("ord_2");
        run.charge("ord_2");
        run.commit("ord_2", reserve);
        let said = run.broken(&ONE_EFFECT);
        assert!(said.contains("2 charges stand at rest"), "{said}");
        assert!(said.contains("charge_1 of 42.00 EUR for ord_1"), "{said}");
        assert!(said.contains("2 commits stand at rest"), "{said}");
    }

    /// A session that is paid, in a workflow or without one.
    fn paid(run: &mut Run, session: &str, order: &str, workflow: Option<&str>) {
        run.session_in(session, workflow);
        let call = run.create_order(session, order);
        let reserve = run.reserve(order);
        run.charge(order);
        run.commit(order, reserve);
        run.tell_success(call, session, order);
    }

    #[test]
    fn an_intent_is_a_workflow_and_without_one_a_session() {
        for (first, second, broken) in [
            (None, None, false),
            (Some("wf_1"), Some("wf_2"), false),
            (Some("wf_1"), None, false),
            (Some("wf_1"), Some("wf_1"), true),
        ] {
            let mut run = Run::new();
            paid(&mut run, "cs_1", "ord_1", first);
            paid(&mut run, "cs_2", "ord_2", second);
            if broken {
                assert!(run.broken(&ONE_EFFECT).contains("2 charges stand at rest for one purchase"));
            } else {
                run.kept(&ONE_EFFECT);
            }
        }
    }

    #[test]
    fn another_gift_may_be_paid_in_a_workflow_once_the_person_has_moved_away_from_the_paid_one() {
        for (moved, broken) in [(Some("wf_1"), false), (Some("wf_2"), true), (None, true)] {
            let mut run = Run::new();
            paid(&mut run, "cs_1", "ord_1", Some("wf_1"));
            if let Some(workflow) = moved {
                let to = serde_json::json!({"workflow_id": workflow, "step": "choose_gift"});
                let call = run.call("user_navigated_to_step", to.clone());
                run.answer(call, to);
            }
            paid(&mut run, "cs_2", "ord_2", Some("wf_1"));
            if broken {
                run.broken(&ONE_EFFECT);
            } else {
                run.kept(&ONE_EFFECT);
            }
        }
    }

    /// A sale in a workflow that is paid although its own call fails at the store.
    fn paid_unheard(run: &mut Run, session: &str, order: &str) {
        run.session_in(session, Some("wf_1"));
        let call = run.create_order(session, order);
        let reserve = run.reserve(order);
        run.fail_with(call, Code::StoreUnavailable, None);
        run.charge(order);
        run.commit(order, reserve);
    }

    /// Such a sale, what happens then, and another one in the same workflow.
    fn paid_unheard_and_again(between: &[&dyn Fn(&mut Run)]) -> Run {
        let mut run = Run::new();
        paid_unheard(&mut run, "cs_1", "ord_1");
        for it in between {
            it(&mut run);
        }
        paid(&mut run, "cs_2", "ord_2", Some("wf_1"));
        run
    }

    fn moving(run: &mut Run, step: &str) -> CallId {
        run.call("user_navigated_to_step", serde_json::json!({"workflow_id": "wf_1", "step": step}))
    }

    fn moved(run: &mut Run, step: &str) {
        let call = moving(run, step);
        run.answer(call, serde_json::json!({"workflow_id": "wf_1", "step": step}));
    }

    fn asked(run: &mut Run) {
        run.get_order("ord_1", "success");
    }

    #[test]
    fn a_gift_is_known_to_be_paid_from_whichever_answer_told_it() {
        let refused = |run: &mut Run| {
            let call = moving(run, "choose_gift");
            run.fail_with(call, Code::OrderPaid, Some(("ord_1", Effects::Charged)));
        };
        let asked_too_early = |run: &mut Run| {
            let _ = run.get_order("ord_1", "pending");
        };
        let left = |run: &mut Run| moved(run, "choose_gift");
        for tell in [&refused as &dyn Fn(&mut Run), &asked] {
            paid_unheard_and_again(&[tell, &left]).kept(&ONE_EFFECT);
            paid_unheard_and_again(&[&left, tell]).broken(&ONE_EFFECT);
            paid_unheard_and_again(&[tell]).broken(&ONE_EFFECT);
        }
        paid_unheard_and_again(&[&asked_too_early, &left]).broken(&ONE_EFFECT);
        paid_unheard_and_again(&[&left]).broken(&ONE_EFFECT);
    }

    #[test]
    fn a_paid_gift_is_left_by_a_move_that_may_have_been_made_and_by_no_move_to_the_checkout() {
        let fails = |code: Code| {
            move |run: &mut Run| {
                let call = moving(run, "choose_gift");
                run.fail_with(call, code, None);
            }
        };
        let unheard = |run: &mut Run| {
            let _ = moving(run, "choose_gift");
        };
        for may_have_left in [&unheard as &dyn Fn(&mut Run), &fails(Code::StoreUnavailable)] {
            paid_unheard_and_again(&[&asked, may_have_left]).kept(&ONE_EFFECT);
        }
        let stayed = |run: &mut Run| moved(run, "checkout");
        for did_not in [&fails(Code::OrderInProgress) as &dyn Fn(&mut Run), &stayed] {
            paid_unheard_and_again(&[&asked, did_not]).broken(&ONE_EFFECT);
        }
    }

    #[test]
    fn of_two_moves_at_once_one_may_be_made_after_the_other_was_refused() {
        for refused in [true, false] {
            let at_once = move |run: &mut Run| {
                let (first, second) = (moving(run, "choose_gift"), moving(run, "choose_gift"));
                if refused {
                    run.fail_with(first, Code::OrderPaid, Some(("ord_1", Effects::Charged)));
                }
                run.answer(second, serde_json::json!({"workflow_id": "wf_1", "step": "choose_gift"}));
            };
            let mut run = paid_unheard_and_again(&[&at_once]);
            run.kept_unless(&ONE_EFFECT, (!refused).then_some("2 charges stand at rest"));
        }
    }

    #[test]
    fn a_second_move_from_one_paid_gift_is_no_leave_to_pay_the_next_one_twice() {
        for knew in [false, true] {
            let mut run = Run::new();
            paid(&mut run, "cs_1", "ord_1", Some("wf_1"));
            moved(&mut run, "choose_gift");
            paid_unheard(&mut run, "cs_2", "ord_2");
            if knew {
                run.get_order("ord_2", "success");
            }
            moved(&mut run, "choose_gift");
            paid(&mut run, "cs_3", "ord_3", Some("wf_1"));
            if knew {
                run.kept(&ONE_EFFECT);
            } else {
                let said = run.broken(&ONE_EFFECT);
                assert!(
                    said.contains("for ord_2") && said.contains("for ord_3") && !said.contains("for ord_1"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn a_second_charge_that_was_refunded_still_stood_for_a_time() {
        let mut run = Run::sale();
        let second = run.charge("ord_1");
        run.done(&REFUND, EffectKind::Refund, "ord_1", Some(second));
        assert!(run.broken(&ONE_EFFECT).contains("for a time 2 charges"));
        run.policy.payment_profile = PaymentProfile::Keyless;
        run.kept(&ONE_EFFECT);
    }

    #[test]
    fn a_charge_beside_one_whose_refund_failed_is_a_breach_once_the_failure_was_shown() {
        for shown in [false, true] {
            let mut run = Run::new();
            run.create_order("cs_1", "k1");
            run.reserve("ord_1");
            let first = run.charge("ord_1");
            let refund = run.done(&REFUND, EffectKind::Refund, "ord_1", Some(first));
            run.effect(EffectKind::RefundFailed, "ord_1", None, Some(refund));
            if shown {
                let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
                run.ok(look_up);
            }
            run.charge("ord_1");
            run.done(&REFUND, EffectKind::Refund, "ord_1", Some(first));
            if shown {
                assert!(run.broken(&ONE_EFFECT).contains("for a time 2 charges"));
            } else {
                run.kept(&ONE_EFFECT);
            }
        }
    }

    #[test]
    fn a_refund_that_stands_half_leaves_two_charges() {
        let mut run = Run::with_profile(PaymentProfile::Keyless);
        run.buy();
        let second = run.charge("ord_1");
        run.effect_of(EffectKind::Refund, "ord_1", None, Some(second), Some(PRICE / 2));
        run.broken(&ONE_EFFECT);
    }

    #[test]
    fn two_reservations_stand_unless_the_first_ran_out_or_was_called_gone() {
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let first = run.reserve("ord_1");
        run.done(&RESERVE, EffectKind::Reserve, "ord_1/2", None);
        run.broken(&ONE_EFFECT);
        let commit = run.send(&COMMIT, Some("ord_1/1"), Some("c"));
        run.status(commit, 410);
        run.kept(&ONE_EFFECT);
        let mut run = Run::new();
        run.create_order("cs_1", "k1");
        let again = run.reserve("ord_1");
        assert_eq!(again, first);
        run.effect(EffectKind::Expire, "ord_1/1", None, Some(again));
        run.done(&RESERVE, EffectKind::Reserve, "ord_1/2", None);
        run.kept(&ONE_EFFECT);
    }

    #[test]
    fn a_parked_order_counts_once() {
        let mut run = Run::with_profile(PaymentProfile::KeylessNoCancel);
        run.buy();
        run.charge("ord_1");
        run.broken(&ONE_EFFECT);
        run.rest.orders.clear();
        run.park("ord_1", "charged");
        run.kept(&ONE_EFFECT);
    }
}
