//! Deaths between any two steps, and callers that go away between any two polls.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use giftgenius::operations::housekeeping::housekeeping;
use giftgenius::operations::switches;
use giftgenius::policy::PaymentProfile::{Keyless, KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use serde_json::json;

use crate::shop::Fault;
use crate::store::Store;
use crate::world::{Life, World, purchase, said, text};

/// Dies after `steps` steps of a sale (a cancellation follows it), starts again, and answers whether it had died.
async fn survives(world: &World, steps: usize, cancels: bool) -> bool {
    let life = world.start();
    let session = life.session().await;
    if !cancels {
        world.fuse.set(steps);
    }
    let life = std::sync::Arc::new(life);
    let acting = {
        let (life, session) = (life.clone(), session.clone());
        async move {
            let sale = life.buy(&session, "key-0001").await;
            if cancels {
                life.rest().await;
                let order = json!({"order_id": text(&sale, "/order_id"), "idempotency_key": "key-0002"});
                life.call("cancel_order", order).await;
            }
            life.rest().await;
        }
    };
    if cancels {
        // The sale is whole before the fuse is lit.
        life.buy(&session, "key-0001").await;
        life.rest().await;
        world.fuse.set(steps);
    }
    let died = tokio::select! {
        biased;
        () = acting => false,
        () = world.fuse.blown() => true,
    };
    std::sync::Arc::into_inner(life).expect("nobody else holds it").crash().await;
    world.fuse.set(usize::MAX);
    let life = world.start();
    life.app.recover().await.unwrap();
    life.rest().await;
    let paid = world.is_whole(&life).await;
    let again = life.buy(&session, "key-0001").await;
    life.rest().await;
    match said(&again).as_str() {
        "success" if cancels => {}
        "success" => assert!(world.is_whole(&life).await, "after {steps} steps"),
        _ => assert!(!paid, "after {steps} steps: {}", again.structured),
    }
    died
}

#[tokio::test(start_paused = true)]
async fn a_death_after_any_step_of_a_sale_leaves_a_whole_sale_or_nothing() {
    for profile in [Stripe, Keyless, KeylessNoCancel] {
        for faults in
            [[Fault::Fine, Fault::Fine], [Fault::LostReply, Fault::Fine], [Fault::LostRequest, Fault::LostReply]]
        {
            let mut steps = 0;
            loop {
                let world = World::new(profile);
                world.shop.script("payment.charge", &faults);
                if !survives(&world, steps, false).await {
                    break;
                }
                steps += 1;
            }
            assert!(steps > 20, "{steps} steps are no sale");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_after_any_step_of_a_cancellation_leaves_a_whole_sale_or_nothing() {
    let mut steps = 0;
    while survives(&World::new(Stripe), steps, true).await {
        steps += 1;
    }
    assert!(steps > 10, "{steps} steps are no cancellation");
}

/// Polls a call so often at most, and drops it; whether it was answered.
async fn answered_within<T>(polls: usize, call: impl Future<Output = T>) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_at_any_point_leaves_a_whole_sale_or_nothing() {
    for polls in 0.. {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        let answered = answered_within(polls, life.buy(&session, "key-0001")).await;
        life.rest().await;
        world.is_whole(&life).await;
        if answered {
            break;
        }
        assert!(polls < 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_while_it_cancels_leaves_a_whole_sale_or_nothing() {
    for polls in 0.. {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        let order = text(&life.buy(&session, "key-0001").await, "/order_id");
        life.rest().await;
        let cancel = json!({"order_id": order, "idempotency_key": "key-0002"});
        let answered = answered_within(polls, life.call("cancel_order", cancel)).await;
        life.rest().await;
        world.is_whole(&life).await;
        if answered {
            break;
        }
        assert!(polls < 10_000);
    }
}

/// Begins a sale, and ends its process while it waits for an operation's reply; answers the session.
async fn dies_waiting_for(operation: &'static str, world: &World, life: Life) -> String {
    let session = life.session().await;
    world.shop.script(operation, &[Fault::Silence]);
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    sale.abort();
    life.crash().await;
    session
}

#[tokio::test(start_paused = true)]
async fn a_sale_that_died_before_its_charge_goes_back_while_checkout_is_off() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = dies_waiting_for("inventory.reserve", &world, life).await;
    switches::set_checkout(&*world.journal, false).await.unwrap();
    let life = world.start();
    life.app.recover().await.unwrap();
    life.rest().await;
    assert!(!world.is_whole(&life).await);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "CHECKOUT_TEMPORARILY_DISABLED");
    assert_eq!(world.shop.count("payment.charge"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_living_replica_takes_up_what_a_dead_one_left() {
    let world = World::new(Stripe);
    let (dying, living) = (world.start(), world.start());
    let keeping = tokio::spawn(housekeeping(living.app.clone()));
    dies_waiting_for("payment.charge", &world, dying).await;
    tokio::time::sleep(Duration::from_secs(150)).await;
    keeping.abort();
    living.rest().await;
    assert!(world.is_whole(&living).await, "the charge had landed");
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_one_round_of_housekeeping_ends_none_that_follow() {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), world.fuse.clone()));
    let (dying, living) = (world.start(), world.start_on(store.clone()));
    dies_waiting_for("payment.charge", &world, dying).await;
    store.set_panics(2);
    let keeping = tokio::spawn(housekeeping(living.app.clone()));
    tokio::time::sleep(Duration::from_secs(330)).await;
    assert_eq!(store.panics_left(), 0, "the rounds did look");
    assert!(!keeping.is_finished(), "it goes on");
    keeping.abort();
    living.rest().await;
    assert!(world.is_whole(&living).await, "the charge had landed");
}

#[tokio::test(start_paused = true)]
async fn recovery_leaves_an_order_to_its_driver_here_however_the_calendar_is_set() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = dies_waiting_for("payment.charge", &world, life).await;
    let life = world.start();
    life.app.recover().await.unwrap();
    // Recovery sleeps until the lease has run out; by the calendar it has, and a caller takes the order over at once.
    world.jump(Duration::from_secs(60));
    world.shop.script("inventory.commit", &vec![Fault::NotSent; 3]);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "pending");
    // The rounds are 5, 10 and 20 s apart; recovery wakes in the middle of the last pause, and the lease seems over.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.shop.count("inventory.commit"), 3);
    world.jump(Duration::from_secs(600));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(world.shop.count("inventory.commit"), 3, "its driver still waits");
    life.rest().await;
    assert_eq!(world.shop.count("inventory.commit"), 4);
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_person_is_called_to_a_parked_order_wherever_the_process_dies() {
    for steps in 0.. {
        let world = World::new(Stripe);
        let life = world.start();
        let session = life.session().await;
        let sale = life.buy(&session, "key-0001").await;
        life.rest().await;
        world.shop.script("payment.refund", &vec![Fault::Status(403, "forbidden", None); 9]);
        world.fuse.set(steps);
        let acting = async {
            let order = json!({"order_id": text(&sale, "/order_id"), "idempotency_key": "key-0002"});
            life.call("cancel_order", order).await;
            life.rest().await;
        };
        let died = tokio::select! {
            biased;
            () = acting => false,
            () = world.fuse.blown() => true,
        };
        life.crash().await;
        world.fuse.set(usize::MAX);
        // Once more than needed: a person who was called is not called again.
        for _ in 0..2 {
            let life = world.start();
            life.app.recover().await.unwrap();
            life.rest().await;
            life.crash().await;
        }
        let life = world.start();
        let parked = life.app.saga_counts().await.unwrap().parked;
        let called = world.alerts().iter().filter(|alert| **alert == AlertKind::OrderParked).count();
        // Twice if it died between the call and the note that it was made.
        assert!((parked..=parked * 2).contains(&called), "after {steps} steps: {parked} parked, called {called} times");
        if !died {
            assert_eq!((parked, called), (1, 1));
            return;
        }
    }
}
