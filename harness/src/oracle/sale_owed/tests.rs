use giftgenius::error::Effects;
use giftgenius::ids::CorrelationId;
use serde_json::{Value, json};

use super::*;
use crate::fault::site::Place;
use crate::fault::{Fault, HostFault};
use crate::oracle::testing::{Run, session_answer};
use crate::provider::operations::{LOOK_UP, RELEASE};
use crate::trace::CallId;

const ITEMS: [(&str, u32); 2] = [("tea-set", 1), ("card-wallet", 2)];

/// A session of these items.
fn opened(items: &[(&str, u32)]) -> Run {
    let mut run = Run::new();
    let items: Vec<Value> = items.iter().map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity})).collect();
    let call = run.call("create_checkout_session", json!({"items": items, "currency": "EUR"}));
    run.answer(call, session_answer("cs_1", 4200));
    run
}

/// A sale of an order that is told to have failed.
fn told(run: &mut Run, call: CallId, code: Code, message: &str) {
    let correlation = CorrelationId::from(run.correlation.as_str());
    let order = giftgenius::ids::OrderId::from("ord_1");
    let error = giftgenius::error::ToolError::new(code, message, &correlation).about(&order, Effects::None);
    run.fail(call, json!({ "error": serde_json::to_value(&*error).expect("plain JSON") }));
}

#[test]
fn a_sale_needs_three_requests() {
    Run::sale().kept(&SALE_OWED);
    for again in [&RESERVE, &CHARGE, &LOOK_UP] {
        let mut run = Run::new();
        run.session("cs_1");
        let call = run.create_order("cs_1", "k1");
        let reserve = run.reserve("ord_1");
        run.charge("ord_1");
        let sent = run.send(again, Some("ord_1"), Some("again"));
        run.ok(sent);
        run.commit("ord_1", reserve);
        run.tell_success(call, "cs_1", "ord_1");
        assert!(run.broken(&SALE_OWED).contains("where one reserve, one charge and one commit do"));
    }
}

#[test]
fn whatever_went_wrong_before_nothing_is_owed() {
    for (disturbed, fault) in [
        (false, None),
        (true, Some(Fault::Busy)),
        (true, Some(Fault::Host(HostFault::Resume))),
        (false, Some(Fault::Host(HostFault::Repeat))),
    ] {
        let mut run = opened(&ITEMS);
        if let Some(fault) = fault {
            run.strike(Place::HostCall, fault);
        }
        let call = run.create_order("cs_1", "a key of mine");
        run.fail_with(call, Code::SessionNotFound, None);
        run.kept_unless(&SALE_OWED, (!disturbed).then_some("although nothing stands against it"));
    }
}

#[test]
fn what_only_something_going_wrong_explains_is_told_by_no_tool() {
    for code in [Code::CatalogUnavailable, Code::StoreUnavailable, Code::Internal] {
        let mut run = Run::new();
        let call = run.call("search_products", json!({}));
        run.fail_with(call, code, None);
        run.broken(&SALE_OWED);
    }
}

#[test]
fn the_card_is_the_reason_where_it_is_declined_or_nobodys() {
    for (method, code, broken) in [
        ("pm_declined", Code::PaymentDeclined, None),
        ("pm_visa", Code::PaymentDeclined, Some("although nothing stands against it")),
        ("pm_ben_visa", Code::PaymentMethodNotFound, None),
        ("pm_declined", Code::PaymentMethodNotFound, Some("where PAYMENT_DECLINED is the reason")),
    ] {
        let mut run = opened(&ITEMS);
        let arguments =
            json!({"checkout_session_id": "cs_1", "payment_method_id": method, "idempotency_key": "a key of mine"});
        let call = run.call("create_order", arguments);
        run.reserve("ord_1");
        told(&mut run, call, code, "it did not work");
        run.kept_unless(&SALE_OWED, broken);
    }
}

#[test]
fn the_product_that_is_short_is_named() {
    for (short, named, broken) in [
        ("card-wallet", "card-wallet", None),
        ("card-wallet", "tea-set", Some("but it is card-wallet")),
        ("tea-set", "tea-set", None),
        ("scarf", "tea-set", Some("although nothing stands against it")),
    ] {
        let mut run = opened(&ITEMS);
        run.stock.insert(String::from(short), 0);
        let call = run.call(
            "create_order",
            json!({"checkout_session_id": "cs_1", "payment_method_id": "pm_visa", "idempotency_key": "a key of mine"}),
        );
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("k"));
        run.deliver(reserve);
        run.status(reserve, 409);
        told(&mut run, call, Code::OutOfStock, &format!("{named} is not in stock"));
        run.kept_unless(&SALE_OWED, broken);
    }
}

