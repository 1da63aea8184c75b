//! Correct runs, each as the domain's rules decide it: no oracle may accuse them.

use giftgenius::error::{Code, Effects};
use giftgenius::policy::PaymentProfile;
use giftgenius::step_log::{AlertKind, CheckoutStatus, StepStatus};
use serde_json::json;

use super::testing::{Run, order_answer, pending, success};
use super::{ALL, by_id};
use crate::fault::{Circumstance, Fault};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, COMMIT, LOOK_UP, REFUND, RELEASE, RESERVE, RESTOCK};

#[test]
fn the_table_is_whole_and_found_by_id() {
    assert_eq!(ALL.len(), 39);
    for oracle in ALL {
        assert!(std::ptr::eq(by_id(oracle.id).expect("listed"), *oracle));
        assert!(!oracle.requirements.is_empty(), "{}", oracle.id);
        assert!(oracle.rule.ends_with('.') && oracle.explanation.ends_with('.'));
        assert!(!oracle.rule.contains("  ") && !oracle.explanation.contains("  "));
    }
    assert!(by_id("one_effect").is_none());
}

#[test]
fn an_empty_run_breaks_nothing() {
    Run::new().kept_by_all();
}

#[test]
fn a_sale() {
    let mut run = Run::sale();
    run.get_order("ord_1", "success");
    run.kept_by_all();
}

#[test]
fn a_sale_repeated_and_doubled() {
    let mut run = Run::sale();
    for key in ["k1", "k2", "k1"] {
        let call = run.create_order("cs_1", key);
        run.tell_success(call, "cs_1", "ord_1");
    }
    run.kept_by_all();
}

#[test]
fn a_decline_and_then_another_card() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_1");
    let fault = Fault::Circumstance(Circumstance::Declined(String::from("insufficient_funds")));
    let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("charge ord_1"), Some(fault));
    run.deliver(charge);
    run.status(charge, 402);
    run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
    run.result("cs_1", CheckoutStatus::Failed, Some(Code::PaymentDeclined));
    run.step("create_order", StepStatus::Failed, Some(Code::PaymentDeclined));
    let mut error = run.error(Code::PaymentDeclined, Some(("ord_1", Effects::None)));
    error["error"]["message"] = json!("the card was declined (insufficient_funds); nothing is charged");
    run.fail(call, error);
    run.at_rest("ord_1", "cancelled", "none");
    let call = run.create_order("cs_1", "k2");
    let reserve = run.reserve("ord_2");
    run.charge("ord_2");
    run.commit("ord_2", reserve);
    run.tell_success(call, "cs_1", "ord_2");
    run.at_rest("ord_2", "paid", "charged");
    run.kept_by_all();
}

#[test]
fn a_retryable_failure_and_the_same_key_again() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    for gap in [0, 300, 500, 900] {
        run.wait_ms(gap);
        let fault = Some(Fault::Refuse);
        let reserve = run.send_faulty(&RESERVE, Some("ord_1/1"), Some("reserve ord_1"), fault);
        run.see(reserve, crate::trace::Seen::Refused);
    }
    run.done(&RELEASE, EffectKind::Release, "ord_1/1", None);
    run.tell_failure(call, "cs_1", "ord_1", Code::InventoryUnavailable);
    run.at_rest("ord_1", "cancelled", "none");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_2");
    run.charge("ord_2");
    run.commit("ord_2", reserve);
    run.tell_success(call, "cs_1", "ord_2");
    run.at_rest("ord_2", "paid", "charged");
    run.kept_by_all();
}

#[test]
fn a_lost_charge_reply_that_is_looked_up() {
    for profile in
        [PaymentProfile::Stripe, PaymentProfile::Acp, PaymentProfile::Keyless, PaymentProfile::KeylessNoCancel]
    {
        let mut run = Run::with_profile(profile);
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        let fault = Some(Fault::LostReply);
        let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("charge ord_1"), fault);
        run.deliver(charge);
        run.effect(EffectKind::Charge, "ord_1", Some(charge), None);
        run.silence(charge);
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        run.order_step("settle", StepStatus::Success, "ord_1");
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        run.at_rest("ord_1", "paid", "charged");
        run.kept_by_all();
    }
}

#[test]
fn a_lost_charge_request_that_is_repeated_with_the_same_key() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_1");
    let fault = Some(Fault::LostRequest);
    let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("charge ord_1"), fault);
    run.silence(charge);
    run.wait_ms(250);
    let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
    run.ok(look_up);
    run.charge("ord_1");
    run.commit("ord_1", reserve);
    run.tell_success(call, "cs_1", "ord_1");
    run.at_rest("ord_1", "paid", "charged");
    run.kept_by_all();
}

#[test]
fn a_keyless_charge_that_is_closed_and_given_up() {
    let mut run = Run::with_profile(PaymentProfile::Keyless);
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_1");
    let fault = Some(Fault::LostRequest);
    let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("charge ord_1"), fault);
    run.silence(charge);
    run.done(&CANCEL, EffectKind::Close, "ord_1", None);
    run.done(&RELEASE, EffectKind::Release, "ord_1/1", Some(reserve));
    run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
    run.at_rest("ord_1", "cancelled", "none");
    run.kept_by_all();
}

