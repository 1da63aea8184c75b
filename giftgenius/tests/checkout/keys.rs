//! Keys: the same call twice, at once, in two processes, with other arguments.

use std::time::Duration;

use giftgenius::policy::PaymentProfile::{Keyless, Stripe};
use serde_json::{Value, json};

use crate::shop::Fault;
use crate::world::{World, purchase, replayed, said, text};

#[tokio::test(start_paused = true)]
async fn two_processes_with_the_same_call_at_once_charge_once_and_answer_alike() {
    for profile in [Stripe, Keyless] {
        let world = World::new(profile);
        let (one, other) = (world.start(), world.start());
        let session = one.session().await;
        world.shop.script("payment.charge", &[Fault::Slow(Duration::from_secs(1))]);
        let calls = (
            one.calling("create_order", purchase(&session, "key-0001")),
            other.calling("create_order", purchase(&session, "key-0001")),
        );
        let (first, second) = (calls.0.await.unwrap(), calls.1.await.unwrap());
        assert_eq!(said(&first), "success");
        assert_eq!(first.structured, second.structured);
        one.rest().await;
        other.rest().await;
        assert!(world.is_whole(&one).await);
        assert_eq!(world.shop.count("payment.charge"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_double_click_with_two_keys_buys_once() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let calls = (
        life.calling("create_order", purchase(&session, "key-0001")),
        life.calling("create_order", purchase(&session, "key-0002")),
    );
    let (first, second) = (calls.0.await.unwrap(), calls.1.await.unwrap());
    assert_eq!(first.structured, second.structured);
    assert!(world.is_whole(&life).await);
    assert_eq!(replayed(&life.buy(&session, "key-0002").await), second.structured);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_other_arguments_is_refused() {
    let world = World::new(Stripe);
    let life = world.start();
    let (session, other) = (life.session().await, life.session().await);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "success");
    assert_eq!(said(&life.buy(&other, "key-0001").await), "IDEMPOTENCY_KEY_CONFLICT");
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_forgotten_after_its_time_still_buys_nothing_twice() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let first = life.buy(&session, "key-0001").await;
    tokio::time::sleep(world.policy.entry_retention * 2).await;
    let again = life.buy(&session, "key-0001").await;
    assert_eq!(text(&again, "/order_id"), text(&first, "/order_id"));
    assert!(world.is_whole(&life).await);
    assert_eq!(world.shop.count("payment.charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_sale_was_rolled_back_runs_again_as_another_order() {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script("inventory.reserve", &vec![Fault::NotSent; 4]);
    let failed = life.buy(&session, "key-0001").await;
    assert_eq!(said(&failed), "INVENTORY_UNAVAILABLE");
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "success");
    assert_ne!(text(&sale, "/order_id"), text(&failed, "/error/order_id"));
    assert!(world.is_whole(&life).await);
}

fn session(key: &str, workflow: Option<&str>, budget: u32) -> Value {
    let items = json!([{"sku": "tea-set", "quantity": 1}]);
    let mut arguments = json!({"items": items, "currency": "EUR", "idempotency_key": key, "budget": budget});
    if let Some(workflow) = workflow {
        arguments["workflow_id"] = workflow.into();
    }
    arguments
}

#[tokio::test(start_paused = true)]
async fn two_sessions_under_one_key_at_once_are_one() {
    let world = World::new(Stripe);
    let life = world.start();
    let calls = (
        life.calling("create_checkout_session", session("key-0001", None, 9000)),
        life.calling("create_checkout_session", session("key-0001", None, 9000)),
    );
    let (first, second) = (calls.0.await.unwrap(), calls.1.await.unwrap());
    assert!(!first.is_error);
    assert_eq!(first.structured, second.structured);
    assert_eq!(world.shop.count("catalog.quote"), 2, "both were on their way");
}

#[tokio::test(start_paused = true)]
async fn two_sessions_under_one_key_with_other_arguments_are_not_mixed_up() {
    let world = World::new(Stripe);
    let life = world.start();
    let calls = (
        life.calling("create_checkout_session", session("key-0001", None, 9000)),
        life.calling("create_checkout_session", session("key-0001", None, 8000)),
    );
    let replies = [calls.0.await.unwrap(), calls.1.await.unwrap()];
    let mut conflicts = replies.iter().filter(|reply| reply.is_error);
    assert_eq!(conflicts.next().map(said).as_deref(), Some("IDEMPOTENCY_KEY_CONFLICT"));
    assert!(conflicts.next().is_none(), "one of them has the key");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_fails_while_its_twin_succeeds_is_the_twins() {
    let world = World::new(Stripe);
    let life = world.start();
    world.shop.script(
        "catalog.quote",
        &[Fault::Fine, Fault::Status(503, "down", None), Fault::Status(409, "out_of_stock", None)],
    );
    let calls = (
        life.calling("create_checkout_session", session("key-0001", None, 9000)),
        life.calling("create_checkout_session", session("key-0001", None, 9000)),
    );
    let (first, second) = (calls.0.await.unwrap(), calls.1.await.unwrap());
    assert!(!first.is_error);
    assert_eq!(first.structured, second.structured);
}

#[tokio::test(start_paused = true)]
async fn sessions_of_one_workflow_at_once_do_not_fail_over_it() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = text(&life.call("suggest_gifts", json!({})).await, "/workflow_id");
    let calls: Vec<_> = ["key-0001", "key-0002", "key-0003"]
        .map(|key| life.calling("create_checkout_session", session(key, Some(&workflow), 9000)))
        .into();
    for call in calls {
        assert!(!call.await.unwrap().is_error);
    }
}
