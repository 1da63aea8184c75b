//! What the payment provider tells by itself: once, twice, late, forged, about orders that are open, over or unknown.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::checkout::state::{Ending, Saga};
use giftgenius::journal::{Key, Record};
use giftgenius::operations::parked::{parked_orders, unknown_payments};
use giftgenius::policy::PaymentProfile::{Keyless, KeylessNoCancel, Stripe};
use giftgenius::ports::Journal as _;
use giftgenius::step_log::{AlertKind, WebhookStatus};
use giftgenius::webhooks::Answer;
use giftgenius::webhooks::signature::SignatureError;
use serde_json::json;
use tokio::time::Instant;

use crate::shop::{Fault, PRICE};
use crate::store::Store;
use crate::world::{Life, World, effects, is_paid, said, secret, text};

const CAPTURED: &str = "charge.captured";

/// A world in which a sale was made, and its order.
async fn sold(world: &World) -> (Life, String) {
    let life = world.start();
    let session = life.session().await;
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "success");
    (life, text(&sale, "/order_id"))
}

/// A world in which a sale was declined, its session, and its order.
async fn declined(world: &World) -> (Life, String, String) {
    world.shop.script("payment.charge", &[Fault::Status(402, "card_declined", None)]);
    let life = world.start();
    let session = life.session().await;
    let sale = life.buy(&session, "key-0001").await;
    assert_eq!(said(&sale), "PAYMENT_DECLINED");
    let order = text(&sale, "/error/order_id");
    (life, session, order)
}

async fn told(life: &Life, order: &str) -> String {
    said(&life.call("get_order", json!({"order_id": order})).await)
}

#[tokio::test(start_paused = true)]
async fn an_event_about_a_sale_that_went_well_is_a_look_and_nothing_else() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    assert_eq!(world.shop.count("payment.look_up"), 0);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    life.rest().await;
    assert_eq!(world.shop.count("payment.look_up"), 1, "what stands is read from the provider");
    assert_eq!(told(&life, &order).await, "success");
    assert!(world.is_whole(&life).await);
    assert_eq!(world.webhooks(), [WebhookStatus::Accepted]);
    assert_eq!(world.alerts(), []);
}

