//! What a sale comes to when its providers do one thing or another.

use std::time::Duration;

use giftgenius::policy::PaymentProfile::{Acp, Keyless, KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use serde_json::json;

use crate::shop::{Fault, PRICE};
use crate::world::{World, effects, purchase, replayed, said, text};

#[tokio::test(start_paused = true)]
async fn a_sale_goes_through_every_tool_and_each_answers_what_it_promises() {
    let world = World::new(Stripe);
    let life = world.start();
    let ideas = life.call("suggest_gifts", json!({"occasion": "birthday", "budget": 5000})).await;
    let workflow = text(&ideas, "/workflow_id");
    assert!(!life.call("search_products", json!({"query": "tea"})).await.is_error);
    assert!(!life.call("get_payment_methods", json!({})).await.is_error);
    let items = json!([{"sku": "tea-set", "quantity": 1}]);
    let session = json!({"items": items, "currency": "EUR", "workflow_id": workflow});
    let session = text(&life.call("create_checkout_session", session).await, "/checkout_session_id");
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), ("success", "charged"));
    let order = text(&sale, "/order_id");
    assert_eq!(said(&life.call("get_order", json!({"order_id": order})).await), "success");
    let step = json!({"workflow_id": workflow, "step": "choose_gift"});
    assert_eq!(text(&life.call("user_navigated_to_step", step).await, "/step"), "choose_gift");
    assert_eq!(text(&life.call("get_workflow", json!({"workflow_id": workflow})).await, "/order_id"), order);
    let cancel = json!({"order_id": order, "idempotency_key": "key-0002"});
    assert_eq!(said(&life.call("cancel_order", cancel).await), "cancelled");
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!(said(&life.call("get_order", json!({"order_id": order})).await), "cancelled");
    assert_eq!(world.alerts(), []);
}

#[tokio::test(start_paused = true)]
async fn a_decline_leaves_nothing_and_the_session_can_be_paid_with_another_card() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Status(402, "card_declined", None)]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), ("PAYMENT_DECLINED", "none"));
    assert!(!world.is_whole(&life).await);
    assert_eq!(replayed(&life.buy(&session, "key-0001").await), sale.structured, "the same key tells the same");
    assert_eq!(said(&life.buy(&session, "key-0002").await), "success");
    assert!(world.is_whole(&life).await);
}

