use giftgenius::error::Effects;
use giftgenius::step_log::StepStatus;
use serde_json::json;

use super::*;
use crate::fault::site::{Place, Site};
use crate::fault::{Expiry, Fault, HostFault};
use crate::oracle::testing::{Run, session_answer};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{LOOK_UP, QUOTE, RELEASE};
use crate::scenario::model::Replicas;
use crate::trace::{EventKind, HostReply};

fn quoted(run: &mut Run, session: &str, workflow: Option<&str>) {
    let arguments = workflow.map_or_else(|| json!({}), |workflow| json!({ "workflow_id": workflow }));
    let call = run.call("create_checkout_session", arguments);
    let mut answer = session_answer(session, crate::oracle::testing::PRICE);
    answer["workflow_id"] = json!("wf_1");
    run.answer(call, answer);
}

fn moved(run: &mut Run, step: &str) {
    let call = run.call("user_navigated_to_step", json!({"workflow_id": "wf_1", "step": step}));
    run.answer(call, json!({"workflow_id": "wf_1", "step": step}));
}

fn told(run: &mut Run, step: &str) {
    let call = run.call("get_workflow", json!({"workflow_id": "wf_1"}));
    run.answer(call, json!({"workflow_id": "wf_1", "step": step}));
}

fn out_of_step(run: &mut Run, tool: &str, step: &str) {
    let call = run.call(tool, json!({"workflow_id": "wf_1"}));
    let mut error = run.error(Code::OutOfStep, None);
    error["error"]["step"] = json!(step);
    run.fail(call, error);
}

fn at_checkout() -> Run {
    let mut run = Run::new();
    quoted(&mut run, "cs_1", None);
    run
}

#[test]
fn what_is_told_follows_what_was_done() {
    let mut run = at_checkout();
    told(&mut run, "checkout");
    out_of_step(&mut run, "suggest_gifts", "checkout");
    told(&mut run, "checkout");
    moved(&mut run, "choose_gift");
    told(&mut run, "choose_gift");
    run.kept(&IN_STEP);
    told(&mut run, "checkout");
    assert!(run.broken(&IN_STEP).contains("tells that workflow wf_1 is at checkout"));
}

#[test]
fn a_refusal_moves_nothing() {
    let mut run = at_checkout();
    out_of_step(&mut run, "suggest_gifts", "checkout");
    told(&mut run, "choose_gift");
    run.broken(&IN_STEP);
    let mut run = at_checkout();
    let call = run.call("suggest_gifts", json!({"workflow_id": "wf_1"}));
    run.write();
    run.fail_with(call, Code::OutOfStep, None);
    assert!(run.broken(&IN_STEP).contains("wrote to the journal all the same"));
}

#[test]
fn a_tool_that_may_not_act_is_refused() {
    let mut run = at_checkout();
    let call = run.call("suggest_gifts", json!({"workflow_id": "wf_1"}));
    run.answer(call, json!({"workflow_id": "wf_1", "ideas": []}));
    assert!(run.broken(&IN_STEP).contains("suggest_gifts of script step 2 acted"));
}

#[test]
fn a_price_that_was_left_is_not_charged() {
    for left in [false, true] {
        let mut run = at_checkout();
        if left {
            moved(&mut run, "choose_gift");
        }
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        if left {
            assert!(run.broken(&IN_STEP).contains("was charged for it afterwards"));
        } else {
            run.kept(&IN_STEP);
        }
    }
}