#[test]
fn a_commit_that_goes_on_in_the_background() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_1");
    run.charge("ord_1");
    for gap in [0, 310, 400, 950] {
        run.wait_ms(gap);
        let fault = Some(Fault::Status(503, None));
        let commit = run.send_faulty(&COMMIT, Some("ord_1/1"), Some("commit ord_1/1"), fault);
        run.status(commit, 503);
    }
    run.result("cs_1", CheckoutStatus::Pending, None);
    run.step("create_order", StepStatus::Success, None);
    run.answer(call, pending("cs_1", "ord_1", "charged"));
    let call = run.call("get_order", json!({"order_id": "ord_1"}));
    run.step("get_order", StepStatus::Success, None);
    let mut answer = order_answer("ord_1", "pending");
    answer["effects"] = json!("charged");
    run.answer(call, answer);
    run.correlation = String::from("step-2.1");
    run.wait_ms(5_000);
    run.commit("ord_1", reserve);
    run.get_order("ord_1", "success");
    let call = run.create_order("cs_1", "k1");
    run.tell_success(call, "cs_1", "ord_1");
    run.at_rest("ord_1", "paid", "charged");
    run.kept_by_all();
}

#[test]
fn a_reservation_that_was_gone_and_had_again() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let first = run.reserve("ord_1");
    run.charge("ord_1");
    run.effect(EffectKind::Expire, "ord_1/1", None, Some(first));
    let commit = run.send(&COMMIT, Some("ord_1/1"), Some("commit ord_1/1"));
    run.status(commit, 410);
    let second = run.done(&RESERVE, EffectKind::Reserve, "ord_1/2", None);
    run.done(&COMMIT, EffectKind::Commit, "ord_1/2", Some(second));
    run.order_step("reserve", StepStatus::Success, "ord_1");
    run.order_step("commit", StepStatus::Success, "ord_1");
    run.tell_success(call, "cs_1", "ord_1");
    run.at_rest("ord_1", "paid", "charged");
    run.kept_by_all();
}

#[test]
fn a_paid_order_that_is_cancelled() {
    let mut run = Run::new();
    let (charge, commit) = run.buy();
    for round in 0..2 {
        let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "x1"}));
        if round == 0 {
            run.done(&RESTOCK, EffectKind::Restock, "ord_1/1", Some(commit));
            run.done(&CANCEL, EffectKind::Close, "ord_1", None);
            run.done(&REFUND, EffectKind::Refund, "ord_1", Some(charge));
        }
        run.step("cancel_order", StepStatus::Success, None);
        run.answer(call, order_answer("ord_1", "cancelled"));
    }
    run.get_order("ord_1", "cancelled");
    let call = run.create_order("cs_1", "k1");
    run.result("cs_1", CheckoutStatus::Cancelled, None);
    run.step("create_order", StepStatus::Success, None);
    let mut replay = success("cs_1", "ord_1");
    replay["status"] = json!("cancelled");
    replay["effects"] = json!("none");
    replay["user_message"] = json!("The order was cancelled and your money was given back.");
    run.answer(call, replay);
    run.rest.orders.clear();
    run.at_rest("ord_1", "cancelled", "none");
    run.kept_by_all();
}

#[test]
fn a_late_copy_that_is_swept() {
    let mut run = Run::with_profile(PaymentProfile::Keyless);
    run.buy();
    run.get_order("ord_1", "success");
    run.correlation = String::from("step-2.1");
    run.wait_ms(110_000);
    let copy = run.effect(EffectKind::Charge, "ord_1", None, None);
    run.wait_ms(20_000);
    let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
    run.ok(look_up);
    run.alert(AlertKind::DoubleCharge, "ord_1");
    run.done(&REFUND, EffectKind::Refund, "ord_1", Some(copy));
    run.kept_by_all();
}

#[test]
fn a_refund_that_nobody_can_make_is_parked() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    let reserve = run.reserve("ord_1");
    run.charge("ord_1");
    run.effect(EffectKind::Expire, "ord_1/1", None, Some(reserve));
    let gone = run.send(&COMMIT, Some("ord_1/1"), Some("commit ord_1/1"));
    run.status(gone, 410);
    let second = run.send(&RESERVE, Some("ord_1/2"), Some("reserve ord_1/2"));
    run.status(second, 409);
    let gaps = [0, 310, 400, 950, 5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000];
    for (round, gap) in gaps.into_iter().enumerate() {
        run.wait_ms(gap);
        let fault = Some(Fault::Status(500, None));
        let refund = run.send_faulty(&REFUND, Some("ord_1"), Some("refund ord_1"), fault);
        run.status(refund, 500);
        if round == 3 {
            run.tell_pending(call, "cs_1", "ord_1");
        }
        if round == 4 {
            run.alert_about(AlertKind::ProviderDown, "payment");
        }
    }
    run.park("ord_1", "charged");
    run.kept_by_all();
}