/// Each fault of the charge, under each kind of provider: one charge or none, and a true word about it.
#[tokio::test(start_paused = true)]
async fn no_fault_of_the_charge_charges_twice_or_tells_an_untruth() {
    let faults = [
        Fault::NotSent,
        Fault::LostReply,
        Fault::LostRequest,
        Fault::Status(500, "internal", None),
        Fault::Status(429, "rate_limited", Some("3")),
        Fault::Status(408, "too_slow", None),
        Fault::Status(409, "in_flight", Some("1")),
        Fault::Status(400, "invalid_request", None),
        Fault::Status(402, "card_declined", None),
        Fault::Status(401, "unauthorized", None),
        Fault::Status(503, "unavailable", Some("0")),
        Fault::Between(499, ""),
        Fault::Between(403, "<html>Forbidden</html>"),
        Fault::Between(409, r#"{"error":{"code":"conflict"}}"#),
        Fault::Between(429, "slow down"),
        Fault::Between(503, r#"{"error":"no upstream"}"#),
        Fault::Between(308, ""),
        Fault::Between(200, "<html>Welcome</html>"),
        Fault::Between(520, "<html>"),
        Fault::Silence,
        Fault::Twice,
        Fault::Amount(PRICE + 1),
        Fault::Slow(Duration::from_secs(5)),
    ];
    for profile in [Stripe, Acp, Keyless, KeylessNoCancel] {
        for fault in &faults {
            for more in [Fault::Fine, Fault::LostReply, Fault::Status(500, "internal", None)] {
                let world = World::new(profile);
                let life = world.start();
                let session = life.session().await;
                world.shop.script("payment.charge", &[fault.clone(), more.clone()]);
                let shown = format!("{profile:?} {fault:?} then {more:?}");
                let sale = life.buy(&session, "key-0001").await;
                let told = (said(&sale), effects(&sale));
                if told.1 == "none" {
                    assert_eq!(world.shop.money(), 0, "{shown}: {told:?}");
                }
                life.rest().await;
                let twice = matches!(fault, Fault::Twice) && profile.deduplicates();
                if twice {
                    // A provider that breaks its word on keys: a person was called.
                    assert_eq!(world.shop.money() % PRICE, 0, "{shown}");
                    continue;
                }
                let paid = world.is_whole(&life).await;
                match told.0.as_str() {
                    "success" => assert!(paid, "{shown}"),
                    "pending" => {}
                    _ => assert!(!paid, "{shown}: {told:?}"),
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_booked_and_then_refused_is_taken_back_whole() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.commit", &[Fault::LostReply, Fault::Status(400, "invalid_request", None)]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), ("INVENTORY_REFUSED", "none"));
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!(world.shop.count("inventory.restock"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_for_a_while_goes_forward_behind_a_pending() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.commit", &vec![Fault::Status(503, "down", None); 6]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), ("pending", "charged"));
    life.rest().await;
    assert!(world.is_whole(&life).await);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "success");
}

#[tokio::test(start_paused = true)]
async fn undoing_does_not_outlive_the_caller_in_the_foreground() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Status(402, "card_declined", None)]);
    // Longer than a lease, if it were waited for in between.
    world.shop.script("inventory.release", &vec![Fault::Status(503, "down", Some("30")); 2]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let counts = life.app.saga_counts().await.unwrap();
    assert_eq!(counts.open, 1);
    let sale = sale.await.unwrap();
    assert_eq!(said(&sale), "pending");
    let order = world.order(&life, &text(&sale, "/order_id")).await;
    assert!(order.background_rounds > 0, "the background has it, under a lease of its own length");
    life.rest().await;
    assert!(!world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_answered_at_the_deadline_even_in_the_middle_of_an_attempt() {
    let world = World::new(Stripe);
    let life = world.start();
    // The world's `call` holds every answer to the deadline.
    let late = Fault::Status(503, "down", Some("24"));
    world.shop.script("catalog.search", &[late, Fault::Silence, Fault::Silence, Fault::Silence]);
    let found = life.call("search_products", json!({"query": "tea"})).await;
    assert_eq!(said(&found), "CATALOG_UNAVAILABLE");
    assert!(world.shop.count("catalog.search") >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_something_in_between_refused_is_released() {
    for between in [Fault::Between(499, ""), Fault::Between(409, r#"{"error":{"code":"conflict"}}"#)] {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script("inventory.reserve", &vec![between; 4]);
        let sale = life.buy(&session, "key-0001").await;
        assert_eq!(
            (said(&sale).as_str(), &sale.structured["error"]["retryable"]),
            ("INVENTORY_UNAVAILABLE", &json!(true))
        );
        life.rest().await;
        assert_eq!(world.shop.stock(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_accepted_is_a_page_at_once_and_no_refusal() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Status(401, "unauthorized", None)]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!((said(&sale).as_str(), world.shop.count("payment.charge")), ("PAYMENT_UNAVAILABLE", 1));
    assert_eq!(world.alerts(), [AlertKind::ProviderDown]);
    assert!(world.log_text().contains("API key"));
    life.rest().await;
    assert_eq!((world.shop.money(), world.shop.stock()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_says_beyond_its_codes_is_told_to_nobody() {
    let world = World::new(Stripe);
    let life = world.start();
    for code in ["stolen_card", "sk_live_51h8c0ffee", "4111113371337113", "10.0.0.7:80", "at Charge.java:1"] {
        let session = life.session().await;
        for operation in ["payment.charge", "inventory.reserve", "catalog.quote"] {
            for status in [400, 402, 404, 409, 500] {
                world.shop.script(operation, &vec![Fault::Status(status, code, None); 4]);
                let reply = if operation == "catalog.quote" {
                    let items = json!([{"sku": "tea-set", "quantity": 1}]);
                    life.call("create_checkout_session", json!({"items": items, "currency": "EUR"})).await
                } else {
                    life.buy(&session, &format!("key-{operation}-{status}-{}", code.len())).await
                };
                world.shop.script(operation, &[]);
                let told = format!("{}{}", reply.structured, world.log_text());
                assert!(!told.contains(code) && !told.contains("free text"), "{operation} {status} {code}: {told}");
                life.rest().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_that_cannot_be_given_back_parks_the_order_and_takes_no_word_back() {
    let world = World::new(Keyless);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Twice]);
    world.shop.script("payment.refund", &[Fault::Status(400, "invalid_request", None)]);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "success");
    life.rest().await;
    assert_eq!(life.app.saga_counts().await.unwrap().parked, 1);
    let order = text(&sale, "/order_id");
    assert_eq!(said(&life.call("get_order", json!({"order_id": order})).await), "success");
    assert_eq!(life.buy(&session, "key-0001").await.structured, sale.structured);
    let cancel = json!({"order_id": order, "idempotency_key": "key-0002"});
    assert_eq!(said(&life.call("cancel_order", cancel).await), "ORDER_NEEDS_ATTENTION");
    assert_eq!(world.alerts(), [AlertKind::DoubleCharge, AlertKind::OrderParked]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_more_time_than_there_is_ends_the_sale_with_that_time_told() {
    for (operation, code) in [("inventory.reserve", "INVENTORY_UNAVAILABLE"), ("payment.charge", "PAYMENT_UNAVAILABLE")]
    {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script(operation, &[Fault::Status(429, "rate_limited", Some("60"))]);
        let sale = life.buy(&session, "key-0001").await;
        assert_eq!((said(&sale).as_str(), effects(&sale).as_str()), (code, "none"));
        assert_eq!(sale.structured["error"]["retry_after_ms"], 60_000);
        assert_eq!(world.shop.count(operation), 1);
        assert!(!world.is_whole(&life).await);
        assert_eq!(said(&life.buy(&session, "key-0001").await), "success", "retryable, and it was");
    }
}
