//! What the payment provider keeps to, profile by profile.

use giftgenius::policy::PaymentProfile::{Acp, Keyless, KeylessNoCancel, Stripe};
use proptest::prelude::*;
use serde_json::json;

use crate::canary::{CANARIES, CARD_NUMBER, WEBHOOK_SECRET};
use crate::provider::Circumstance;
use crate::provider::ledger::EffectKind::{Charge, Close, Refund, RefundFailed};
use crate::provider::operations::{CHARGE, LOOK_UP, PAYMENT_METHODS};
use crate::provider::testkit::{LATE_MAX, Shop, code};

#[test]
fn a_replayed_key_charges_once_where_the_profile_deduplicates() {
    for (profile, charges) in [(Stripe, 1), (Acp, 1), (Keyless, 2), (KeylessNoCancel, 2)] {
        let mut shop = Shop::new(profile);
        let first = shop.charge("k1", "ord_1", 4200);
        let second = shop.charge("k1", "ord_1", 4200);
        assert_eq!(first.0, 200);
        assert_eq!(shop.effects(), vec![Charge; charges], "{profile:?}");
        assert_eq!(first == second, charges == 1, "{profile:?}");
    }
}

#[test]
fn a_key_with_other_parameters_is_refused_where_the_profile_deduplicates() {
    for (profile, expected) in [(Stripe, 422), (Acp, 422), (Keyless, 200), (KeylessNoCancel, 200)] {
        let mut shop = Shop::new(profile);
        shop.charge("k1", "ord_1", 4200);
        let second = shop.charge("k1", "ord_1", 4300);
        assert_eq!(second.0, expected, "{profile:?}");
        if expected == 422 {
            assert_eq!(code(&second), (422, "key_mismatch"));
            assert_eq!(shop.effects(), [Charge]);
        }
    }
}

#[test]
fn the_order_of_a_bodys_fields_is_no_other_parameter() {
    let mut shop = Shop::new(Stripe);
    let one = br#"{"reference":"ord_1","amount":1,"currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#;
    let other = br#"{"amount": 1, "customer":"ada","payment_method":"pm_visa","currency":"EUR","reference":"ord_1"}"#;
    let first = shop.raw(&CHARGE, "", "k", one);
    assert_eq!(first.body, shop.raw(&CHARGE, "", "k", other).body);
    assert_eq!(shop.effects(), [Charge]);
}

#[test]
fn a_key_is_scoped_to_its_operation() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(shop.refund("k1", "ch_1", 4200).0, 200);
    assert_eq!(shop.effects(), [Charge, Refund]);
}

#[test]
fn a_refusal_is_replayed_under_its_key_and_not_under_another() {
    for (profile, same_key) in [(Stripe, 402), (Acp, 402), (Keyless, 200)] {
        let mut shop = Shop::new(profile);
        let declined = Circumstance::Declined("expired_card".to_owned());
        let refusal = shop.under(declined).charge("k1", "ord_1", 4200);
        assert_eq!(code(&refusal), (402, "card_declined"));
        assert_eq!(refusal.1["error"]["decline_code"], "expired_card");
        assert_eq!(shop.effects(), []);
        assert_eq!(shop.charge("k1", "ord_1", 4200).0, same_key, "{profile:?}");
        assert_eq!(shop.charge("k2", "ord_1", 4200).0, 200);
    }
}

#[test]
fn what_fails_validation_leaves_the_key_free() {
    let mut shop = Shop::new(Stripe);
    assert_eq!(code(&shop.charge("k1", "ord_1", 0)), (400, "invalid_request"));
    assert_eq!(shop.charge("k1", "ord_1", 4200).0, 200);
}

