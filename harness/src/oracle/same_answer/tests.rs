//! Repeated calls, and what they are answered.

use giftgenius::error::Effects;
use serde_json::json;

use super::*;
use crate::fault::Fault;
use crate::fault::site::Place;
use crate::oracle::testing::{Run, order_answer, order_arguments, success};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CHARGE, LOOK_UP, RESERVE};

#[test]
fn what_is_told_again_says_so() {
    for marks in [true, false] {
        let mut run = Run::new();
        run.marks_replays = marks;
        run.buy();
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        run.kept_unless(&SAME_ANSWER, (!marks).then_some("without a word that nothing was done for it"));
    }
}

#[test]
fn a_repetition_with_the_same_answer_is_fine() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k1");
    run.tell_success(call, "cs_1", "ord_1");
    run.kept(&SAME_ANSWER);
}

#[test]
fn another_answer_is_a_breach() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k1");
    run.answer(call, success("cs_1", "ord_2"));
    assert!(run.broken(&SAME_ANSWER).contains("`success` (order ord_2)"));
}

#[test]
fn a_new_request_is_a_breach_even_if_the_provider_deduplicates_it() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k1");
    let charge = run.send(&CHARGE, Some("ord_1"), Some("charge ord_1"));
    run.ok(charge);
    run.tell_success(call, "cs_1", "ord_1");
    assert!(run.broken(&SAME_ANSWER).contains("acted again"));
}

#[test]
fn a_repetition_that_fails_inside_the_server_is_excused_where_that_is_planned() {
    let repeated = |planned: bool| {
        let mut run = Run::sale();
        let call = run.create_order("cs_1", "k1");
        if planned {
            run.strike(Place::JournalRead, Fault::Panic);
        }
        run.fail_with(call, Code::Internal, None);
        run
    };
    repeated(true).kept(&SAME_ANSWER);
    assert!(repeated(false).broken(&SAME_ANSWER).contains("repeated with the same parameters, `INTERNAL`"));
    let mut before = Run::new();
    before.strike(Place::JournalRead, Fault::Panic);
    before.session("cs_1");
    let call = before.create_order("cs_1", "k1");
    before.tell_success(call, "cs_1", "ord_1");
    let call = before.create_order("cs_1", "k1");
    before.fail_with(call, Code::Internal, None);
    before.broken(&SAME_ANSWER);
}

#[test]
fn a_repetition_beyond_the_users_calls_is_not_taken_and_does_nothing() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k1");
    run.fail_with(call, Code::LimitReached, None);
    run.kept(&SAME_ANSWER);
    let call = run.create_order("cs_1", "k1");
    let charge = run.send(&CHARGE, Some("ord_1"), Some("charge ord_1"));
    run.ok(charge);
    run.fail_with(call, Code::LimitReached, None);
    assert!(run.broken(&SAME_ANSWER).contains("acted again"));
}

#[test]
fn other_keys_users_and_parameters_are_other_calls() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k2");
    run.fail_with(call, Code::OrderInProgress, None);
    let call = run.create_order("cs_2", "k1");
    run.fail_with(call, Code::KeyConflict, None);
    run.user = "bob";
    let call = run.create_order("cs_1", "k1");
    run.fail_with(call, Code::SessionNotFound, None);
    run.kept(&SAME_ANSWER);
}

#[test]
fn pending_and_retryable_failures_are_not_final() {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    run.tell_failure(call, "cs_1", "ord_1", Code::PaymentUnavailable);
    let call = run.create_order("cs_1", "k1");
    run.tell_pending(call, "cs_1", "ord_2");
    let call = run.create_order("cs_1", "k1");
    run.tell_success(call, "cs_1", "ord_2");
    run.kept(&SAME_ANSWER);
}

#[test]
fn a_failure_for_good_is_replayed_with_the_orders_correlation_id() {
    let declined = |run: &Run, order| run.error(Code::PaymentDeclined, Some((order, Effects::None)));
    let told = |answers: &dyn Fn(&Run, Value) -> [Value; 2]| {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let error = declined(&run, "ord_1");
        let [first, second] = answers(&run, error);
        run.fail(call, first);
        let call = run.create_order("cs_1", "k1");
        run.fail(call, second);
        run
    };
    told(&|_, error| [error.clone(), error]).kept(&SAME_ANSWER);
    told(&|_, error| {
        let mut replay = error.clone();
        replay["error"]["replayed"] = json!(true);
        replay["error"]["as_of"] = json!("2026-01-01T00:00:00Z");
        [error, replay]
    })
    .kept(&SAME_ANSWER);
    told(&|run, error| [error, declined(run, "ord_2")]).broken(&SAME_ANSWER);
    let mut run = told(&|_, error| {
        let mut other = error.clone();
        other["error"]["correlation_id"] = json!("step-9.9");
        [error, other]
    });
    assert!(run.broken(&SAME_ANSWER).contains("what never changes"));
}

