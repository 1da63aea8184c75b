use serde_json::json;

use super::*;
use crate::checkout::answer::tests::order;
use crate::checkout::listing::{bears_out, is_odd};
use crate::checkout::state::{Cause, Direction, Saga};

#[test]
fn what_was_taken_is_not_borne_out_as_untaken() {
    let order = order(Saga::new());
    let told = |status: &str, refunded: i64| {
        let charge = json!({"id": "ch_1", "reference": "ord_1", "amount": 4300, "currency": "EUR", "status": status,
            "refunded": refunded});
        vec![serde_json::from_value::<ChargeRecord>(charge).unwrap()]
    };
    for (status, refunded, is_borne_out) in
        [("refunded", 4300, true), ("cancelled", 0, false), ("processing", 0, false), ("requires_action", 0, false)]
    {
        assert_eq!(bears_out(&order, &told("captured", 0), &told(status, refunded)), is_borne_out, "{status}");
    }
}

/// Charges of an order of 4200, as (id, amount, given back).
fn listing(charges: &[(&str, i64, i64)]) -> Vec<ChargeRecord> {
    let told = |(id, amount, refunded): &(&str, i64, i64)| {
        json!({"id": id, "reference": "ord_1", "amount": amount, "currency": "EUR", "status": "captured",
            "refunded": refunded})
    };
    charges.iter().map(|charge| serde_json::from_value(told(charge)).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_lacks_what_an_earlier_one_had_is_no_proof() {
    let asks = std::sync::atomic::AtomicBool::new(false);
    let now = Instant::now();
    let mut asking = Asking::new(RoundContext {
        urgency: Urgency::Round,
        quiet_since: now,
        repeated: false,
        refunded_before: false,
        asks: &asks,
        noticed: false,
        heard_at: now,
    });
    assert!(!asking.misses(&[]), "none was shown yet");
    asking.was_shown(&listing(&[("ch_1", 4300, 0)]));
    asking.was_shown(&listing(&[("ch_1", 4300, 4300)]));
    assert!(asking.misses(&[]) && asking.misses(&listing(&[("ch_2", 4200, 0)])));
    assert!(!asking.misses(&listing(&[("ch_2", 4200, 0), ("ch_1", 4300, 0)])));
    let mut disputed = listing(&[("ch_1", 4300, 0)]);
    disputed[0].disputed = 4300;
    asking.was_shown(&disputed);
    asking.was_shown(&listing(&[("ch_1", 4300, 0)]));
    assert!(asking.misses(&listing(&[("ch_1", 4300, 0)])), "a dispute that was shown is not done with");
    assert!(!asking.misses(&disputed));
}

#[test]
fn a_refund_in_part_of_a_charge_that_stays_needs_no_second_look() {
    let back = &listing(&[("ch_1", 4200, 100)])[0];
    let mut order = order(Saga::new());
    assert!(is_odd(&order, back), "it may go back");
    order.saga.charge = Charge::Captured { charge_id: "ch_1".into(), minor_units: 4200 };
    assert!(!is_odd(&order, back));
    assert!(is_odd(&order, &listing(&[("ch_1", 4300, 100)])[0]), "another amount");
    order.saga.direction = Direction::Back(Cause::CancelledByUser);
    assert!(is_odd(&order, back));
}

#[test]
fn a_second_listing_bears_out_the_same_and_what_was_given_back_since() {
    let order = order(Saga::new());
    for (first, later, is_borne_out) in [
        (&[("ch_1", 4300, 0)][..], &[("ch_1", 4300, 0)][..], true),
        (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 4300)], true),
        (&[("ch_1", 4200, 100)], &[("ch_1", 4200, 100)], true),
        // Another amount than before, in either of them.
        (&[("ch_1", 4300, 0)], &[("ch_1", 4200, 0)], false),
        (&[("ch_1", 4300, 0)], &[("ch_1", 4400, 4400)], false),
        // Refunded in part, in only one of them.
        (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 100)], false),
        (&[("ch_1", 4200, 100)], &[("ch_1", 4200, 200)], false),
        // An older listing than the first.
        (&[("ch_1", 4300, 4300)], &[("ch_1", 4300, 0)], false),
        (&[("ch_1", 4300, 0), ("ch_2", 4200, 0)], &[("ch_1", 4300, 0)], false),
        // A further charge: as agreed it is believed, and else looked up once more.
        (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 0), ("ch_2", 4200, 0)], true),
        (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 0), ("ch_2", 4300, 0)], false),
    ] {
        assert_eq!(bears_out(&order, &listing(first), &listing(later)), is_borne_out, "{first:?}, {later:?}");
    }
}