#[test]
fn malformed_bodies_are_refused_without_an_effect() {
    let mut shop = Shop::new(Acp);
    for body in [
        &b""[..],
        b"[]",
        b"{\"reference\":",
        br#"{"reference":"o","amount":"1","currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#,
        br#"{"reference":"o","amount":1,"currency":"euro","customer":"ada","payment_method":"pm_visa"}"#,
        br#"{"reference":"","amount":1,"currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#,
        br#"{"reference":"o","amount":-1,"currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#,
        b"\xff\xfe",
    ] {
        assert_eq!(shop.raw(&CHARGE, "", "k", body).status, 400);
    }
    assert_eq!(shop.effects(), []);
}

#[test]
fn payment_methods_decide_who_can_pay() {
    let mut shop = Shop::new(Stripe);
    let mut charge = |customer: &str, method: &str| {
        let body = json!({
            "reference": "ord_1", "customer": customer, "amount": 1, "currency": "EUR", "payment_method": method,
        });
        shop.post(&CHARGE, &format!("{customer} {method}"), &body)
    };
    assert_eq!(charge("ada", "pm_mastercard").0, 200);
    assert_eq!(charge("ben", "pm_ben_mastercard").0, 200);
    let unknown = charge("ada", "pm_nobodys");
    assert_eq!(code(&unknown), (404, "unknown_payment_method"));
    assert_eq!(charge("ben", "pm_mastercard"), unknown, "a method of another customer's is as good as none");
    assert_eq!(charge("ada", "pm_ben_mastercard"), unknown);
    let declined = charge("ada", "pm_declined");
    assert_eq!(code(&declined), (402, "card_declined"));
    assert_eq!(declined.1["error"]["decline_code"], "insufficient_funds");
}

#[test]
fn payment_methods_and_errors_carry_canaries() {
    let mut shop = Shop::new(Stripe);
    let (status, methods) = shop.get(&PAYMENT_METHODS, "?customer=ada");
    assert_eq!(status, 200);
    assert_eq!(methods["payment_methods"][0]["id"], "pm_visa");
    assert_eq!(methods["payment_methods"][0]["last4"], "4242");
    let (_, bens) = shop.get(&PAYMENT_METHODS, "?customer=ben");
    assert_eq!(bens["payment_methods"][0]["id"], "pm_ben_visa");
    // The secret of the events is in no body: it is what only a signature knows.
    for canary in CANARIES.iter().filter(|canary| **canary != WEBHOOK_SECRET) {
        assert!(methods.to_string().contains(canary), "{canary}");
    }
    let refusal = shop.charge("k1", "ord_1", 0).1.to_string();
    for canary in CANARIES.iter().filter(|canary| ![CARD_NUMBER, WEBHOOK_SECRET].contains(canary)) {
        assert!(refusal.contains(canary), "{canary}");
    }
    assert_eq!(shop.get(&PAYMENT_METHODS, "").0, 400);
}

#[test]
fn a_look_up_lists_what_stands_under_the_reference() {
    let mut shop = Shop::new(Keyless);
    assert_eq!(shop.look_up("ord_1"), json!([]));
    shop.charge("k1", "ord_1", 4200);
    shop.charge("k2", "ord_2", 100);
    shop.charge("k3", "ord_1", 300);
    shop.refund("r1", "ch_1", 200);
    shop.refund("r2", "ch_3", 300);
    assert_eq!(
        shop.look_up("ord_1"),
        json!([
            {"id": "ch_1", "reference": "ord_1", "amount": 4200, "currency": "EUR", "status": "partially_refunded",
             "refunded": 200, "refunding": 0},
            {"id": "ch_3", "reference": "ord_1", "amount": 300, "currency": "EUR", "status": "refunded",
             "refunded": 300, "refunding": 0},
        ])
    );
    assert_eq!(shop.get(&LOOK_UP, "").0, 400);
}