#[test]
fn what_one_process_saw_and_wrote_down_late_is_news_to_the_others() {
    for is_written in [false, true] {
        let mut run = Run::new();
        run.replicas.count = 2;
        let (charge, _) = run.buy();
        run.effect(EffectKind::Refund, "ord_1", None, Some(charge));
        let look_up = run.send(&LOOK_UP, Some("ord_1"), None);
        run.ok(look_up);
        let call = run.create_order("cs_1", "k1");
        run.tell_success(call, "cs_1", "ord_1");
        if is_written {
            run.write_of("ord_1");
        }
        let call = run.create_order("cs_1", "k1");
        run.answer(call, cancelled());
        run.kept_if(&SAME_ANSWER, is_written);
    }
}

/// A sale that was told paid, and taken back.
fn taken_back() -> Run {
    let mut run = Run::sale();
    let call = run.call("cancel_order", json!({"order_id": "ord_1", "idempotency_key": "c1"}));
    run.answer(call, order_answer("ord_1", "cancelled"));
    run
}

fn cancelled() -> Value {
    let mut answer = success("cs_1", "ord_1");
    answer["status"] = json!("cancelled");
    answer["effects"] = json!("none");
    answer["replayed"] = json!(true);
    answer
}

#[test]
fn a_replay_says_how_the_order_stands_now() {
    let mut run = taken_back();
    let call = run.create_order("cs_1", "k1");
    run.answer(call, cancelled());
    run.kept(&SAME_ANSWER);

    let mut run = taken_back();
    let call = run.create_order("cs_1", "k1");
    run.tell_success(call, "cs_1", "ord_1");
    assert!(run.broken(&SAME_ANSWER).contains("although cancel_order had told `cancelled`"));
}

#[test]
fn a_changed_status_has_a_reason_that_shows() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "k1");
    run.answer(call, cancelled());
    assert!(run.broken(&SAME_ANSWER).contains("nothing that shows explains"));
}

#[test]
fn a_replay_never_changes_the_amount() {
    let mut run = taken_back();
    let call = run.create_order("cs_1", "k1");
    let mut answer = cancelled();
    answer["amount"]["minor_units"] = json!(4300);
    run.answer(call, answer);
    assert!(run.broken(&SAME_ANSWER).contains("what never changes"));
}

#[test]
fn answers_from_before_the_claim_save_nothing() {
    let mut run = Run::new();
    let call = run.create_order("cs_1", "k1");
    run.fail_with(call, Code::PaymentMethodNotFound, None);
    let call = run.create_order("cs_1", "k1");
    run.tell_success(call, "cs_1", "ord_1");
    run.kept(&SAME_ANSWER);
}

#[test]
fn calls_that_overlap_are_not_compared() {
    let mut run = Run::new();
    let first = run.create_order("cs_1", "k1");
    let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("r"));
    run.ok(reserve);
    let second = run.create_order("cs_1", "k1");
    run.tell_success(first, "cs_1", "ord_1");
    run.fail_with(second, Code::OrderInProgress, None);
    run.kept(&SAME_ANSWER);
}

#[test]
fn the_same_parameters_in_another_writing_are_the_same() {
    let mut run = Run::sale();
    let mut arguments = order_arguments("cs_1", "k1");
    arguments["quantity"] = json!(1);
    let call = run.call("create_order", arguments.clone());
    run.tell_success(call, "cs_1", "ord_7");
    arguments["quantity"] = json!(1.0);
    let call = run.call("create_order", arguments);
    run.tell_success(call, "cs_1", "ord_8");
    run.broken(&SAME_ANSWER);
}

#[test]
fn an_entry_is_kept_for_its_retention() {
    let mut run = Run::sale();
    run.wait_ms(24 * 3600 * 1000);
    let call = run.create_order("cs_1", "k1");
    run.fail_with(call, Code::SessionExpired, None);
    run.kept(&SAME_ANSWER);
}
