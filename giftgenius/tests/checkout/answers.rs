//! Walks the table of stages and classes of failure: provokes every cell, and holds what happens to what the table says.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::answers::{Answer, CLASSES, Stage, answers};
use giftgenius::app::ToolReply;
use giftgenius::error::ErrorType::{self, Business, Interrupted, Logical, Technical};
use giftgenius::policy::PaymentProfile::Stripe;
use giftgenius::step_log::AlertKind;
use serde_json::{Value, json};

use crate::fuse::Fuse;
use crate::shop::{Fault, PRICE};
use crate::store::Store;
use crate::world::{Life, World, purchase, said, text};

/// What a provocation came to.
struct Seen {
    /// Nothing, where the caller had gone.
    reply: Option<ToolReply>,
    /// How often the operation that failed was asked.
    asked: usize,
    /// At rest: what stands of the person's money, and of the stock, held and sold.
    stands: (i64, (usize, usize)),
    open: usize,
    parked: usize,
    alerts: Vec<AlertKind>,
    look_ups: usize,
}

const FAILING: usize = 40;

fn down(times: usize) -> Vec<Fault> {
    vec![Fault::Status(503, "unavailable", None); times]
}

async fn at_rest(world: &World, life: &Life, operation: &str, reply: Option<ToolReply>) -> Seen {
    life.rest().await;
    let counts = life.app.saga_counts().await.unwrap();
    Seen {
        reply,
        asked: world.shop.count(operation),
        stands: (world.shop.money(), world.shop.stock()),
        open: counts.open,
        parked: counts.parked,
        alerts: world.alerts(),
        look_ups: world.shop.count("payment.look_up"),
    }
}

/// A scripted operation fails under a call.
async fn failing(operation: &'static str, faults: &[Fault], call: (&str, Value)) -> Seen {
    let world = World::new(Stripe);
    world.shop.script(operation, faults);
    let life = world.start();
    let reply = life.call(call.0, call.1).await;
    at_rest(&world, &life, operation, Some(reply)).await
}

/// The same under a purchase.
async fn buying(operation: &'static str, faults: &[Fault]) -> Seen {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    world.shop.script(operation, faults);
    let reply = life.buy(&session, "key-0001").await;
    at_rest(&world, &life, operation, Some(reply)).await
}

/// The caller of a tool goes away while an operation takes its time.
async fn leaving(operation: &'static str, cancelling: bool) -> Seen {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let slow = [Fault::Slow(Duration::from_secs(1))];
    let call = if cancelling {
        let order = text(&life.buy(&session, "key-0001").await, "/order_id");
        world.shop.script(operation, &slow);
        life.calling("cancel_order", json!({"order_id": order, "idempotency_key": "key-0002"}))
    } else {
        world.shop.script(operation, &slow);
        life.calling("create_order", purchase(&session, "key-0001"))
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.shop.count(operation), 1, "{operation} is on its way when the caller goes");
    call.abort();
    let _ = call.await;
    at_rest(&world, &life, operation, None).await
}

/// A read whose caller goes away before it is answered.
async fn dropped(operation: &'static str, call: (&str, Value)) -> Seen {
    let world = World::new(Stripe);
    let life = world.start();
    world.shop.script(operation, &[Fault::Slow(Duration::from_secs(1))]);
    let call = life.calling(call.0, call.1);
    tokio::task::yield_now().await;
    call.abort();
    let _ = call.await;
    at_rest(&world, &life, operation, None).await
}

/// The store is down under a call.
async fn storeless(call: (&str, Value)) -> Seen {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), Arc::new(Fuse::endless())));
    let life = world.start_on(store.clone());
    store.set_down(true);
    let reply = life.call(call.0, call.1).await;
    store.set_down(false);
    at_rest(&world, &life, "", Some(reply)).await
}

/// A paid order is cancelled while an operation fails.
async fn cancelling(operation: &'static str, faults: &[Fault]) -> Seen {
    let world = World::new(Stripe);
    let life = world.start();
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    world.shop.script(operation, faults);
    let reply = life.call("cancel_order", json!({"order_id": order, "idempotency_key": "key-0002"})).await;
    at_rest(&world, &life, operation, Some(reply)).await
}