#[test]
fn a_refund_undoes_its_charge_and_never_exceeds_it() {
    let mut shop = Shop::new(Keyless);
    shop.charge("k1", "ord_1", 1000);
    assert_eq!(shop.refund("r1", "ch_1", 600).1["id"], "re_1");
    assert_eq!(code(&shop.refund("r2", "ch_1", 401)), (409, "exceeds_charge"));
    assert_eq!(shop.refund("r3", "ch_1", 400).1["status"], "succeeded");
    assert_eq!(code(&shop.refund("r4", "ch_1", 1)), (409, "exceeds_charge"));
    assert_eq!(shop.effects(), [Charge, Refund, Refund]);
    assert_eq!(shop.effect(1).undoes, Some(shop.effect(0).id));
    assert_eq!(shop.record.ledger.charge_standing(shop.effect(0)), 0);
    assert!(!shop.record.ledger.stands_at(shop.effect(0), shop.since_start));
}

#[test]
fn a_refund_names_a_charge_of_its_reference() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_2", 1000);
    for charge in ["ch_1", "ch_2", "ch_0", "ch_01", "ch_+1", "re_1", ""] {
        let refused = shop.refund(charge, charge, 1);
        assert_eq!(code(&refused), (404, "unknown_charge"), "{charge}");
    }
}

#[test]
fn a_closed_reference_takes_no_more_charges_and_is_closed_once() {
    for profile in [Stripe, Acp, Keyless] {
        let mut shop = Shop::new(profile);
        shop.charge("k1", "ord_1", 4200);
        let closed = shop.cancel("c1", "ord_1");
        assert_eq!((closed.0, &closed.1["status"]), (200, &json!("closed")));
        assert_eq!(closed.1["charges"][0]["id"], "ch_1");
        assert_eq!(shop.cancel("c2", "ord_1").0, 200);
        assert_eq!(code(&shop.charge("k2", "ord_1", 4200)), (409, "reference_closed"));
        assert_eq!(shop.effects(), [Charge, Close], "{profile:?}");
        assert_eq!(shop.refund("r1", "ch_1", 4200).0, 200);
    }
}

#[test]
fn an_unknown_reference_can_be_closed_ahead_of_a_late_charge() {
    let mut shop = Shop::new(Keyless);
    assert_eq!(shop.cancel("c1", "ord_1").1["charges"], json!([]));
    assert_eq!(shop.charge("k1", "ord_1", 4200).0, 409);
    assert_eq!(shop.effects(), [Close]);
}

#[test]
fn a_profile_without_cancel_says_so() {
    let mut shop = Shop::new(KeylessNoCancel);
    assert_eq!(code(&shop.cancel("c1", "ord_1")), (501, "unsupported"));
    assert_eq!(shop.charge("k1", "ord_1", 4200).0, 200);
}

#[test]
fn an_effect_tells_who_brought_it() {
    let mut shop = Shop::new(Stripe);
    shop.wait(3).charge("k1", "ord_1", 4200);
    let effect = shop.effect(0);
    assert_eq!((effect.subject.as_str(), effect.reference.as_str()), ("ch_1", "ord_1"));
    assert_eq!(effect.key.as_deref(), Some("k1"));
    assert_eq!(effect.correlation, "step-1.1");
    assert_eq!(effect.at.as_secs(), 3);
    assert!(effect.exchange.is_some());
}

#[derive(Clone, Debug)]
enum Ask {
    Charge(u8, u8, i64),
    Refund(u8, u8, i64),
    Cancel(u8, u8),
}

fn ask() -> impl Strategy<Value = Ask> {
    let (key, reference, amount) = (0..6u8, 0..3u8, 1..5i64);
    prop_oneof![
        3 => (key.clone(), reference.clone(), amount.clone()).prop_map(|(key, of, amount)| Ask::Charge(key, of, amount)),
        3 => (key.clone(), 1..6u8, amount).prop_map(|(key, of, amount)| Ask::Refund(key, of, amount)),
        1 => (key, reference).prop_map(|(key, of)| Ask::Cancel(key, of)),
    ]
}

