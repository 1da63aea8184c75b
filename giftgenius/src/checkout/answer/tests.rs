//! The answer about a sale in every state that its saga can reach.

use super::*;
use crate::checkout::order::{Item, Page};
use crate::checkout::state::Saga;
use crate::checkout::state::tests::reachable;
use crate::money::Currency;
use crate::policy::PaymentProfile::{Keyless, KeylessNoCancel, Stripe};

const ASKED: Asked = Asked { at: jiff::Timestamp::UNIX_EPOCH, lease: Duration::ZERO };

fn key(tool: &str) -> EntryKey {
    EntryKey { user: "ann".into(), tool: tool.to_owned().into(), key: "key-0001".into() }
}

pub(crate) fn order(saga: Saga) -> Order {
    let at = jiff::Timestamp::UNIX_EPOCH;
    Order {
        id: "ord_1".into(),
        session_id: "cs_1".into(),
        user: "ann".into(),
        workflow_id: None,
        correlation_id: "cor_1".into(),
        entry: key("create_order"),
        cancel_entry: None,
        retry_after_ms: None,
        amount: Money::new(4200, Currency::EUR),
        items: [Item { sku: "tea-set".into(), quantity: 1 }].into(),
        payment_method_id: "pm_visa".into(),
        created_at: at,
        pay_by: at,
        saga,
        paid_at: None,
        background_rounds: 0,
        release_rounds: None,
        lease_until: at,
        alerted: false,
        unsold_since: None,
        page: Page::None,
        fence: 1,
        heard: 0,
        looked: 0,
        heard_of_money_back: false,
    }
}

fn everywhere() -> Vec<Order> {
    [Stripe, Keyless, KeylessNoCancel].into_iter().flat_map(reachable).map(order).collect()
}

fn field<'a>(reply: &'a SavedReply, pointer: &str) -> &'a str {
    reply.structured.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_sale_is_told_as_exactly_one_thing_and_it_is_true() {
    for order in everywhere() {
        let reply = sale_reply(&order, ASKED);
        let saga = &order.saga;
        // The last when nobody could find out whether a late copy stands beside the charge.
        let stands = matches!(saga.charge, Charge::Captured { .. } | Charge::Stuck { captured: true });
        let sold = stands && saga.commit == Commit::Done && saga.direction == Direction::Forward;
        // Likewise when a person is only to see whether anything came on top.
        let nothing_stuck = !saga.is_stuck() && saga.direction != Direction::Forward;
        let over = saga.ending == Some(Ending::Cancelled)
            || matches!(saga.ending, Some(Ending::Parked { .. }) if nothing_stuck);
        match (reply.is_error, field(&reply, "/status")) {
            (true, "") => {
                assert_eq!(field(&reply, "/error/effects"), "none", "{saga:?}");
                assert!(over || saga.is_undone(), "failed is told only of what is over: {saga:?}");
            }
            (false, "success") => assert!(sold && field(&reply, "/effects") == "charged", "{saga:?}"),
            (false, "cancelled") => {
                assert!((over || saga.is_undone()) && field(&reply, "/effects") == "none", "{saga:?}");
            }
            (false, "pending") => {
                assert_ne!(field(&reply, "/effects"), "none", "{saga:?}");
                assert!(!over && saga.ending != Some(Ending::Paid), "{saga:?}");
                let parked = matches!(saga.ending, Some(Ending::Parked { .. }));
                assert_eq!(reply.structured["needs_attention"], parked, "{saga:?}");
                assert!(field(&reply, "/user_message").contains("do not pay again"), "{saga:?}");
            }
            told => panic!("{told:?}: {saga:?}"),
        }
    }
}

#[test]
fn charged_is_told_only_where_a_charge_is_known_to_stand() {
    for order in everywhere() {
        let saga = &order.saga;
        if field(&sale_reply(&order, ASKED), "/effects") == "charged" {
            assert!(matches!(saga.charge, Charge::Captured { .. } | Charge::Stuck { captured: true }), "{saga:?}");
        }
    }
}

#[test]
fn a_keys_entry_ends_with_the_order_but_never_with_a_parked_one() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    for order in everywhere() {
        let state = entry_state(&order.entry, &order, now);
        let reply = sale_reply(&order, ASKED);
        match (&order.saga.ending, state) {
            (None | Some(Ending::Parked { .. }), None) => {}
            (Some(Ending::Paid), Some(EntryState::Done { reply: saved, .. })) => assert_eq!(saved, reply),
            (Some(Ending::Cancelled), Some(EntryState::Done { reply: saved, .. })) => {
                assert_eq!((&saved, field(&saved, "/status")), (&reply, "cancelled"));
            }
            (Some(Ending::Cancelled), Some(EntryState::FailedFinal { reply: saved, .. })) => {
                assert_eq!(
                    (&saved.structured, &saved.structured["error"]["retryable"]),
                    (&reply.structured, &json!(false))
                );
            }
            (Some(Ending::Cancelled), Some(EntryState::FailedClean { .. })) => {
                assert_eq!(reply.structured["error"]["retryable"], json!(true));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_key_that_took_an_order_back_is_answered_that_it_is_cancelled() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    for mut order in everywhere().into_iter().filter(|order| order.saga.ending == Some(Ending::Cancelled)) {
        order.cancel_entry = Some(key("cancel_order"));
        let Some(EntryState::Done { reply, .. }) = entry_state(&key("cancel_order"), &order, now) else {
            panic!("{:?}", order.saga)
        };
        assert_eq!((reply.is_error, field(&reply, "/status"), field(&reply, "/effects")), (false, "cancelled", "none"));
        assert_eq!(reply, cancel_reply(&order, ASKED));
    }
}

#[test]
fn why_a_card_was_declined_is_told_where_it_helps_and_kept_where_it_must_be() {
    let message = |code: &str| failure(&order(Saga::new()), &Cause::Declined(code.to_owned()), &"c1".into()).message;
    assert_eq!(message("expired_card"), "the card was declined (expired_card); nothing is charged");
    for kept in ["stolen_card", "fraudulent", "anything_else"] {
        assert_eq!(message(kept), "the card was declined; nothing is charged");
    }
}

#[test]
fn a_replay_says_so_and_when_it_was_true() {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let mut told = 0;
    for order in everywhere() {
        let reply = sale_reply(&order, ASKED);
        assert_eq!(order_of(&reply), Some(order.id.clone()));
        let marked = replayed(reply.clone(), at);
        let body = |reply: &SavedReply| reply.structured.get("error").unwrap_or(&reply.structured).clone();
        let (mut with, without) = (body(&marked), body(&reply));
        let fields = with.as_object_mut().unwrap();
        assert_eq!(fields.remove("replayed"), Some(json!(true)));
        assert_eq!(fields.remove("as_of"), Some(json!("1970-01-01T00:00:00Z")));
        assert_eq!(with, without);
        told += u32::from(!reply.is_error);
    }
    assert!(told > 0);
}

#[test]
fn a_pending_order_is_asked_about_when_its_next_round_is_due() {
    let lease = Duration::from_secs(30);
    let asked = Asked { at: jiff::Timestamp::UNIX_EPOCH, lease };
    for (covered_ms, told_ms) in
        [(30_000, 5_000), (0, 5_000), (34_000, 5_000), (149_500, 120_000), (9_000_000, 3_600_000)]
    {
        let mut order = order(Saga::new());
        order.lease_until = crate::time::add(asked.at, Duration::from_millis(covered_ms));
        assert_eq!(live(&order, asked).retry_after_ms, Some(told_ms), "{covered_ms}");
    }
}
