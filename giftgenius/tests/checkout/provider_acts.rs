//! What the payment provider does on its own: refunds in its dashboard, disputes, charges that its fraud check takes back.

use giftgenius::policy::PaymentProfile::{Acp, Keyless, KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use giftgenius::webhooks::Answer;
use serde_json::{Value, json};

use crate::shop::{Fault, PRICE};
use crate::world::{Life, World, effects, purchase, said, text};

/// A sale that was reported as paid, with the search for copies of its charge over.
async fn sold(world: &World) -> (Life, String, String) {
    let life = world.start();
    let session = life.session().await;
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "success");
    life.rest().await;
    (life, session, text(&sale, "/order_id"))
}

async fn asked(life: &Life, order: &str) -> Value {
    life.call("get_order", json!({"order_id": order})).await.structured
}

async fn tell(world: &World, life: &Life, id: &str, kind: &str, order: &str) {
    assert_eq!(life.webhook(&world.event(id, kind, order)).await, Answer::Accepted);
    life.rest().await;
}

async fn parked(life: &Life) -> usize {
    life.app.saga_counts().await.unwrap().parked
}

fn cancel(order: &str, key: &str) -> Value {
    json!({"order_id": order, "idempotency_key": key})
}

#[tokio::test(start_paused = true)]
async fn a_paid_order_that_was_refunded_or_disputed_waits_for_a_person() {
    for (kind, is_dispute) in [("charge.refunded", false), ("charge.disputed", true)] {
        let world = World::new(Stripe);
        let (life, session, order) = sold(&world).await;
        if is_dispute {
            world.shop.dispute();
        } else {
            world.shop.give_back(PRICE);
        }
        assert_eq!(asked(&life, &order).await["status"], "success", "nobody has told of it");
        for id in ["evt_1", "evt_2"] {
            tell(&world, &life, id, kind, &order).await;
            let told = asked(&life, &order).await;
            assert_eq!((&told["status"], &told["needs_attention"]), (&json!("pending"), &json!(true)), "{kind}");
            assert_eq!(told["effects"], "unknown");
        }
        assert_eq!(parked(&life).await, 1);
        assert_eq!(world.alerts(), [AlertKind::OrderParked], "once");
        let replay = life.buy(&session, "key-0001").await;
        assert_eq!(said(&replay), "pending", "the key that bought it is told the same");
        let other = life.buy(&session, "key-0002").await;
        assert_eq!(said(&other), "pending", "the session stays used up");
        let refused = life.call("cancel_order", cancel(&order, "key-0003")).await;
        assert_eq!(said(&refused), "ORDER_NEEDS_ATTENTION");
        assert_eq!((world.shop.count("payment.charge"), world.shop.count("payment.refund")), (1, 0));
        assert_eq!(world.shop.stock(), (0, 1), "what was sold is not touched");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_in_part_leaves_the_order_paid_and_is_told() {
    let world = World::new(Stripe);
    let (life, _, order) = sold(&world).await;
    world.shop.give_back(1000);
    tell(&world, &life, "evt_1", "charge.refunded", &order).await;
    let told = asked(&life, &order).await;
    assert_eq!((&told["status"], &told["effects"]), (&json!("success"), &json!("charged")));
    assert_eq!(told["refunded"], json!({"minor_units": 1000, "currency": "EUR"}));
    assert_eq!((parked(&life).await, world.alerts()), (0, vec![]));
    let back = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(said(&back), "cancelled");
    life.rest().await;
    assert_eq!((world.shop.money(), world.shop.stock()), (0, (0, 0)), "only what stood was given back");
}

#[tokio::test(start_paused = true)]
async fn a_dispute_that_nobody_told_of_is_found_when_the_order_is_taken_back() {
    for profile in [Stripe, Acp, Keyless, KeylessNoCancel] {
        let world = World::new(profile);
        let (life, _, order) = sold(&world).await;
        world.shop.dispute();
        for _ in 0..2 {
            let refused = life.call("cancel_order", cancel(&order, "key-0002")).await;
            assert_eq!(said(&refused), "ORDER_NEEDS_ATTENTION", "{profile:?}");
            life.rest().await;
        }
        assert_eq!(world.shop.count("payment.refund"), 0, "a refund beside a dispute pays twice");
        assert_eq!((parked(&life).await, world.alerts()), (1, vec![AlertKind::OrderParked]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_was_given_back_before_it_was_known_ends_the_sale() {
    for profile in [Stripe, Acp] {
        let world = World::new(profile);
        let life = world.start();
        let session = life.session().await;
        // It is applied, and nothing is heard of it until the attempt is given up.
        world.shop.script("payment.charge", &[Fault::Silence]);
        let sale = life.calling("create_order", purchase(&session, "key-0001"));
        tokio::time::sleep(world.policy.retry.attempt_timeout / 2).await;
        world.shop.give_back(PRICE);
        let sale = sale.await.unwrap();
        life.rest().await;
        let told = life.buy(&session, "key-0001").await;
        assert_eq!((said(&told).as_str(), effects(&told).as_str()), ("PAYMENT_DECLINED", "none"), "{sale:?}");
        assert!(!world.is_whole(&life).await, "{profile:?}");
        assert_eq!(world.shop.count("payment.charge"), 1, "the kept reply of its key says less than the listing");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_in_part_before_the_charge_was_known_is_told() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Silence]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(world.policy.retry.attempt_timeout / 2).await;
    world.shop.give_back(1000);
    let sale = sale.await.unwrap();
    assert_eq!(said(&sale), "success");
    assert_eq!(sale.structured["refunded"], json!({"minor_units": 1000, "currency": "EUR"}));
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_is_disputed_before_it_was_known_is_left_to_a_person() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Silence]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(world.policy.retry.attempt_timeout / 2).await;
    world.shop.dispute();
    let sale = sale.await.unwrap();
    assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), ("pending", "unknown"));
    life.rest().await;
    assert_eq!((world.shop.count("payment.charge"), world.shop.count("payment.refund")), (1, 0));
    assert_eq!((world.shop.stock(), parked(&life).await), ((0, 0), 1), "the stock is free");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_back_while_we_undo_counts_as_ours() {
    let world = World::new(Stripe);
    let (life, _, order) = sold(&world).await;
    world.shop.give_back(PRICE);
    let back = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(said(&back), "cancelled");
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!((world.shop.count("payment.refund"), world.alerts()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_paid_order_is_taken_back_at_once() {
    for profile in [Keyless, KeylessNoCancel] {
        let world = World::new(profile);
        let life = world.start();
        let session = life.session().await;
        let sale = life.buy(&session, "key-0001").await;
        assert_eq!(said(&sale), "success");
        let order = text(&sale, "/order_id");
        let back = life.call("cancel_order", cancel(&order, "key-0002")).await;
        assert_eq!(said(&back), "pending", "{profile:?}");
        life.rest().await;
        assert_eq!(asked(&life, &order).await["status"], "cancelled", "{profile:?}");
        assert!(!world.is_whole(&life).await);
        let again = life.call("cancel_order", cancel(&order, "key-0002")).await;
        assert_eq!(said(&again), "cancelled");
        assert_eq!(world.shop.count("payment.refund"), 1);
    }
}