proptest! {
    #[test]
    fn what_is_charged_is_what_was_captured_less_what_was_refunded(
        profile in prop::sample::select(vec![Stripe, Acp, Keyless, KeylessNoCancel]),
        asks in prop::collection::vec(ask(), 0..40),
    ) {
        let mut shop = Shop::new(profile);
        for ask in asks {
            match ask {
                Ask::Charge(key, of, amount) => shop.charge(&format!("k{key}"), &format!("ord_{of}"), amount),
                Ask::Refund(key, of, amount) => shop.refund(&format!("k{key}"), &format!("ch_{of}"), amount),
                Ask::Cancel(key, of) => shop.cancel(&format!("k{key}"), &format!("ord_{of}")),
            };
        }
        for reference in ["ord_0", "ord_1", "ord_2"] {
            let listed = shop.look_up(reference);
            let ledger = &shop.record.ledger;
            let charges: Vec<_> = ledger.of_kind(Charge).filter(|charge| charge.reference == reference).collect();
            let told = listed.as_array().expect("a list");
            prop_assert_eq!(told.len(), charges.len());
            for (told, charge) in told.iter().zip(charges) {
                let standing = ledger.charge_standing(charge);
                prop_assert!(standing >= 0);
                let amount = told["amount"].as_i64().expect("a number");
                let refunded = told["refunded"].as_i64().expect("a number");
                prop_assert_eq!(amount - refunded, standing);
                prop_assert_eq!(told["id"].as_str(), Some(charge.subject.as_str()));
            }
            // Nothing was charged after the reference was closed.
            let closed = ledger.of_kind(Close).find(|close| close.reference == reference).map(|close| close.id);
            let late = ledger.of_kind(Charge).filter(|charge| charge.reference == reference && closed < Some(charge.id));
            prop_assert_eq!(if closed.is_some() { late.count() } else { 0 }, 0);
        }
    }
}

#[test]
fn each_thing_that_happens_to_a_charge_is_told_once() {
    let mut shop = Shop::new(Stripe);
    shop.providers.payment.send_events();
    let told = |shop: &mut Shop| {
        let events = shop.providers.payment.take_events();
        events.iter().map(|event| format!("{} {} {}", event.id, event.kind.name(), event.object)).collect::<Vec<_>>()
    };
    shop.charge("k1", "ord_1", 4200);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(told(&mut shop), ["evt_1 charge.captured ch_1"], "a replayed key makes nothing happen");
    shop.look_up("ord_1");
    shop.under(Circumstance::Declined("expired_card".to_owned())).charge("k2", "ord_2", 4200);
    shop.refund("k3", "ch_1", 4200);
    shop.refund("k4", "ch_1", 4200);
    assert_eq!(told(&mut shop), ["evt_2 charge.failed ", "evt_3 charge.refunded re_1"]);
    assert!(told(&mut shop).is_empty(), "each is taken once");
}

#[test]
fn a_provider_that_sends_no_events_keeps_none() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_1", 4200);
    assert!(shop.providers.payment.take_events().is_empty());
}

#[test]
fn an_event_says_more_than_may_be_passed_on() {
    let mut shop = Shop::new(Stripe);
    shop.providers.payment.send_events();
    shop.charge("k1", "ord_1", 4200);
    let event = shop.providers.payment.take_events().remove(0);
    let body: serde_json::Value = serde_json::from_slice(&event.body()).expect("JSON");
    let named =
        json!({"id": "evt_1", "type": "charge.captured", "reference": "ord_1", "object": "ch_1", "amount": 4200});
    for (name, value) in named.as_object().expect("an object") {
        assert_eq!(&body[name], value, "{name}");
    }
    for canary in CANARIES.iter().filter(|canary| **canary != WEBHOOK_SECRET) {
        assert!(body.to_string().contains(canary), "{canary}");
    }
}

