//! What the inventory keeps to.

use std::collections::BTreeMap;

use giftgenius::policy::PaymentProfile;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::provider::Circumstance;
use crate::provider::ledger::EffectKind::{Commit, Expire, Release, Reserve, Restock};
use crate::provider::operations::RESERVE;
use crate::provider::testkit::{Shop, code};

fn shop() -> Shop {
    let mut shop = Shop::new(PaymentProfile::Stripe);
    shop.providers.set_stock("tea-set", 5);
    shop.providers.set_stock("desk-lamp", 3);
    shop
}

fn items(tea_sets: u32) -> Value {
    json!([{"sku": "tea-set", "quantity": tea_sets}])
}

#[test]
fn a_reservation_takes_stock_off_the_shelf_and_tells_until_when() {
    let mut shop = shop();
    let (status, reply) = shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(status, 200);
    assert_eq!(
        reply,
        json!({"reference": "ord_1/1", "status": "held", "items": items(2), "expires_at": "2026-01-01T00:01:00Z"})
    );
    assert_eq!(shop.stock()["tea-set"], (5, 3));
    let effect = shop.effect(0);
    assert_eq!((effect.kind, effect.subject.as_str()), (Reserve, "rsv_1"));
    assert_eq!(effect.stock, [("tea-set".into(), 2)]);
}

#[test]
fn a_replayed_key_reserves_once() {
    let mut shop = shop();
    let first = shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(first, shop.reserve("k1", "ord_1/1", &items(2)));
    assert_eq!(code(&shop.reserve("k1", "ord_1/1", &items(3))), (422, "key_mismatch"));
    assert_eq!(shop.effects(), [Reserve]);
}

#[test]
fn a_held_reference_is_told_again_to_another_key() {
    let mut shop = shop();
    let first = shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(first, shop.reserve("k2", "ord_1/1", &items(2)));
    assert_eq!(shop.effects(), [Reserve]);
}

#[test]
fn more_than_the_shelf_holds_is_refused_whole() {
    let mut shop = shop();
    let asked = json!([{"sku": "desk-lamp", "quantity": 1}, {"sku": "tea-set", "quantity": 6}]);
    let refusal = shop.reserve("k1", "ord_1/1", &asked);
    assert_eq!(code(&refusal), (409, "out_of_stock"));
    assert_eq!(refusal.1["error"]["sku"], "tea-set");
    assert_eq!(refusal.1["error"]["available"], 5);
    let twice = json!([{"sku": "tea-set", "quantity": 3}, {"sku": "tea-set", "quantity": 3}]);
    assert_eq!(shop.reserve("k2", "ord_1/2", &twice).0, 409);
    let unknown = shop.reserve("k3", "ord_1/3", &json!([{"sku": "unicorn", "quantity": 1}]));
    assert_eq!(unknown.1["error"]["available"], 0);
    assert_eq!(shop.effects(), []);
    assert_eq!(shop.stock()["tea-set"], (5, 5));
}

#[test]
fn one_product_in_two_items_is_reserved_together() {
    let mut shop = shop();
    let twice = json!([{"sku": "tea-set", "quantity": 2}, {"sku": "tea-set", "quantity": 3}]);
    assert_eq!(shop.reserve("k1", "ord_1/1", &twice).1["items"], items(5));
    assert_eq!(shop.stock()["tea-set"], (5, 0));
}

#[test]
fn circumstances_of_the_shelf() {
    let mut shop = shop();
    let refusal = shop.under(Circumstance::OutOfStock).reserve("k1", "ord_1/1", &items(1));
    assert_eq!((code(&refusal), &refusal.1["error"]["available"]), ((409, "out_of_stock"), &json!(0)));

    let two = json!([{"sku": "tea-set", "quantity": 2}, {"sku": "desk-lamp", "quantity": 1}]);
    let partial = shop.under(Circumstance::PartialReserve).reserve("k2", "ord_2/1", &two);
    assert_eq!(partial.1["status"], "held");
    assert_eq!(partial.1["items"], json!([{"sku": "tea-set", "quantity": 1}, {"sku": "desk-lamp", "quantity": 1}]));
    let none = shop.under(Circumstance::PartialReserve).reserve("k3", "ord_3/1", &items(1));
    assert_eq!((none.0, &none.1["items"]), (200, &json!([])));
    assert_eq!(shop.effects(), [Reserve, Reserve]);
    assert_eq!(shop.stock()["tea-set"], (5, 4));
    assert_eq!(shop.release("l3", "ord_3/1").0, 200);
}

