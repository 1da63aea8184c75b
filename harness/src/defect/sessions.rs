//! Defects of what is kept beside the keys: sessions, orders and switches that are not what they say.

use std::sync::Arc;

use giftgenius::checkout::order::Order;
use giftgenius::journal::{Key, Record, Stored};

use super::door::calling;
use super::keys::always_open;
use super::{Defect, each_life, on};

/// See `about`.
pub static SESSION_PAID_ONCE_A_KEY: Defect = Defect {
    id: "session_paid_once_a_key",
    about: "only the key says what was bought: a double click that makes two keys buys twice",
    caught_by: "one-effect",
    hunted_on: &[on("duplicates/double_click_two_keys")],
    wiring: || {
        each_life(|wired| {
            super::keys::unchecked::unchecked(wired, |key| matches!(key, Key::Session(_)))
                .reading(|_, stored| Some(always_open(stored)))
        })
    },
};

/// See `about`.
pub static ORDER_VISIBLE_TO_ANOTHER_USER: Defect = Defect {
    id: "order_visible_to_another_user",
    about: "an order is found by its id alone, whoever asks",
    caught_by: "isolated",
    hunted_on: &[on("isolation/somebody_elses_order")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().reading(|_, stored| match &*stored.record {
                Record::Order(order) => {
                    let user = calling(|call| call.user.clone()).unwrap_or_else(|| order.user.clone());
                    let record = Arc::new(Record::Order(Order { user, ..order.clone() }));
                    Some(Stored { version: stored.version, record })
                }
                Record::Session(_) | Record::Entry(_) | Record::Workflow(_) | Record::Switches(_) => Some(stored),
            })
        })
    },
};

/// See `about`.
pub static DEGRADED_MODE_THAT_STILL_CHARGES: Defect = Defect {
    id: "degraded_mode_that_still_charges",
    about: "the switch that turns checkout off is turned, and nobody looks at it",
    caught_by: "degraded-honest",
    hunted_on: &[on("degraded/checkout_is_off")],
    wiring: || each_life(|wired| wired.reading(|key, stored| (*key != Key::Switches).then_some(stored))),
};
