//! Giving money back, and what must not be believed on the way: refunds that fail, replies about somebody else's order,
//! second charges, and a calendar that jumps.

use std::time::Duration;

use giftgenius::policy::PaymentProfile::{KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use serde_json::json;

use crate::shop::{Fault, PRICE};
use crate::world::{World, is_paid, purchase, replayed, said, text};

#[tokio::test(start_paused = true)]
async fn a_refund_that_fails_after_it_was_done_is_asked_for_again() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    let cancel = json!({"order_id": order, "idempotency_key": "key-0002"});
    let told = life.call("cancel_order", cancel.clone()).await;
    assert_eq!((said(&told).as_str(), world.shop.money()), ("cancelled", 0), "told as soon as it is done");
    tokio::time::sleep(world.policy.late_max / 2).await;
    world.shop.fail_refunds();
    assert_eq!(world.shop.money(), PRICE);
    life.rest().await;
    assert!(!world.is_whole(&life).await, "the money is back after all");
    assert_eq!(world.shop.count("payment.refund"), 2);
    assert_eq!(replayed(&life.call("cancel_order", cancel).await), told.structured);
}

#[tokio::test(start_paused = true)]
async fn refunds_that_keep_failing_end_with_a_person() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    life.call("cancel_order", json!({"order_id": order, "idempotency_key": "key-0002"})).await;
    tokio::time::sleep(world.policy.late_max / 2).await;
    for _ in 0..3 {
        world.shop.fail_refunds();
        tokio::time::sleep(world.policy.late_max).await;
    }
    life.rest().await;
    assert!(world.order(&life, &order).await.is_parked());
    assert_eq!((world.shop.count("payment.refund"), world.shop.money()), (3, PRICE));
    assert!(world.alerts().contains(&AlertKind::OrderParked));
}

/// The closing that is repeated tells of the time before the refund, whatever it is compared with.
#[tokio::test(start_paused = true)]
async fn a_refund_whose_reply_is_lost_is_seen_although_the_amount_was_told_wrong_before() {
    for told in [PRICE + 100, PRICE] {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script("payment.charge", &[Fault::LostReply]);
        world.shop.script("payment.look_up", &vec![Fault::Counts("/charges/0/amount", told); 2]);
        world.shop.script("payment.refund", &[Fault::LostReply]);
        let sale = life.buy(&session, "key-0001").await;
        life.rest().await;
        assert_eq!(world.is_whole(&life).await, told == PRICE, "{}", sale.structured);
        assert_eq!(world.shop.count("payment.refund"), usize::from(told != PRICE));
        assert_eq!(said(&sale), if told == PRICE { "success" } else { "AMOUNT_MISMATCH" });
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_about_somebody_elses_order_is_not_believed() {
    for (operation, field) in
        [("payment.charge", "/reference"), ("inventory.reserve", "/reference"), ("inventory.commit", "/reference")]
    {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script(operation, &[Fault::Says(field, "ord_of_another")]);
        assert_eq!(said(&life.buy(&session, "key-0001").await), "success");
        life.rest().await;
        assert!(world.is_whole(&life).await, "{operation}");
        let asked_again = if operation == "payment.charge" { "payment.look_up" } else { operation };
        assert!(world.shop.count(asked_again) > usize::from(asked_again == operation), "{operation} was believed");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_charge_in_a_listing_pays_for_nothing() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::LostReply]);
    world.shop.script("payment.look_up", &[Fault::Says("/charges/0/reference", "ord_of_another")]);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "success");
    life.rest().await;
    assert!(world.is_whole(&life).await);
    assert!(world.shop.count("payment.look_up") >= 2, "the first listing was about somebody else");
}

/// The provider breaks its promise: it takes the money twice under one key.
#[tokio::test(start_paused = true)]
async fn a_second_charge_is_given_back_whatever_the_provider_promises() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::TwiceAndLost]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), world.shop.money()), ("success", 2 * PRICE));
    life.rest().await;
    assert!(world.is_whole(&life).await, "one charge is left");
    assert!(world.alerts().contains(&AlertKind::DoubleCharge));
    assert!(is_paid(&world.order(&life, &text(&sale, "/order_id")).await));
}

/// A calendar that jumps says nothing about how long the provider has had.
#[tokio::test(start_paused = true)]
async fn the_bound_on_late_effects_is_waited_for_whatever_the_calendar_says() {
    for crash in [false, true] {
        let world = World::new(KeylessNoCancel);
        let mut life = world.start();
        let session = life.session().await;
        world.shop.script("payment.charge", &[Fault::LostRequest]);
        let sale = life.buy(&session, "key-0001").await;
        assert_eq!(said(&sale), "pending");
        let order = text(&sale, "/order_id");
        world.jump(Duration::from_secs(24 * 60 * 60));
        if crash {
            life.crash().await;
            life = world.start();
            life.app.recover().await.unwrap();
        }
        // A little before the whole bound has passed on the clock that nobody sets.
        tokio::time::sleep(world.policy.late_max * 99 / 100).await;
        assert!(world.order(&life, &order).await.is_open(), "given up before the charge can have come");
        life.rest().await;
        assert!(!world.is_whole(&life).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sale_that_is_taken_up_after_its_quote_has_expired_is_not_charged() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.reserve", &[Fault::Silence]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    sale.abort();
    life.crash().await;
    tokio::time::sleep(world.policy.quote_ttl).await;
    let life = world.start();
    life.app.recover().await.unwrap();
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!(world.shop.count("payment.charge"), 0);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "SESSION_EXPIRED");
}