#[test]
fn a_release_frees_what_is_held_and_closes_the_reference() {
    let mut shop = shop();
    shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(shop.release("l1", "ord_1/1").1["status"], "released");
    assert_eq!(shop.release("l2", "ord_1/1").0, 200);
    assert_eq!(shop.effects(), [Reserve, Release]);
    assert_eq!(shop.effect(1).undoes, Some(shop.effect(0).id));
    assert_eq!(shop.stock()["tea-set"], (5, 5));
    assert_eq!(code(&shop.reserve("k2", "ord_1/1", &items(2))), (409, "reference_closed"));
    assert_eq!(code(&shop.commit("c1", "ord_1/1")), (410, "reservation_gone"));
}

#[test]
fn an_unknown_reference_is_closed_ahead_of_a_late_reserve() {
    let mut shop = shop();
    assert_eq!(shop.release("l1", "ord_1/1").0, 200);
    assert_eq!(code(&shop.reserve("k1", "ord_1/1", &items(2))), (409, "reference_closed"));
    assert_eq!(shop.effects(), []);
}

#[test]
fn a_commit_takes_the_reserves_place_once() {
    let mut shop = shop();
    shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(shop.commit("c1", "ord_1/1").1["status"], "committed");
    assert_eq!(shop.commit("c2", "ord_1/1").0, 200);
    assert_eq!(shop.effects(), [Reserve, Commit]);
    assert_eq!(shop.effect(1).undoes, Some(shop.effect(0).id));
    assert_eq!(code(&shop.release("l1", "ord_1/1")), (409, "committed"));
    assert_eq!(code(&shop.commit("c3", "ord_9/1")), (410, "reservation_gone"));
}

#[test]
fn a_restock_takes_a_sale_back_and_nothing_else() {
    let mut shop = shop();
    assert_eq!(shop.restock("s0", "ord_1/1").1["status"], "restocked");
    shop.reserve("k1", "ord_1/1", &items(2));
    shop.restock("s1", "ord_1/1");
    shop.commit("c1", "ord_1/1");
    shop.restock("s2", "ord_1/1");
    shop.restock("s3", "ord_1/1");
    assert_eq!(shop.effects(), [Reserve, Commit, Restock]);
    assert_eq!(shop.effect(2).undoes, Some(shop.effect(1).id));
    assert_eq!(shop.stock()["tea-set"], (5, 5));
    assert_eq!(shop.commit("c2", "ord_1/1").0, 410);
    assert_eq!(shop.release("l1", "ord_1/1").0, 200);
}

#[test]
fn reservations_run_out_by_themselves_in_their_order() {
    let mut shop = shop();
    shop.reserve("k1", "ord_2/1", &items(1));
    shop.wait(10).reserve("k2", "ord_1/1", &items(1));
    shop.wait(51).release("l", "ord_9/1");
    assert_eq!(shop.effects(), [Reserve, Reserve, Expire]);
    assert_eq!(shop.effect(2).reference, "ord_2/1");
    assert_eq!(shop.effect(2).exchange, None);
    assert_eq!(shop.effect(2).undoes, Some(shop.effect(0).id));
    assert_eq!(code(&shop.commit("c1", "ord_2/1")), (410, "reservation_gone"));
    assert_eq!(code(&shop.reserve("k3", "ord_2/1", &items(1))), (409, "reference_closed"));
    assert_eq!(shop.commit("c2", "ord_1/1").0, 200);
    assert_eq!(shop.wait(3600).stock()["tea-set"], (5, 4));
    assert_eq!(shop.release("l1", "ord_2/1").0, 200);
}

#[test]
fn what_has_run_out_by_the_end_is_entered_when_the_books_are_closed() {
    let mut shop = shop();
    shop.reserve("k1", "ord_1/1", &items(1));
    assert_eq!(shop.wait(59).stock()["tea-set"], (5, 4));
    assert_eq!(shop.wait(1).stock()["tea-set"], (5, 5));
    assert_eq!(shop.effects(), [Reserve, Expire]);
}

