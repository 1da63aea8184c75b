//! Defects of ownership: orders that cannot be taken over, and orders with two owners.

use std::sync::Arc;

use giftgenius::checkout::order::Order;
use giftgenius::journal::{Key, Record, Stored};
use giftgenius::policy::PaymentProfile;
use jiff::{SignedDuration, Timestamp};

use super::keys::unchecked::unchecked;
use super::{Defect, each_life, on};

/// See `about`.
pub static LEASE_NEVER_EXPIRES: Defect = Defect {
    id: "lease_never_expires",
    about: "who died in the middle of an order keeps it for ever",
    caught_by: "settled",
    hunted_on: &[on("crash/dies_with_the_charge_on_its_way")],
    wiring: || {
        each_life(|wired| {
            wired.reading(|_, stored| match &*stored.record {
                Record::Order(order) => {
                    let order = Order { lease_until: Timestamp::MAX, ..order.clone() };
                    Some(Stored { version: stored.version, record: Arc::new(Record::Order(order)) })
                }
                Record::Session(_)
                | Record::Entry(_)
                | Record::Workflow(_)
                | Record::Switches(_)
                | Record::Event(_)
                | Record::Payment(_) => Some(stored),
            })
        })
    },
};

/// See `about`.
pub static LEASE_ENDS_LATE: Defect = Defect {
    id: "lease_ends_late",
    about: "who died in the middle of an order keeps it for half an hour longer than the policy says",
    caught_by: "settled",
    hunted_on: &[on("crash/dies_with_the_charge_on_its_way")],
    wiring: || {
        each_life(|wired| {
            wired.reading(|_, stored| {
                let Record::Order(order) = &*stored.record else { return Some(stored) };
                let later = SignedDuration::from_mins(30);
                let order = Order { lease_until: order.lease_until + later, ..order.clone() };
                Some(Stored { version: stored.version, record: Arc::new(Record::Order(order)) })
            })
        })
    },
};

/// See `about`.
pub static NOBODY_IS_FENCED: Defect = Defect {
    id: "nobody_is_fenced",
    about: "an owner whose lease has run out goes on, and so does the one who took over",
    caught_by: "no-blind-charge",
    hunted_on: &[
        on("replicas/clocks_apart"),
        on("replicas/clocks_apart").with(PaymentProfile::Keyless),
        on("replicas/both_get_the_same_call").with(PaymentProfile::Keyless),
    ],
    wiring: || each_life(|wired| unchecked(wired, |key| matches!(key, Key::Order(_)))),
};
