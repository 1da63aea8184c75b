//! Steps: which tools may act where, what moving does to a sale and its price, and what ends a loop.

use std::time::Duration;

use giftgenius::app::ToolReply;
use giftgenius::policy::PaymentProfile::Stripe;
use serde_json::{Value, json};

use crate::shop::Fault;
use crate::world::{Life, World, purchase, said, text};

async fn ideas(life: &Life) -> String {
    text(&life.call("suggest_gifts", json!({"occasion": "birthday", "budget": 5000})).await, "/workflow_id")
}

async fn checkout(life: &Life, workflow: &str) -> ToolReply {
    let items = json!([{"sku": "tea-set", "quantity": 1}]);
    life.call("create_checkout_session", json!({"items": items, "currency": "EUR", "workflow_id": workflow})).await
}

async fn go(life: &Life, workflow: &str, step: &str) -> ToolReply {
    life.call("user_navigated_to_step", json!({"workflow_id": workflow, "step": step})).await
}

async fn step(life: &Life, workflow: &str) -> String {
    text(&life.call("get_workflow", json!({ "workflow_id": workflow })).await, "/step")
}

fn error<'a>(reply: &'a ToolReply, field: &str) -> &'a Value {
    &reply.structured["error"][field]
}

#[tokio::test(start_paused = true)]
async fn a_call_out_of_step_is_refused_says_where_the_workflow_is_and_changes_nothing() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    let reply = life.call("suggest_gifts", json!({ "workflow_id": workflow })).await;
    assert_eq!(said(&reply), "OUT_OF_STEP");
    assert_eq!(error(&reply, "step"), "checkout");
    let allowed = error(&reply, "allowed_tools").as_array().unwrap();
    assert!(allowed.contains(&json!("create_order")) && allowed.contains(&json!("user_navigated_to_step")));
    assert_eq!(step(&life, &workflow).await, "checkout");
    assert_eq!(said(&life.buy(&session, "key-0001").await), "success", "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_goes_back_leaves_the_price_behind() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    assert_eq!(text(&go(&life, &workflow, "generate_ideas").await, "/step"), "generate_ideas");
    let reply = life.buy(&session, "key-0001").await;
    assert_eq!((said(&reply).as_str(), error(&reply, "step")), ("OUT_OF_STEP", &json!("generate_ideas")));
    assert!(!life.call("suggest_gifts", json!({ "workflow_id": workflow })).await.is_error);
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    assert_eq!(said(&life.buy(&session, "key-0002").await), "success");
    assert_eq!(world.shop.count("payment.charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_prices_of_one_workflow_only_the_newer_can_be_paid() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let first = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    let second = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    assert_eq!(said(&life.buy(&first, "key-0001").await), "OUT_OF_STEP");
    assert_eq!(said(&life.buy(&second, "key-0002").await), "success");
    let third = checkout(&life, &workflow).await;
    assert_eq!(said(&third), "OUT_OF_STEP", "the gift is paid; another one is another step");
    assert_eq!(text(&go(&life, &workflow, "choose_gift").await, "/step"), "choose_gift");
    assert!(!checkout(&life, &workflow).await.is_error);
    assert_eq!(world.shop.count("payment.charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn two_prices_frozen_at_once_leave_one_that_can_be_paid() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let arguments = json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR", "workflow_id": workflow});
    let calls = [
        life.calling("create_checkout_session", arguments.clone()),
        life.calling("create_checkout_session", arguments),
    ];
    let mut said_of = Vec::new();
    for (index, call) in calls.into_iter().enumerate() {
        let session = text(&call.await.unwrap(), "/checkout_session_id");
        said_of.push(said(&life.buy(&session, &format!("key-000{index}")).await));
    }
    said_of.sort();
    assert_eq!(said_of, ["OUT_OF_STEP", "success"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_after_the_person_moved_does_not_move_them_on() {
    for (tool, operation) in [("create_checkout_session", "catalog.quote"), ("suggest_gifts", "catalog.search")] {
        let world = World::new(Stripe);
        let life = world.start();
        let workflow = ideas(&life).await;
        world.shop.script(operation, &[Fault::Slow(Duration::from_millis(500))]);
        let arguments = match tool {
            "suggest_gifts" => json!({"budget": 3000, "workflow_id": workflow}),
            _ => json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR", "workflow_id": workflow}),
        };
        let late = life.calling(tool, arguments.clone());
        tokio::time::sleep(Duration::from_millis(100)).await;
        // There and back: that it stands where it stood is no proof that nobody moved it.
        assert!(!checkout(&life, &workflow).await.is_error);
        assert!(!go(&life, &workflow, "generate_ideas").await.is_error);
        let late = late.await.unwrap();
        assert_eq!((said(&late).as_str(), error(&late, "step")), ("OUT_OF_STEP", &json!("generate_ideas")), "{tool}");
        assert_eq!(step(&life, &workflow).await, "generate_ideas", "{tool}");
        assert!(!life.call(tool, arguments).await.is_error, "{tool} is free to act there");
    }
}

#[tokio::test(start_paused = true)]
async fn going_back_before_the_charge_calls_the_sale_off() {
    let world = World::new(Stripe);
    world.shop.script("inventory.reserve", &[Fault::Slow(Duration::from_millis(500))]);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(text(&go(&life, &workflow, "choose_gift").await, "/step"), "choose_gift");
    assert_eq!(said(&sale.await.unwrap()), "ORDER_CANCELLED");
    life.rest().await;
    assert_eq!((world.shop.count("payment.charge"), world.shop.stock()), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn going_back_while_the_charge_is_unsettled_is_refused_and_moves_nothing() {
    let world = World::new(Stripe);
    world.shop.script("payment.charge", &[Fault::Slow(Duration::from_secs(1))]);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    let sale = life.calling("create_order", purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = go(&life, &workflow, "choose_gift").await;
    assert_eq!((said(&refused).as_str(), error(&refused, "retryable")), ("ORDER_IN_PROGRESS", &json!(true)));
    assert_eq!(step(&life, &workflow).await, "checkout");
    assert_eq!(said(&sale.await.unwrap()), "success");
    assert_eq!(text(&go(&life, &workflow, "choose_gift").await, "/step"), "choose_gift", "the same call, later");
}

#[tokio::test(start_paused = true)]
async fn a_decline_leads_to_choosing_a_payment_method() {
    let world = World::new(Stripe);
    world.shop.script("payment.charge", &[Fault::Status(402, "card_declined", None)]);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    assert_eq!(said(&life.buy(&session, "key-0001").await), "PAYMENT_DECLINED");
    assert_eq!(step(&life, &workflow).await, "choose_payment_method");
    assert_eq!(said(&checkout(&life, &workflow).await), "OUT_OF_STEP");
    assert_eq!(said(&life.buy(&session, "key-0002").await), "success");
    assert_eq!(step(&life, &workflow).await, "checkout");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_a_day_later_is_asked_to_choose_again() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let session = text(&checkout(&life, &workflow).await, "/checkout_session_id");
    world.jump(Duration::from_secs(24 * 3600));
    assert_eq!(step(&life, &workflow).await, "choose_gift");
    assert_eq!(said(&life.buy(&session, "key-0001").await), "SESSION_EXPIRED");
    assert_eq!(said(&go(&life, &workflow, "checkout").await), "OUT_OF_STEP", "there is no price to pay");
    assert!(!checkout(&life, &workflow).await.is_error);
    assert_eq!(step(&life, &workflow).await, "checkout");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_of_the_budget_holds_until_something_else_is_said() {
    let world = World::new(Stripe);
    let life = world.start();
    let low = life.call("suggest_gifts", json!({"budget": 1000})).await;
    let workflow = text(&low, "/workflow_id");
    assert_eq!(said(&checkout(&life, &workflow).await), "BUDGET_TOO_SMALL");
    assert!(!life.call("suggest_gifts", json!({"budget": 5000, "workflow_id": workflow})).await.is_error);
    assert!(!checkout(&life, &workflow).await.is_error);
}

#[tokio::test(start_paused = true)]
async fn the_fourth_identical_purchase_with_a_card_that_is_declined_is_not_tried() {
    let world = World::new(Stripe);
    world.shop.script("payment.charge", &vec![Fault::Status(402, "card_declined", None); 9]);
    let life = world.start();
    let session = life.session().await;
    for key in ["key-0001", "key-0002", "key-0003"] {
        assert_eq!(said(&life.buy(&session, key).await), "PAYMENT_DECLINED");
    }
    let stopped = life.buy(&session, "key-0004").await;
    assert_eq!((said(&stopped).as_str(), error(&stopped, "retryable")), ("REPEATED_CALL", &json!(false)));
    assert_eq!(world.shop.count("payment.charge"), 3);
    assert_eq!(said(&life.buy(&session, "key-0001").await), "PAYMENT_DECLINED", "a saved answer stays");
    let mut other_card = purchase(&session, "key-0005");
    other_card["payment_method_id"] = json!("pm_other");
    assert_eq!(said(&life.call("create_order", other_card).await), "PAYMENT_DECLINED", "another call");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_under_one_key_begins_no_second_workflow_and_moves_nothing_again() {
    let world = World::new(Stripe);
    let life = world.start();
    let ask = json!({"occasion": "birthday", "budget": 5000, "idempotency_key": "ideas-01"});
    let first = life.call("suggest_gifts", ask.clone()).await;
    let again = life.call("suggest_gifts", ask.clone()).await;
    assert_eq!(first.structured, again.structured);
    let mut other = ask;
    other["budget"] = json!(6000);
    assert_eq!(said(&life.call("suggest_gifts", other).await), "IDEMPOTENCY_KEY_CONFLICT");

    let workflow = text(&first, "/workflow_id");
    checkout(&life, &workflow).await;
    let back = json!({"workflow_id": workflow, "step": "generate_ideas", "idempotency_key": "go-back-1"});
    let moved = life.call("user_navigated_to_step", back.clone()).await;
    checkout(&life, &workflow).await;
    assert_eq!(life.call("user_navigated_to_step", back).await.structured, moved.structured);
    assert_eq!(step(&life, &workflow).await, "checkout", "a late copy of the move moves nothing");

    let still = json!({"workflow_id": workflow, "step": "checkout", "idempotency_key": "stay-here"});
    assert_eq!(text(&life.call("user_navigated_to_step", still).await, "/step"), "checkout");
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_under_one_key_begin_one_workflow() {
    let world = World::new(Stripe);
    let life = world.start();
    let ask = json!({"occasion": "birthday", "idempotency_key": "ideas-02"});
    let calls = [life.calling("suggest_gifts", ask.clone()), life.calling("suggest_gifts", ask)];
    let [one, other] = calls;
    assert_eq!(one.await.unwrap().structured, other.await.unwrap().structured);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_held_to_prices_in_its_own_currency_only() {
    let world = World::new(Stripe);
    let life = world.start();
    let workflow = ideas(&life).await;
    let buy = |budget: Value| {
        let items = json!([{"sku": "tea-set", "quantity": 1}]);
        json!({"items": items, "currency": "USD", "workflow_id": workflow, "budget": budget})
    };
    let reply = life.call("create_checkout_session", buy(Value::Null)).await;
    assert_eq!(said(&reply), "BUDGET_CURRENCY");
    let violation = &error(&reply, "violations")[0];
    assert_eq!((&violation["field"], &violation["suggestion"]), (&json!("/currency"), &json!("EUR")));
    assert_eq!(world.shop.count("catalog.quote"), 0, "the catalog is not asked for what cannot be compared");
    assert_ne!(said(&life.call("create_checkout_session", buy(json!(9000))).await), "BUDGET_CURRENCY");
}