#[test]
fn a_boundless_time_to_live_is_bounded() {
    let mut shop = shop();
    let body = json!({"reference": "r", "items": items(1), "ttl_s": u64::MAX});
    assert_eq!(shop.post(&RESERVE, "k", &body).0, 200);
}

#[test]
fn malformed_requests_are_refused_and_leave_the_key_free() {
    let mut shop = shop();
    for wrong in [json!([]), json!([{"sku": "tea-set", "quantity": 0}]), json!(["tea-set"])] {
        assert_eq!(shop.reserve("k1", "ord_1/1", &wrong).0, 400);
    }
    assert_eq!(shop.release("l1", "").0, 400);
    assert_eq!(shop.reserve("k1", "ord_1/1", &items(1)).0, 200);
}

#[derive(Clone, Debug)]
enum Ask {
    Reserve(u32, Option<Circumstance>),
    Release,
    Commit,
    Restock,
    Wait(u64),
}

fn ask() -> impl Strategy<Value = Ask> {
    let circumstance = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Circumstance::PartialReserve)),
        1 => Just(Some(Circumstance::OutOfStock)),
    ];
    prop_oneof![
        4 => (1..4u32, circumstance).prop_map(|(quantity, circumstance)| Ask::Reserve(quantity, circumstance)),
        2 => Just(Ask::Release),
        2 => Just(Ask::Commit),
        1 => Just(Ask::Restock),
        1 => (0..90u64).prop_map(Ask::Wait),
    ]
}

proptest! {
    #[test]
    fn stock_is_what_is_free_and_reserved_and_sold(
        asks in prop::collection::vec((0..4u8, 0..8u8, ask()), 0..40),
    ) {
        let mut shop = shop();
        for (of, key, ask) in asks {
            let (key, reference) = (format!("k{key}"), format!("ord_{of}/1"));
            match ask {
                Ask::Reserve(quantity, circumstance) => {
                    shop.circumstance = circumstance;
                    shop.reserve(&key, &reference, &items(quantity));
                }
                Ask::Release => _ = shop.release(&key, &reference),
                Ask::Commit => _ = shop.commit(&key, &reference),
                Ask::Restock => _ = shop.restock(&key, &reference),
                Ask::Wait(seconds) => _ = shop.wait(seconds),
            }
            let stock = shop.stock();
            let ledger = &shop.record.ledger;
            let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
            for effect in ledger.of_kind(Reserve).chain(ledger.of_kind(Commit)) {
                if ledger.stands_at(effect, shop.since_start) {
                    for (sku, quantity) in &effect.stock {
                        *taken.entry(sku).or_default() += quantity;
                    }
                }
            }
            for (sku, (opening, closing)) in &stock {
                prop_assert_eq!(*opening, closing + taken.get(sku.as_str()).copied().unwrap_or(0));
            }
            // Whatever is undone is undone once, by something later.
            for effect in &ledger.effects {
                let undone = ledger.effects.iter().filter(|other| other.undoes == Some(effect.id));
                prop_assert!(undone.clone().count() <= 1);
                prop_assert!(undone.into_iter().all(|other| other.id > effect.id));
            }
        }
    }
}

#[test]
fn a_reservation_can_run_out_as_it_is_sold_and_then_it_is_gone() {
    let mut shop = shop();
    shop.reserve("k1", "ord_1/1", &items(2));
    let reply = shop.under(Circumstance::ReservationExpired).commit("c1", "ord_1/1");
    assert_eq!(code(&reply), (410, "reservation_gone"));
    assert_eq!((shop.effects(), shop.stock()["tea-set"]), (vec![Reserve, Expire], (5, 5)));
    assert_eq!(code(&shop.commit("c2", "ord_1/1")), (410, "reservation_gone"));
}

#[test]
fn a_forgotten_key_changes_nothing_that_its_reference_protects() {
    let mut shop = shop();
    let first = shop.reserve("k1", "ord_1/1", &items(2));
    assert_eq!(shop.under(Circumstance::KeyExpired).reserve("k1", "ord_1/1", &items(2)), first);
    shop.commit("c1", "ord_1/1");
    assert_eq!(shop.under(Circumstance::KeyExpired).commit("c1", "ord_1/1").0, 200);
    assert_eq!((shop.effects(), shop.stock()["tea-set"]), (vec![Reserve, Commit], (5, 3)));
}
