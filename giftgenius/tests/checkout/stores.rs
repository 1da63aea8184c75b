//! A store that fails: before the sale, in the middle, and after it has written what it says it has not.

use std::sync::Arc;

use giftgenius::policy::PaymentProfile::{KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use serde_json::json;

use crate::shop::Fault;
use crate::store::Store;
use crate::world::{World, effects, purchase, said, text};

#[tokio::test(start_paused = true)]
async fn no_sale_begins_while_the_store_is_down() {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), world.fuse.clone()));
    let life = world.start_on(store.clone());
    let session = life.session().await;
    store.set_down(true);
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "STORE_UNAVAILABLE");
    assert_eq!(world.shop.count("inventory.reserve") + world.shop.count("payment.charge"), 0);
    store.set_down(false);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "success", "retryable, and it was");
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_paid_key_stands_for_is_not_denied_while_the_store_is_down() {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), world.fuse.clone()));
    let life = world.start_on(store.clone());
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    store.set_down(true);
    let calls = [
        ("create_order", purchase(&session, "key-0001")),
        ("get_order", json!({"order_id": order})),
        ("cancel_order", json!({"order_id": order, "idempotency_key": "key-0002"})),
    ];
    for (tool, arguments) in calls {
        let reply = life.call(tool, arguments).await;
        assert_eq!((said(&reply).as_str(), effects(&reply).as_str()), ("STORE_UNAVAILABLE", "unknown"), "{tool}");
        assert!(!text(&reply, "/error/user_message").contains("not charged"), "{tool}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_anywhere_leads_to_no_request_without_its_intent() {
    for profile in [Stripe, KeylessNoCancel] {
        for written in [false, true] {
            // The first commit opens the session; a sale takes five or six more.
            for number in 1..9 {
                let world = World::new(profile);
                let life = world.start_on(Arc::new(Store::failing(world.journal.clone(), number, written)));
                let session = life.session().await;
                let sale = life.buy(&session, "key-0001").await;
                let shown = format!("{profile:?}, commit {number}, written {written}: {}", sale.structured);
                life.rest().await;
                let recovered = world.start();
                recovered.app.recover().await.unwrap();
                recovered.rest().await;
                let paid = world.is_whole(&recovered).await;
                if effects(&sale) == "none" {
                    assert!(!paid, "{shown}");
                }
                let again = recovered.buy(&session, "key-0001").await;
                recovered.rest().await;
                assert_eq!(said(&again), "success", "{shown}");
                assert!(world.is_whole(&recovered).await, "{shown}");
                assert_eq!(world.alerts(), [], "{shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_order_is_alerted_once_even_if_its_last_commit_is_written_and_reported_as_failed() {
    for number in 1..9 {
        let world = World::new(Stripe);
        let life = world.start_on(Arc::new(Store::failing(world.journal.clone(), number, true)));
        let session = life.session().await;
        world.shop.script("payment.charge", &[Fault::Status(402, "card_declined", None)]);
        world.shop.script("inventory.release", &[Fault::Status(400, "invalid_request", None)]);
        life.buy(&session, "key-0001").await;
        life.rest().await;
        // The commit that begins the sale leaves it to whoever comes next.
        life.app.recover().await.unwrap();
        life.rest().await;
        assert_eq!(life.app.saga_counts().await.unwrap().parked, 1, "commit {number}");
        assert_eq!(world.alerts(), [AlertKind::OrderParked], "commit {number}");
    }
}
