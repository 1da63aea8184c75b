//! Taking orders back: before the charge, during it, after it, twice, and while the sale is just ending.

use std::time::Duration;

use giftgenius::checkout::entry::{EntryKey, EntryState};
use giftgenius::journal::{Record, RecordState};
use giftgenius::policy::PaymentProfile::Stripe;
use giftgenius::ports::Journal as _;
use serde_json::{Value, json};

use crate::shop::Fault;
use crate::world::{World, effects, purchase, replayed, said, text};

fn cancel(order: &str, key: &str) -> Value {
    json!({"order_id": order, "idempotency_key": key})
}

/// The order that is being worked on.
async fn open_order(world: &World) -> String {
    let open = world.journal.list(RecordState::OrderOpen).await.unwrap();
    let Record::Order(order) = &*open[0].record else { panic!("an order") };
    order.id.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_before_the_charge_goes_back_and_is_told_the_same_twice() {
    for release in [Fault::Fine, Fault::LostReply] {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script("inventory.reserve", &[Fault::Slow(Duration::from_secs(1))]);
        world.shop.script("inventory.release", &[release]);
        let sale = life.calling("create_order", purchase(&session, "key-0001"));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let order = open_order(&world).await;
        let first = life.call("cancel_order", cancel(&order, "key-0002")).await;
        assert_eq!((said(&first).as_str(), effects(&first).as_str()), ("cancelled", "none"));
        assert_eq!(said(&sale.await.unwrap()), "ORDER_CANCELLED");
        assert!(!world.is_whole(&life).await);
        assert_eq!(world.shop.count("payment.charge"), 0);
        let again = life.call("cancel_order", cancel(&order, "key-0002")).await;
        assert_eq!(replayed(&again), first.structured);
        assert_eq!(said(&life.buy(&session, "key-0003").await), "SESSION_EXPIRED", "a cancelled session stays closed");
    }
}

#[tokio::test(start_paused = true)]
async fn two_cancellations_before_the_charge_are_both_answered() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.reserve", &[Fault::Slow(Duration::from_secs(1))]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let order = open_order(&world).await;
    let calls = ["key-0002", "key-0003"].map(|key| life.calling("cancel_order", cancel(&order, key)));
    let mut told = Vec::new();
    for call in calls {
        told.push(call.await.unwrap().structured);
    }
    sale.await.unwrap();
    for key in ["key-0002", "key-0003"] {
        let key = EntryKey { user: "ann".into(), tool: "cancel_order".into(), key: key.into() };
        // The key that came second need not be bound, but no key may be left behind as in progress.
        let state = life.app.entry(&key).await.unwrap().map(|(_, entry)| entry.state);
        assert!(matches!(state, None | Some(EntryState::Done { .. })), "left behind: {state:?}");
    }
    for (key, told) in ["key-0002", "key-0003"].into_iter().zip(told) {
        assert_eq!(told["status"], "cancelled");
        let again = life.call("cancel_order", cancel(&order, key)).await;
        // A key that was not bound is bound to that answer now.
        let is_bound = again.structured["replayed"] == true;
        assert_eq!(if is_bound { replayed(&again) } else { again.structured }, told);
    }
    assert!(!world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_of_a_sale_that_fails_by_itself_is_told_the_same_twice() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.reserve", &[Fault::Slow(Duration::from_secs(3))]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let order = open_order(&world).await;
    world.shop.script("inventory.reserve", &[Fault::Status(409, "out_of_stock", None)]);
    let first = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(said(&sale.await.unwrap()), "OUT_OF_STOCK");
    assert_eq!(said(&first), "cancelled");
    assert_eq!(replayed(&life.call("cancel_order", cancel(&order, "key-0002")).await), first.structured);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_while_the_charge_is_unsettled_is_refused_and_changes_nothing() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("payment.charge", &[Fault::Slow(Duration::from_secs(1))]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let order = open_order(&world).await;
    let refused = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!((said(&refused).as_str(), effects(&refused).as_str()), ("ORDER_IN_PROGRESS", "unknown"));
    assert_eq!(said(&sale.await.unwrap()), "success");
    assert!(world.is_whole(&life).await);
    let taken_back = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(said(&taken_back), "cancelled", "retryable: the same key goes through once it is settled");
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    let again = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(replayed(&again), taken_back.structured);
}

/// The journal has the sale's ending before the sale's driver knows; whoever cancels just then begins a driver beside it.
#[tokio::test(start_paused = true)]
async fn a_cancellation_at_the_instant_a_sale_ends_is_driven_to_its_end() {
    for late in 0..40 {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        world.shop.script("inventory.commit", &[Fault::Slow(Duration::from_secs(1))]);
        let sale = life.calling("create_order", purchase(&session, "key-0001"));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let order = open_order(&world).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..late {
            tokio::task::yield_now().await;
        }
        life.call("cancel_order", cancel(&order, "key-0002")).await;
        sale.await.unwrap();
        life.rest().await;
        world.is_whole(&life).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_takes_up_an_order_whose_owner_has_died() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.reserve", &[Fault::Silence]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let order = open_order(&world).await;
    sale.abort();
    life.crash().await;
    tokio::time::sleep(world.policy.lease).await;
    let life = world.start();
    let reply = life.call("cancel_order", cancel(&order, "key-0002")).await;
    assert_eq!(said(&reply), "cancelled");
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!(text(&reply, "/order_id"), order);
}
