use giftgenius::error::Effects;
use serde_json::json;

use super::*;
use crate::oracle::testing::Run;
use crate::trace::Seen;

/// A sale that fails with a code after what was seen of its requests.
fn failed(code: Code, between: impl FnOnce(&mut Run)) -> Run {
    let mut run = Run::new();
    run.session("cs_1");
    let call = run.create_order("cs_1", "k1");
    between(&mut run);
    run.fail_with(call, code, Some(("ord_1", Effects::None)));
    run
}

/// A request of the order that is answered with a status.
fn refused(operation: &'static OperationSpec, status: u16) -> impl Fn(&mut Run) {
    move |run| {
        let sent = run.send(operation, Some("ord_1/1"), Some("k"));
        run.deliver(sent);
        run.status(sent, status);
    }
}

#[test]
fn a_refusal_is_told_as_what_it_means() {
    for (operation, status, code, kept) in [
        (&CHARGE, 402, Code::PaymentDeclined, true),
        (&CHARGE, 402, Code::PaymentUnavailable, false),
        (&CHARGE, 402, Code::PaymentRefused, false),
        (&CHARGE, 404, Code::PaymentMethodNotFound, true),
        (&CHARGE, 400, Code::PaymentRefused, true),
        (&CHARGE, 400, Code::PaymentDeclined, false),
        (&CHARGE, 429, Code::PaymentRefused, false),
        (&CHARGE, 429, Code::PaymentUnavailable, true),
        (&RESERVE, 400, Code::InventoryRefused, true),
        (&RESERVE, 400, Code::OutOfStock, false),
        (&COMMIT, 410, Code::ReservationLost, true),
        (&COMMIT, 400, Code::ReservationLost, false),
    ] {
        failed(code, refused(operation, status)).kept_if(&CAUSE_TRUE, kept);
    }
}

#[test]
fn a_failure_without_an_answer_is_the_providers() {
    let lost = |operation: &'static OperationSpec| {
        move |run: &mut Run| {
            let sent = run.send_faulty(operation, Some("ord_1/1"), Some("k"), Some(Fault::Refuse));
            run.see(sent, Seen::Refused);
        }
    };
    failed(Code::InventoryUnavailable, lost(&RESERVE)).kept(&CAUSE_TRUE);
    failed(Code::PaymentUnavailable, lost(&CHARGE)).kept(&CAUSE_TRUE);
    for code in [Code::PaymentUnavailable, Code::InventoryRefused, Code::OutOfStock, Code::StoreUnavailable] {
        failed(code, lost(&RESERVE)).broken(&CAUSE_TRUE);
    }
}

#[test]
fn a_shortage_is_one_of_the_shelf() {
    for (stock, code, kept) in [
        (0, Code::OutOfStock, true),
        (5, Code::OutOfStock, false),
        (5, Code::InventoryRefused, true),
        (0, Code::InventoryRefused, false),
    ] {
        let mut run = failed(code, refused(&RESERVE, 409));
        run.stock.insert(String::from("tea-set"), stock);
        run.kept_if(&CAUSE_TRUE, kept);
    }
}

#[test]
fn a_shortage_names_what_was_ordered() {
    for (named, kept) in [("tea-set", true), (OTHER_SKU, false), ("card-wallet", false), ("nothing-we-know", true)] {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        refused(&RESERVE, 409)(&mut run);
        let mut error = run.error(Code::OutOfStock, Some(("ord_1", Effects::None)));
        error["error"]["message"] = json!(format!("{named} is out of stock"));
        run.fail(call, error);
        run.stock.insert(String::from("tea-set"), 0);
        run.kept_if(&CAUSE_TRUE, kept);
    }
}

#[test]
fn the_banks_reason_is_told_where_it_helps_and_no_other() {
    for (said, told, broken) in [
        ("insufficient_funds", " (insufficient_funds)", None),
        ("insufficient_funds", "", Some("without the bank's reason")),
        ("insufficient_funds", " (expired_card)", Some("where the bank said `insufficient_funds`")),
        ("stolen_card", "", None),
        ("stolen_card", " (stolen_card)", Some("not the person's to know")),
    ] {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let fault = Fault::Circumstance(Circumstance::Declined(String::from(said)));
        let charge = run.send_faulty(&CHARGE, Some("ord_1"), Some("k"), Some(fault));
        run.deliver(charge);
        run.status(charge, 402);
        let mut error = run.error(Code::PaymentDeclined, Some(("ord_1", Effects::None)));
        error["error"]["message"] = json!(format!("the card was declined{told}; nothing is charged"));
        run.fail(call, error);
        run.kept_unless(&CAUSE_TRUE, broken);
    }
}

#[test]
fn retryable_follows_from_the_cause() {
    for retryable in [true, false] {
        let mut run = Run::new();
        let call = run.create_order("cs_1", "k1");
        let mut error = run.error(Code::KeyConflict, None);
        error["error"]["retryable"] = json!(retryable);
        run.fail(call, error);
        run.kept_if(&CAUSE_TRUE, !retryable);
    }
}

#[test]
fn the_store_is_the_cause_where_it_failed_during_the_call() {
    for (fault, code, kept) in [
        (Fault::Busy, Code::StoreUnavailable, true),
        (Fault::Panic, Code::StoreUnavailable, false),
        (Fault::Panic, Code::Internal, true),
        (Fault::Busy, Code::Internal, false),
    ] {
        failed(code, |run| run.strike(Place::JournalRead, fault)).kept_if(&CAUSE_TRUE, kept);
    }
}

#[test]
fn a_price_that_has_time_left_has_not_expired() {
    let ttl = giftgenius::policy::Policy::default().quote_ttl;
    let ttl = u64::try_from(ttl.as_millis()).expect("less than an age");
    for (wait_ms, kept) in [(ttl, true), (ttl / 2, false)] {
        failed(Code::SessionExpired, |run| run.wait_ms(wait_ms)).kept_if(&CAUSE_TRUE, kept);
    }
}
