//! What operations see: the health page's providers, and alerts that are raised once.

use giftgenius::app::ToolCall;
use giftgenius::operations::health::{Status, health};
use giftgenius::policy::PaymentProfile::{Keyless, KeylessNoCancel, Stripe};
use giftgenius::step_log::AlertKind;
use serde_json::json;

use crate::shop::Fault;
use crate::world::{World, said};

#[tokio::test(start_paused = true)]
async fn a_provider_is_unknown_then_ok_then_down_then_ok() {
    let world = World::new(Stripe);
    let life = world.start();
    let search = || life.call("search_products", json!({"query": "tea"}));
    let catalog = async || health(&life.app).await.providers.catalog;
    assert_eq!(catalog().await, "unknown");
    search().await;
    assert_eq!(catalog().await, "ok");
    world.shop.script("catalog.search", &vec![Fault::NotSent; 4]);
    search().await;
    assert_eq!(catalog().await, "down");
    assert_eq!(health(&life.app).await.status, Status::Degraded);
    assert_eq!(health(&life.app).await.providers.payment, "unknown", "each for itself");
    world.shop.script("catalog.search", &[Fault::Status(429, "rate_limited", None)]);
    search().await;
    assert_eq!(catalog().await, "ok", "a provider that says not now is there");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_down_is_alerted_once_until_it_answers_again() {
    let world = World::new(Stripe);
    let life = world.start();
    for _ in 0..2 {
        world.shop.script("catalog.search", &vec![Fault::Status(503, "down", None); 11]);
        while life.call("search_products", json!({"query": "tea"})).await.is_error {
            tokio::time::sleep(world.policy.budget.window).await;
        }
    }
    assert_eq!(world.alerts(), [AlertKind::ProviderDown, AlertKind::ProviderDown]);
}

#[tokio::test(start_paused = true)]
async fn a_double_charge_that_shows_is_alerted_once_an_order_and_given_back_where_it_can_be() {
    for profile in [Keyless, KeylessNoCancel] {
        let world = World::new(profile);
        let life = world.start();
        let session = life.session().await;
        world.shop.script("payment.charge", &[Fault::Twice]);
        world.shop.script("payment.refund", &[Fault::LostRequest]);
        assert_eq!(said(&life.buy(&session, "key-0001").await), "success");
        life.rest().await;
        assert!(world.is_whole(&life).await);
        assert!(world.shop.count("payment.look_up") > 1, "it was seen more than once");
        assert_eq!(world.alerts(), [AlertKind::DoubleCharge]);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_tools_that_there_are_not_count_and_are_summed_up_beyond_the_limit() {
    let mut world = World::new(Stripe);
    world.policy.users.calls_max = 3;
    let life = world.start();
    let made_up = async |user: &str| {
        let call = ToolCall {
            name: String::from("creat_order"),
            arguments: json!({}).into(),
            user: user.into(),
            correlation_id: None,
            idempotency_key: None,
        };
        life.app.call_tool(call).await.unwrap_err().to_string()
    };
    let lines = |words: &str| world.log_text().matches(words).count();
    for _ in 0..1000 {
        assert_eq!(made_up("ann").await, "unknown tool `creat_order`; did you mean `create_order`?");
    }
    assert_eq!(lines(r#""step_id":"unknown_tool""#), 6, "as many as calls are taken, two lines each");
    assert_eq!(lines("unknown_tools_held_off"), 1);
    made_up("bob").await;
    assert_eq!(lines(r#""step_id":"unknown_tool""#), 8, "nobody else is concerned");
    assert_eq!(said(&life.call("search_products", json!({"query": "tea"})).await), "LIMIT_REACHED");
    tokio::time::advance(world.policy.users.calls_window).await;
    for _ in 0..4 {
        made_up("ann").await;
    }
    assert_eq!(lines("unknown_tools_held_off"), 2);
    assert!(
        world.log_text().contains(r#""count":997"#),
        "the 996 since the first line, and the one that this is written at"
    );
}