#[test]
fn an_expired_price_and_an_unknown_one_are_reasons() {
    let ttl = giftgenius::policy::Policy::default().quote_ttl;
    let ttl = u64::try_from(ttl.as_millis()).expect("less than an age");
    for (session, wait_ms, code, kept) in [
        ("cs_1", ttl, Code::SessionExpired, true),
        ("cs_1", ttl / 2, Code::SessionExpired, false),
        ("cs_2", 0, Code::SessionNotFound, true),
        ("cs_1", 0, Code::SessionNotFound, false),
    ] {
        let mut run = opened(&ITEMS);
        run.wait_ms(wait_ms);
        let call = run.create_order(session, "a key of mine");
        run.fail_with(call, code, None);
        run.kept_if(&SALE_OWED, kept);
    }
}

#[test]
fn a_sale_that_is_not_settled_is_none_that_was_owed() {
    let mut run = opened(&ITEMS);
    let call = run.create_order("cs_1", "a key of mine");
    run.tell_pending(call, "cs_1", "ord_1");
    assert!(run.broken(&SALE_OWED).contains("was told `pending`"));
}

#[test]
fn what_an_earlier_call_began_is_judged_elsewhere() {
    let mut run = Run::sale();
    let call = run.create_order("cs_1", "another");
    run.fail_with(call, Code::SessionExpired, None);
    run.kept(&SALE_OWED);
    // One that has failed leaves the price open.
    let mut run = opened(&ITEMS);
    for key in ["a key of mine", "a key of yours"] {
        let call = run.create_order("cs_1", key);
        let reserve = run.send(&RESERVE, Some("ord_1/1"), Some("k"));
        run.deliver(reserve);
        run.status(reserve, 409);
        run.send(&RELEASE, Some("ord_1/1"), Some("k"));
        told(&mut run, call, Code::OutOfStock, "tea-set is not in stock");
    }
    assert_eq!(run.broken(&SALE_OWED).lines().count(), 2);
}

#[test]
fn a_price_is_frozen_within_the_budget_and_no_penny_beyond() {
    let price = |run: &mut Run, change: &[(&str, Value)], code: Code| {
        let mut arguments = json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"});
        for (name, value) in change {
            arguments[*name] = value.clone();
        }
        let call = run.call("create_checkout_session", arguments);
        run.fail_with(call, code, None);
    };
    for (change, code, kept) in [
        (vec![("budget", json!(4200))], Code::BudgetTooSmall, false),
        (vec![("budget", json!(4199))], Code::BudgetTooSmall, true),
        (vec![("budget", json!(4199))], Code::BudgetCurrency, false),
        (vec![("currency", json!("CHF"))], Code::CurrencyUnsupported, true),
        (vec![("currency", json!("USD"))], Code::CurrencyUnsupported, false),
        (vec![("promo_code", json!("NONSENSE"))], Code::PromoInvalid, true),
        (vec![], Code::PromoInvalid, false),
        (vec![("workflow_id", json!("wf_9"))], Code::WorkflowNotFound, true),
        (vec![("workflow_id", json!("wf_9"))], Code::OutOfStep, false),
        (vec![("nonsense", json!(1))], Code::InvalidArguments, true),
        (vec![("budget", json!(5000))], Code::InvalidArguments, false),
    ] {
        let mut run = Run::new();
        price(&mut run, &change, code);
        run.kept_if(&SALE_OWED, kept);
    }
}

#[test]
fn the_payment_methods_are_those_on_file() {
    let visa = json!({"id": "pm_visa", "brand": "visa", "last4": "4242"});
    let others = [
        json!({"id": "pm_mastercard", "brand": "mastercard", "last4": "4444"}),
        json!({"id": "pm_declined", "brand": "visa", "last4": "9995"}),
    ];
    let without = json!({"id": "pm_visa", "brand": "visa"});
    let theirs = json!({"id": "pm_ben_visa", "brand": "visa", "last4": "4242"});
    for (first, more, broken) in [
        (&visa, None, None),
        (&without, None, Some("did not tell of pm_visa")),
        (&theirs, None, Some("did not tell of pm_visa")),
        (&visa, Some(&theirs), Some("told of 4 payment methods")),
    ] {
        let mut run = Run::new();
        let call = run.call("get_payment_methods", json!({}));
        let listed: Vec<&Value> = [first].into_iter().chain(&others).chain(more).collect();
        run.answer(call, json!({"payment_methods": listed}));
        run.kept_unless(&SALE_OWED, broken);
    }
}