#[test]
fn a_quote_that_is_told_again_leaves_no_price_and_a_fresh_one_does() {
    for (again, broken) in [("cs_2", false), ("cs_3", true)] {
        let mut run = at_checkout();
        quoted(&mut run, "cs_2", Some("wf_1"));
        quoted(&mut run, again, Some("wf_1"));
        let call = run.create_order("cs_2", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_2", "ord_1");
        if broken {
            assert!(run.broken(&IN_STEP).contains("left the price of session cs_2"));
        } else {
            run.kept(&IN_STEP);
        }
    }
}

#[test]
fn nobody_leaves_a_charge_that_is_not_settled() {
    let mut run = at_checkout();
    let sale = run.create_order("cs_1", "k1");
    let charge = run.send(&CHARGE, Some("ord_1"), Some("k"));
    run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
    run.deliver(charge);
    moved(&mut run, "choose_gift");
    run.tell_success(sale, "cs_1", "ord_1");
    assert!(run.broken(&IN_STEP).contains("while the charge of order ord_1 was not settled"));
}

#[test]
fn a_price_that_ran_out_is_not_at_the_checkout() {
    let mut run = at_checkout();
    run.now += run.policy.quote_ttl;
    run.wait_ms(1_000);
    told(&mut run, "choose_gift");
    run.kept(&IN_STEP);
    let mut run = at_checkout();
    run.now += run.policy.quote_ttl;
    run.wait_ms(1_000);
    told(&mut run, "checkout");
    run.broken(&IN_STEP);
}

#[test]
fn a_price_is_not_judged_where_the_clocks_of_replicas_are_further_apart_than_it_has_time_left() {
    for (skew_ms, certain) in [(0, true), (60_000, true), (3_600_000, false)] {
        let mut run = at_checkout();
        run.replicas = Replicas { count: 2, skew_ms };
        told(&mut run, "choose_gift");
        if certain {
            assert!(run.broken(&IN_STEP).contains("is at choose_gift"));
        } else {
            run.kept(&IN_STEP);
        }
        // To the replica that is ahead the price has run out, to the other one it has not.
        let mut run = at_checkout();
        run.replicas = Replicas { count: 2, skew_ms };
        let call = run.call("suggest_gifts", json!({"workflow_id": "wf_1"}));
        run.answer(call, json!({"workflow_id": "wf_1", "ideas": []}));
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        if certain {
            assert!(run.broken(&IN_STEP).contains("create_order of script step 3 acted"));
        } else {
            run.kept(&IN_STEP);
        }
    }
}

#[test]
fn a_day_passes_for_every_replica_and_a_clock_that_is_set_is_one() {
    let day = (Place::HostCall, Fault::Host(HostFault::Resume));
    for ((place, fault), certain) in [(day, true), ((Place::JournalWrite, Fault::Jump(Expiry::Key)), false)] {
        let mut run = at_checkout();
        run.replicas = Replicas { count: 2, skew_ms: 2000 };
        run.push(EventKind::Struck { site: Site { place, arrival: 1, for_step: None }, fault: Box::new(fault) });
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        if certain {
            assert!(run.broken(&IN_STEP).contains("create_order of script step 2 acted"));
        } else {
            run.kept(&IN_STEP);
        }
    }
}

#[test]
fn a_decline_leads_to_another_card_and_so_does_one_that_is_not_on_file() {
    for code in [Code::PaymentDeclined, Code::PaymentMethodNotFound] {
        let mut run = at_checkout();
        let call = run.create_order("cs_1", "k1");
        run.reserve("ord_1");
        run.tell_failure(call, "cs_1", "ord_1", code);
        told(&mut run, "choose_payment_method");
        run.kept(&IN_STEP);
        told(&mut run, "checkout");
        run.broken(&IN_STEP);
    }
}

#[test]
fn a_declined_sale_whose_money_is_still_seen_to_may_be_at_the_checkout() {
    for (looked_after, operation) in [(true, &LOOK_UP), (false, &RELEASE)] {
        let mut run = at_checkout();
        let call = run.create_order("cs_1", "k1");
        run.tell_failure(call, "cs_1", "ord_1", Code::PaymentDeclined);
        run.send(operation, Some("ord_1"), None);
        told(&mut run, "checkout");
        if looked_after {
            run.kept(&IN_STEP);
        } else {
            run.broken(&IN_STEP);
        }
    }
}

#[test]
fn an_order_is_begun_by_the_call_under_which_it_is_logged_or_whose_key_it_has_not_by_the_first_that_hears_of_it() {
    for (logged, unheard, key, kept) in [
        (true, true, "k1", true),
        (true, true, "k2", true),
        // Only the key leads to it: the answer saved under it is returned.
        (false, true, "k1", true),
        (false, true, "k2", false),
        // What was refused before anything was begun has saved nothing.
        (false, false, "k1", false),
    ] {
        let mut run = at_checkout();
        let call = run.create_order("cs_1", "k1");
        if logged {
            run.order_step("order", StepStatus::Success, "ord_1");
        }
        if unheard {
            run.reply(call, HostReply::Broken);
        } else {
            run.fail_with(call, Code::CheckoutDisabled, None);
        }
        moved(&mut run, "choose_gift");
        let call = run.create_order("cs_1", key);
        run.order_step("create_order", StepStatus::Failed, "ord_1");
        run.fail_with(call, Code::OrderCancelled, Some(("ord_1", Effects::None)));
        if kept {
            run.kept(&IN_STEP);
        } else {
            assert!(run.broken(&IN_STEP).contains("create_order of script step 4 acted"));
        }
    }
}

#[test]
fn a_key_that_acts_out_of_step_is_not_told_what_it_saved() {
    let mut run = at_checkout();
    let call = run.create_order("cs_1", "k1");
    run.reply(call, HostReply::Broken);
    moved(&mut run, "choose_gift");
    let call = run.create_order("cs_1", "k1");
    run.reserve("ord_1");
    run.fail_with(call, Code::OutOfStock, Some(("ord_1", Effects::None)));
    assert!(run.broken(&IN_STEP).contains("create_order of script step 4 acted"));
}

/// A session for a workflow whose call was given up, and whose quote is still out.
fn given_up(run: &mut Run) -> String {
    let call = run.call("create_checkout_session", json!({"workflow_id": "wf_1"}));
    let correlation = run.correlation.clone();
    run.send(&QUOTE, None, None);
    run.reply(call, HostReply::Cancelled);
    correlation
}

fn ends(run: &mut Run, correlation: &str, status: StepStatus) {
    correlation.clone_into(&mut run.correlation);
    run.step("create_checkout_session", status, (status == StepStatus::Failed).then_some(Code::OutOfStep));
}

#[test]
fn a_call_that_was_given_up_may_act_until_its_own_line_or_its_death() {
    for over in [None, Some(false), Some(true)] {
        let mut run = at_checkout();
        let correlation = given_up(&mut run);
        match over {
            None => {}
            Some(false) => ends(&mut run, &correlation, StepStatus::Failed),
            Some(true) => run.die(2),
        }
        quoted(&mut run, "cs_2", Some("wf_1"));
        moved(&mut run, "choose_gift");
        told(&mut run, "checkout");
        if over.is_none() {
            run.kept(&IN_STEP);
        } else {
            assert!(run.broken(&IN_STEP).contains("tells that workflow wf_1 is at checkout"));
        }
    }
}

#[test]
fn a_price_that_was_asked_for_before_a_move_is_not_frozen_after_it() {
    let price = |status: StepStatus, writes: bool, before: bool| {
        let mut run = at_checkout();
        let correlation = given_up(&mut run);
        if before {
            ends(&mut run, &correlation, status);
        }
        let call = run.call("user_navigated_to_step", json!({"workflow_id": "wf_1", "step": "choose_gift"}));
        if writes {
            run.write();
        }
        run.answer(call, json!({"workflow_id": "wf_1", "step": "choose_gift"}));
        if !before {
            ends(&mut run, &correlation, status);
        }
        run
    };
    let said = price(StepStatus::Success, true, false).broken(&IN_STEP);
    assert!(said.contains("froze it after the person had moved workflow wf_1 to choose_gift"), "{said}");
    price(StepStatus::Failed, true, false).kept(&IN_STEP);
    price(StepStatus::Success, true, true).kept(&IN_STEP);
    // A move to where the workflow is changes nothing.
    price(StepStatus::Success, false, false).kept(&IN_STEP);
}