/// The status of each charge of an order, as it is listed.
fn statuses(shop: &mut Shop) -> Vec<String> {
    let listed = shop.look_up("ord_1");
    let list = listed.as_array().expect("a list").iter();
    list.map(|charge| charge["status"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_charge_that_is_accepted_first_is_captured_later_unless_its_reference_is_closed() {
    for (circumstance, status) in
        [(Circumstance::Processing, "processing"), (Circumstance::RequiresAction, "requires_action")]
    {
        for closed in [false, true] {
            let mut shop = Shop::new(Stripe);
            let reply = shop.under(circumstance.clone()).charge("k1", "ord_1", 4200);
            assert_eq!((reply.0, &reply.1["status"]), (200, &json!(status)));
            assert_eq!((statuses(&mut shop), shop.effects()), (vec![status.to_owned()], vec![]));
            assert_eq!(code(&shop.refund("r1", "ch_1", 4200)), (409, "exceeds_charge"));
            if closed {
                let listed = shop.cancel("c1", "ord_1").1;
                assert_eq!(listed["charges"][0]["status"], "cancelled");
            }
            shop.wait(LATE_MAX.as_secs() / 2);
            let (told, books) = if closed { ("cancelled", vec![Close]) } else { ("captured", vec![Charge]) };
            assert_eq!((statuses(&mut shop), shop.effects()), (vec![told.to_owned()], books));
        }
    }
}

#[test]
fn what_is_still_to_be_done_is_done_at_rest() {
    let mut shop = Shop::new(Stripe);
    shop.under(Circumstance::Processing).charge("k1", "ord_1", 4200);
    shop.stock();
    assert_eq!(shop.effects(), [Charge]);
    assert_eq!(shop.effect(0).key.as_deref(), Some("k1"), "in the books under its request");
}

#[test]
fn a_refund_that_is_processed_counts_as_on_its_way_and_then_as_done() {
    let mut shop = Shop::new(Keyless);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(shop.under(Circumstance::Processing).refund("r1", "ch_1", 4200).1["status"], "processing");
    assert_eq!((&shop.look_up("ord_1")[0]["refunding"], shop.effects()), (&json!(4200), vec![Charge]));
    assert_eq!(code(&shop.refund("r2", "ch_1", 1)), (409, "exceeds_charge"));
    shop.wait(LATE_MAX.as_secs() / 2);
    let listed = shop.look_up("ord_1");
    assert_eq!((&listed[0]["refunding"], &listed[0]["refunded"]), (&json!(0), &json!(4200)));
    assert_eq!(shop.effects(), [Charge, Refund]);
}

#[test]
fn a_refund_that_fails_later_leaves_the_charge_as_it_was() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(shop.under(Circumstance::RefundFailsLater).refund("r1", "ch_1", 4200).1["status"], "succeeded");
    assert_eq!(statuses(&mut shop), ["refunded"]);
    shop.wait(LATE_MAX.as_secs() / 2);
    assert_eq!(statuses(&mut shop), ["captured"]);
    assert_eq!(shop.effects(), [Charge, Refund, RefundFailed]);
    let ledger = &shop.record.ledger;
    assert_eq!(ledger.charge_standing(&ledger.effects[0]), 4200);
    assert_eq!(shop.refund("r1", "ch_1", 4200).1["id"], "re_1", "the old key has the old answer");
    assert_eq!(shop.refund("r2", "ch_1", 4200).1["id"], "re_2");
}

#[test]
fn a_stale_listing_misses_the_latest_change_while_that_is_fresh() {
    let mut shop = Shop::new(Keyless);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(shop.under(Circumstance::Stale).look_up("ord_1"), json!([]));
    shop.wait(1);
    shop.refund("r1", "ch_1", 4200);
    assert_eq!(shop.under(Circumstance::Stale).look_up("ord_1")[0]["status"], "captured");
    assert_eq!(shop.look_up("ord_1")[0]["status"], "refunded");
    shop.wait(LATE_MAX.as_secs() / 10);
    assert_eq!(shop.under(Circumstance::Stale).look_up("ord_1")[0]["status"], "refunded", "it has shown by now");
}

#[test]
fn another_amount_is_taken_and_told() {
    let mut shop = Shop::new(Stripe);
    let reply = shop.under(Circumstance::WrongAmountCharged).charge("k1", "ord_1", 4200);
    assert_eq!(
        (&reply.1["amount"], shop.effect(0).amount.map(|amount| amount.minor_units)),
        (&json!(4300), Some(4300))
    );
}

#[test]
fn a_forgotten_key_runs_afresh() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_1", 4200);
    assert_eq!(shop.under(Circumstance::KeyExpired).charge("k1", "ord_1", 4200).1["id"], "ch_2");
    assert_eq!(shop.charge("k1", "ord_1", 4200).1["id"], "ch_2", "and is remembered again");
}

#[test]
fn whoever_honours_keys_says_that_an_earlier_copy_is_at_work() {
    for (profile, told) in [(Acp, 409), (Stripe, 409), (Keyless, 200)] {
        let mut shop = Shop::new(profile);
        let reply = shop.under(Circumstance::InFlight).charge("k1", "ord_1", 4200);
        assert_eq!((reply.0, shop.effects()), (told, vec![Charge]), "{profile:?}");
        if told == 409 {
            assert_eq!(code(&reply), (409, "in_flight"));
            assert_eq!(shop.charge("k1", "ord_1", 4200).0, 200, "it is done by now");
        }
    }
}

#[test]
fn a_circumstance_that_makes_no_difference_says_so() {
    use crate::provider::operations::{CHARGE, LOOK_UP};
    let body = br#"{"reference":"ord_1","amount":4200,"currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#;
    let charge = |shop: &mut Shop, circumstance| shop.under(circumstance).raw(&CHARGE, "", "k1", body).indifferent;
    let look_up =
        |shop: &mut Shop| shop.under(Circumstance::Stale).raw(&LOOK_UP, "?reference=ord_1", "", b"").indifferent;
    let declined = || Circumstance::Declined("expired_card".to_owned());
    let mut shop = Shop::new(Stripe);
    assert!(look_up(&mut shop), "nothing has changed that a listing could miss");
    assert!(charge(&mut shop, Circumstance::KeyExpired), "a first request has no key to forget");
    assert!(!look_up(&mut shop));
    assert!(charge(&mut shop, declined()), "the saved reply is given again");
    assert!(charge(&mut shop, Circumstance::InFlight), "the first request is done");
    assert!(!charge(&mut shop, Circumstance::KeyExpired));
    shop.wait(3600);
    assert!(look_up(&mut shop), "every listing shows by now what was done an hour ago");
    shop.cancel("k2", "ord_1");
    let closed = shop.under(Circumstance::Processing).raw(&CHARGE, "", "k3", body);
    assert!(closed.status == 409 && closed.indifferent, "a closed reference is charged neither now nor later");
    for (profile, indifferent) in [(Stripe, false), (Acp, false), (Keyless, true)] {
        let mut shop = Shop::new(profile);
        assert_eq!(charge(&mut shop, Circumstance::InFlight), indifferent, "{profile:?}");
        assert!(!charge(&mut Shop::new(profile), declined()));
    }
}

#[test]
fn a_saved_reply_names_the_request_that_it_was_first_given_to() {
    let mut shop = Shop::new(Stripe);
    shop.charge("k1", "ord_1", 4200);
    shop.charge("k2", "ord_1", 4200);
    shop.charge("k1", "ord_1", 4200);
    let replays: Vec<_> = shop
        .record
        .trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            crate::trace::EventKind::Delivered { replay_of, .. } => Some(*replay_of),
            _ => None,
        })
        .collect();
    assert_eq!(replays, [None, None, Some(crate::trace::ExchangeId(0))]);
}