#[tokio::test(start_paused = true)]
async fn the_same_event_again_changes_nothing() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    let event = world.event("evt_1", CAPTURED, &order);
    assert_eq!(life.webhook(&event).await, Answer::Accepted);
    life.rest().await;
    let before = world.order(&life, &order).await;
    for _ in 0..3 {
        assert_eq!(life.webhook(&event).await, Answer::Duplicate);
    }
    life.rest().await;
    assert_eq!(world.order(&life, &order).await, before);
    assert_eq!(world.shop.count("payment.look_up"), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_deliveries_at_once_one_is_taken_in() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    let event = world.event("evt_1", CAPTURED, &order);
    let (one, other) = tokio::join!(life.webhook(&event), life.webhook(&event));
    let mut answers = [one, other].map(|answer| answer == Answer::Accepted);
    answers.sort_unstable();
    assert_eq!(answers, [false, true], "{one:?} and {other:?}");
    life.rest().await;
    assert_eq!(world.shop.count("payment.look_up"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_charge_on_a_paid_order_is_given_back_and_the_sale_stays() {
    for profile in [Stripe, Keyless, KeylessNoCancel] {
        let world = World::new(profile);
        let (life, order) = sold(&world).await;
        life.rest().await;
        world.shop.charge_by_itself(&order);
        assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
        assert_eq!(told(&life, &order).await, "success");
        life.rest().await;
        assert_eq!(told(&life, &order).await, "success");
        assert!(world.is_whole(&life).await, "{profile:?}");
        assert_eq!(world.alerts(), [AlertKind::DoubleCharge]);
        assert!(is_paid(&world.order(&life, &order).await));
    }
}

#[tokio::test(start_paused = true)]
async fn a_charge_on_a_cancelled_order_is_given_back_and_its_session_is_left_to_the_next_order() {
    let world = World::new(Stripe);
    let (life, session, order) = declined(&world).await;
    let second = life.buy(&session, "key-0002").await;
    assert_eq!(said(&second), "success", "the session was free again");
    world.shop.charge_by_itself(&order);
    assert_eq!(world.shop.money(), 2 * PRICE);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    life.rest().await;
    assert_eq!(world.shop.money(), PRICE, "of the second order");
    let dead = world.order(&life, &order).await;
    assert_eq!(dead.saga.ending, Some(Ending::Cancelled));
    assert_eq!(said(&life.buy(&session, "key-0003").await), "success", "the session is the second order's still");
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_did_not_send_is_refused_and_changes_nothing() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    let before = world.order(&life, &order).await;
    let event = world.event("evt_1", CAPTURED, &order);
    let (signature, body) = &event;
    let forged = world.event("evt_1", CAPTURED, "ord_other");
    let wrong = Answer::Refused(SignatureError::Wrong);
    assert_eq!(life.app.payment_webhook(Some(signature), &forged.1).await, wrong);
    assert_eq!(life.app.payment_webhook(None, body).await, Answer::Refused(SignatureError::Malformed));
    let no_event = secret().sign("2026-01-01T00:00:00Z".parse().unwrap(), b"{}");
    assert_eq!(life.app.payment_webhook(Some(&no_event), b"{}").await, Answer::Malformed);
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(life.webhook(&event).await, Answer::Refused(SignatureError::Stale), "overheard, and sent again");
    life.rest().await;
    assert_eq!(world.order(&life, &order).await, before);
    assert_eq!(world.shop.count("payment.look_up"), 0);
    assert_eq!(world.webhooks(), [WebhookStatus::Refused; 4]);
    assert!(!world.log_text().contains("whsec") && !world.log_text().contains(&signature[15..]));
    let statuses = [wrong, Answer::Malformed, Answer::NotSetUp].map(Answer::http_status);
    assert_eq!(statuses, [401, 400, 404]);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_no_concern_is_passed_over() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    assert_eq!(life.webhook(&world.event("evt_1", "payout.paid", &order)).await, Answer::Ignored);
    life.rest().await;
    assert_eq!(world.shop.count("payment.look_up"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_answered_well_only_once_it_is_durable() {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), world.fuse.clone()));
    let life = world.start_on(store.clone());
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    let event = world.event("evt_1", CAPTURED, &order);
    store.set_down(true);
    let answer = life.webhook(&event).await;
    assert_eq!((answer, answer.http_status()), (Answer::StoreFailed, 503));
    store.set_down(false);
    assert_eq!(life.webhook(&event).await, Answer::Accepted, "sent again");
    life.rest().await;
    assert!(world.is_whole(&life).await);
    assert_eq!(world.webhooks(), [WebhookStatus::Failed, WebhookStatus::Accepted]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_store_takes_too_long_over_is_answered_in_time_and_sent_again() {
    let world = World::new(Stripe);
    let store = Arc::new(Store::new(world.journal.clone(), world.fuse.clone()));
    let life = world.start_on(store.clone());
    let session = life.session().await;
    let order = text(&life.buy(&session, "key-0001").await, "/order_id");
    let event = world.event("evt_1", CAPTURED, &order);
    store.set_slow(30);
    let sent = Instant::now();
    let answer = life.webhook(&event).await;
    assert_eq!((answer, answer.http_status()), (Answer::Late, 503));
    assert_eq!(sent.elapsed(), world.policy.webhooks.answer_within);
    assert_eq!(life.webhook(&event).await, Answer::Accepted, "sent again");
    // The first write comes to it later, and finds the event there.
    life.rest().await;
    assert!(sent.elapsed() >= Duration::from_secs(30));
    assert_eq!(life.webhook(&event).await, Answer::Duplicate);
    assert_eq!(world.shop.count("payment.look_up"), 1);
    assert!(world.is_whole(&life).await);
    assert_eq!(world.webhooks(), [WebhookStatus::Failed, WebhookStatus::Accepted, WebhookStatus::Duplicate]);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_in_outlives_a_crash() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    life.rest().await;
    world.shop.charge_by_itself(&order);
    // Enough to write the event, and not to look.
    world.shop.script("payment.look_up", &[Fault::Silence]);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    life.crash().await;
    assert_eq!(world.shop.money(), 2 * PRICE);
    let life = world.start();
    assert_eq!(life.app.recover().await.unwrap(), 1, "there is a look to be made");
    assert_eq!(told(&life, &order).await, "success", "it is paid all the while");
    life.rest().await;
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_sale_that_is_settling_is_looked_up_at_once() {
    let lost = vec![Fault::Status(503, "unavailable", None); 20];
    for hastened in [false, true] {
        let world = World::new(Keyless);
        world.shop.script("payment.charge", &[Fault::LostReply]);
        world.shop.script("payment.look_up", &lost[..4]);
        let life = world.start();
        let session = life.session().await;
        let sale = life.buy(&session, "key-0001").await;
        assert_eq!((said(&sale), effects(&sale)), ("pending".into(), "unknown".into()));
        let (order, asked) = (text(&sale, "/order_id"), Instant::now());
        if hastened {
            assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
        }
        while told(&life, &order).await != "success" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let waited = asked.elapsed();
        assert_eq!(waited < Duration::from_secs(1), hastened, "{waited:?}");
        life.rest().await;
        assert!(world.is_whole(&life).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_is_given_back_when_it_is_told_of_and_not_only_when_no_other_can_come() {
    let world = World::new(Keyless);
    let (life, order) = sold(&world).await;
    world.shop.charge_by_itself(&order);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.shop.money(), 2 * PRICE);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.shop.money(), PRICE, "long before late_max");
    world.shop.charge_by_itself(&order);
    life.rest().await;
    assert!(world.is_whole(&life).await, "and one that nobody told of is found at the end");
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_on_a_sale_taken_back_is_given_back_when_it_is_told_of() {
    let world = World::new(KeylessNoCancel);
    let (life, order) = sold(&world).await;
    life.rest().await;
    let cancel = json!({"order_id": order, "idempotency_key": "key-0002"});
    assert_eq!(said(&life.call("cancel_order", cancel).await), "pending", "a copy may still come");
    world.shop.charge_by_itself(&order);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.shop.money(), 0, "long before late_max");
    life.rest().await;
    assert_eq!(world.shop.money(), 0);
    assert_eq!(told(&life, &order).await, "cancelled");
    assert!(!world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn an_event_in_the_middle_of_a_sale_disturbs_nothing() {
    let world = World::new(Stripe);
    world.shop.script("inventory.commit", &[Fault::Slow(Duration::from_secs(1))]);
    let life = world.start();
    let session = life.session().await;
    let sale = life.calling("create_order", crate::world::purchase(&session, "key-0001"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let open = world.journal.list(giftgenius::journal::RecordState::OrderOpen).await.unwrap();
    let Record::Order(order) = &*open[0].record else { panic!("an order is listed") };
    for event in ["evt_1", "evt_2"] {
        assert_eq!(life.webhook(&world.event(event, CAPTURED, order.id.as_str())).await, Answer::Accepted);
    }
    assert_eq!(said(&sale.await.unwrap()), "success");
    life.rest().await;
    assert_eq!(world.shop.count("payment.charge"), 1);
    assert_eq!(world.shop.count("payment.look_up"), 1, "one look answers both");
    assert!(world.is_whole(&life).await);
}

#[tokio::test(start_paused = true)]
async fn a_payment_of_no_order_is_left_to_a_person_who_is_called_once() {
    let world = World::new(Stripe);
    let life = world.start();
    assert_eq!(life.webhook(&world.event("evt_0", CAPTURED, "ord_lost")).await, Answer::Accepted, "nothing stands");
    assert!(unknown_payments(&*world.journal).await.unwrap().is_empty());
    world.shop.charge_by_itself("ord_lost");
    for event in ["evt_1", "evt_2"] {
        assert_eq!(life.webhook(&world.event(event, CAPTURED, "ord_lost")).await, Answer::Parked);
    }
    assert_eq!(life.webhook(&world.event("evt_2", CAPTURED, "ord_lost")).await, Answer::Duplicate);
    let payments = unknown_payments(&*world.journal).await.unwrap();
    assert_eq!(payments.len(), 1);
    assert!(payments[0].note.starts_with("42.00 EUR of charge ch_1 stands under ord_lost"), "{}", payments[0].note);
    assert_eq!(world.alerts(), [AlertKind::UnknownPayment]);
    assert_eq!(world.shop.money(), PRICE, "nobody's to give back");
}

#[tokio::test(start_paused = true)]
async fn a_payment_of_no_order_is_not_lost_when_the_provider_is_silent() {
    let world = World::new(Stripe);
    world.shop.script("payment.look_up", &[Fault::NotSent]);
    let life = world.start();
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, "ord_lost")).await, Answer::Parked);
    let payments = unknown_payments(&*world.journal).await.unwrap();
    assert!(payments[0].note.contains("may stand"), "{}", payments[0].note);
}

#[tokio::test(start_paused = true)]
async fn a_late_charge_whose_refund_is_refused_is_parked_as_it_stands() {
    let world = World::new(Stripe);
    let (life, _, order) = declined(&world).await;
    world.shop.charge_by_itself(&order);
    world.shop.script("payment.refund", &[Fault::Status(400, "invalid_request", None)]);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    life.rest().await;
    let asked = life.call("get_order", json!({"order_id": order})).await;
    assert_eq!((said(&asked), effects(&asked)), ("pending".into(), "charged".into()), "money stands, and it says so");
    assert!(parked_orders(&*world.journal).await.unwrap()[0].note.contains("refund is refused"));
    assert_eq!(world.alerts(), [AlertKind::OrderParked]);
    // From here on it is a person's.
    assert_eq!(life.webhook(&world.event("evt_2", CAPTURED, &order)).await, Answer::Accepted);
    life.rest().await;
    assert_eq!(world.shop.count("payment.refund"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_cannot_be_made_is_left_to_a_person_and_unsays_nothing() {
    for paid in [true, false] {
        let world = World::new(Stripe);
        let (life, order) = if paid {
            sold(&world).await
        } else {
            let (life, _, order) = declined(&world).await;
            (life, order)
        };
        let before = told(&life, &order).await;
        world.shop.script("payment.look_up", &vec![Fault::NotSent; 20]);
        assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
        life.rest().await;
        assert_eq!(told(&life, &order).await, before);
        assert!(parked_orders(&*world.journal).await.unwrap()[0].note.contains("could not be asked"));
        assert_eq!(world.alerts(), [AlertKind::ProviderDown, AlertKind::OrderParked]);
        let saga: Saga = world.order(&life, &order).await.saga;
        assert!(!saga.is_stuck(), "nothing is known to stand that should not");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_forgotten_when_it_cannot_come_again() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    life.rest().await;
    let key = Key::Event("evt_1".into());
    let stored = world.journal.get(&key).await.unwrap().expect("it is kept");
    let Record::Event(event) = &*stored.record else { panic!("an event is kept under its key") };
    assert_eq!(event.drop_after, giftgenius::time::add(event.seen_at, world.policy.webhooks.event_retention));
    world.journal.drop_expired(event.drop_after + jiff::SignedDuration::from_secs(1)).await.unwrap();
    assert!(world.journal.get(&key).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn webhooks_that_stay_away_while_cards_are_charged_call_a_person_once() {
    let world = World::new(Stripe);
    let (life, order) = sold(&world).await;
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    life.app.caller().alert_of_silence(&"tick".into());
    assert_eq!(world.alerts(), [], "providers may take their time");
    tokio::time::sleep(Duration::from_secs(60)).await;
    for _ in 0..2 {
        life.app.caller().alert_of_silence(&"tick".into());
    }
    assert_eq!(world.alerts(), [AlertKind::WebhooksMissing]);
    assert_eq!(life.webhook(&world.event("evt_1", CAPTURED, &order)).await, Answer::Accepted);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    life.app.caller().alert_of_silence(&"tick".into());
    assert_eq!(world.alerts(), [AlertKind::WebhooksMissing], "nothing is owed after the last word");
}

#[tokio::test(start_paused = true)]
async fn without_a_charge_nobody_waits_for_a_webhook() {
    let world = World::new(Stripe);
    let (life, ..) = declined(&world).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    life.app.caller().alert_of_silence(&"tick".into());
    assert_eq!(world.alerts(), []);
}