/// The person goes back while the stock is being reserved.
async fn going_back() -> (Seen, ToolReply) {
    let world = World::new(Stripe);
    let life = world.start();
    let quote = json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"});
    let quote = life.call("create_checkout_session", quote).await;
    world.shop.script("inventory.reserve", &[Fault::Slow(Duration::from_millis(500))]);
    let sale = life.calling("create_order", purchase(&text(&quote, "/checkout_session_id"), "key-0001"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let step = json!({"workflow_id": text(&quote, "/workflow_id"), "step": "choose_gift"});
    let moved = life.call("user_navigated_to_step", step).await;
    let reply = sale.await.unwrap();
    (at_rest(&world, &life, "inventory.reserve", Some(reply)).await, moved)
}

/// Provokes a cell of the table; nothing where it cannot be.
async fn provoke(stage: Stage, class: ErrorType) -> Option<Seen> {
    let search = ("search_products", json!({"query": "tea"}));
    let quote = ("create_checkout_session", json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"}));
    let unknown = ("get_order", json!({"order_id": "ord_unknown"}));
    let step = ("user_navigated_to_step", json!({"workflow_id": "wf_unknown", "step": "checkout"}));
    let declined = [Fault::Status(402, "card_declined", None)];
    Some(match (stage, class) {
        (Stage::Browse, Technical) => failing("catalog.search", &down(FAILING), search).await,
        (Stage::Browse, Logical) => failing("catalog.search", &[], ("search_products", json!({"q": "tea"}))).await,
        (Stage::Browse, Business) => {
            failing("catalog.search", &[Fault::Status(422, "currency_unsupported", None)], search).await
        }
        (Stage::Browse, Interrupted) => dropped("catalog.search", search).await,
        (Stage::Quote, Technical) => failing("catalog.quote", &down(FAILING), quote).await,
        (Stage::Quote, Logical) => {
            failing("catalog.quote", &[], ("create_checkout_session", json!({"items": "tea-set"}))).await
        }
        (Stage::Quote, Business) => failing("catalog.quote", &[Fault::Status(409, "out_of_stock", None)], quote).await,
        (Stage::Quote, Interrupted) => dropped("catalog.quote", quote).await,
        (Stage::Reserve, Technical) => buying("inventory.reserve", &down(FAILING)).await,
        (Stage::Reserve, Logical) => {
            failing("inventory.reserve", &[], ("create_order", purchase("cs_unknown", "key-0001"))).await
        }
        (Stage::Reserve, Business) => buying("inventory.reserve", &[Fault::Status(409, "out_of_stock", None)]).await,
        (Stage::Reserve, Interrupted) => going_back().await.0,
        (Stage::Charge, Technical) => buying("payment.charge", &[Fault::LostReply]).await,
        (Stage::Charge, Logical) => {
            buying("payment.charge", &[Fault::Status(404, "unknown_payment_method", None)]).await
        }
        (Stage::Charge, Business) => buying("payment.charge", &declined).await,
        (Stage::Charge, Interrupted) => leaving("payment.charge", false).await,
        (Stage::Commit, Technical) => buying("inventory.commit", &down(6)).await,
        (Stage::Commit, Business) => buying("inventory.commit", &vec![Fault::RunOut; FAILING]).await,
        (Stage::Commit, Interrupted) => leaving("inventory.commit", false).await,
        (Stage::Undo, Technical) => cancelling("payment.refund", &down(FAILING)).await,
        (Stage::Undo, Business) => {
            cancelling("payment.refund", &vec![Fault::Status(400, "invalid_request", None); FAILING]).await
        }
        (Stage::Undo, Interrupted) => leaving("payment.refund", true).await,
        (Stage::Ask, Technical) => storeless(("get_workflow", json!({"workflow_id": "wf_1"}))).await,
        (Stage::Ask, Logical) => failing("", &[], unknown).await,
        (Stage::Ask, Interrupted) => dropped("", unknown).await,
        (Stage::Navigate, Technical) => storeless(step).await,
        (Stage::Navigate, Logical) => failing("", &[], step).await,
        (Stage::Navigate, Interrupted) => {
            let (seen, moved) = going_back().await;
            assert_eq!(text(&moved, "/step"), "choose_gift");
            seen
        }
        (Stage::Commit | Stage::Undo, Logical) | (Stage::Ask | Stage::Navigate, Business) => return None,
    })
}

/// What of an error the answers speak about.
fn error<'a>(seen: &'a Seen, field: &str) -> &'a Value {
    seen.reply.as_ref().map_or(&Value::Null, |reply| &reply.structured["error"][field])
}

fn nothing_stands(seen: &Seen) -> bool {
    seen.stands == (0, (0, 0)) && (seen.open, seen.parked) == (0, 0)
}

fn a_sale_stands(seen: &Seen) -> bool {
    seen.stands == (PRICE, (0, 1)) && (seen.open, seen.parked) == (0, 0)
}

/// Whether what was seen is what an answer means.
fn is(answer: Answer, seen: &Seen, stage: Stage) -> bool {
    let choices = ["other_card", "lower_amount", "other_item", "ask_person", "fix_arguments", "new_session", "give_up"];
    match answer {
        Answer::Retry => (2..=12).contains(&seen.asked),
        Answer::TellRetryable => {
            error(seen, "retryable") == &json!(true) && error(seen, "effects") == "none" && nothing_stands(seen)
        }
        Answer::Mend => {
            let named = !error(seen, "violations").as_array().is_some_and(Vec::is_empty)
                && error(seen, "violations").is_array();
            error(seen, "type") == "logical"
                && error(seen, "retryable") == &json!(false)
                && named
                && nothing_stands(seen)
        }
        Answer::RollBack => nothing_stands(seen) && seen.alerts.is_empty(),
        Answer::AskPerson => {
            let next = error(seen, "next").as_array().cloned().unwrap_or_default();
            error(seen, "retryable") == &json!(false)
                && next.iter().any(|next| choices.iter().any(|choice| next == choice))
                && error(seen, "user_message").as_str().is_some_and(|sentence| sentence.ends_with('.'))
        }
        Answer::Settle => seen.look_ups > 0 && a_sale_stands(seen),
        Answer::GoForward => {
            seen.reply.as_ref().is_some_and(|reply| ["pending", "success"].contains(&said(reply).as_str()))
                && a_sale_stands(seen)
        }
        Answer::Park => {
            seen.parked == 1
                && seen.open == 0
                && seen.alerts.iter().filter(|kind| **kind == AlertKind::OrderParked).count() == 1
        }
        // A sale goes on to its end, and so does its undoing.
        Answer::GoOn => {
            seen.reply.is_none() && if stage == Stage::Undo { nothing_stands(seen) } else { a_sale_stands(seen) }
        }
        Answer::End => seen.reply.is_none() && nothing_stands(seen) && seen.alerts.is_empty(),
        Answer::Never => false,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_at_each_stage_about_each_class_of_failure_is_what_the_table_says() {
    let mut odd = Vec::new();
    for stage in Stage::ALL {
        for class in CLASSES {
            let answers = answers(stage, class);
            match provoke(stage, class).await {
                None => assert_eq!(answers, [Answer::Never], "{stage:?} {class:?} is provoked by nothing"),
                Some(seen) => {
                    let reply = seen.reply.as_ref().map(|reply| reply.structured.to_string());
                    odd.extend(answers.iter().filter(|answer| !is(**answer, &seen, stage)).map(|answer| {
                        format!(
                            "{stage:?} {class:?} is not {answer:?}: asked {}, stands {:?}, open {}, parked {}, alerts {:?}, {reply:?}",
                            seen.asked, seen.stands, seen.open, seen.parked, seen.alerts
                        )
                    }));
                }
            }
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn every_answer_is_some_stages() {
    for answer in Answer::ALL {
        let used = Stage::ALL.iter().any(|stage| CLASSES.iter().any(|class| answers(*stage, *class).contains(&answer)));
        assert!(used, "{answer:?}");
    }
}
