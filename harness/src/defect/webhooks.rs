//! Defects of what is taken in from the payment provider's webhooks.

use std::time::Duration;

use giftgenius::checkout::state::{Commit, Direction, Ending};
use giftgenius::journal::{Batch, Key, Record};
use giftgenius::webhooks::event::EventType;

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static DUPLICATE_WEBHOOK_APPLIED_TWICE: Defect = Defect {
    id: "duplicate_webhook_applied_twice",
    about: "the ids of events are not kept, so that each delivery is taken for news",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/once_after_the_reply")],
    wiring: || {
        each_life(|wired| {
            wired.mapping(
                |key, stored| (!matches!(key, Key::Event(_))).then_some(stored),
                |mut batch| {
                    batch.writes.retain(|write| !matches!(write.key, Key::Event(_)));
                    batch
                },
            )
        })
    },
};

/// See `about`.
pub static LATE_WEBHOOK_APPLIED_AFTER_THE_REFUND: Defect = Defect {
    id: "late_webhook_applied_after_the_refund",
    about: "an event about a charge is believed: the order is paid again, although it was given back",
    caught_by: "told-monotone",
    hunted_on: &[on("webhooks/late_after_the_refund")],
    wiring: || each_life(|wired| wired.mapping(|_, stored| Some(stored), believing)),
};

/// A batch that takes an event about a charge in makes its order a paid one.
fn believing(mut batch: Batch) -> Batch {
    let captured = batch
        .writes
        .iter()
        .any(|write| matches!(&*write.record, Record::Event(event) if event.kind == EventType::ChargeCaptured));
    if !captured {
        return batch;
    }
    for write in &mut batch.writes {
        if let Record::Order(order) = &*write.record {
            let mut order = order.clone();
            order.saga.direction = Direction::Forward;
            order.saga.commit = Commit::Done;
            order.saga.ending = Some(Ending::Paid);
            order.looked = order.heard;
            write.record = Record::Order(order).into();
        }
    }
    batch
}

/// See `about`.
pub static OLD_SIGNATURE_ACCEPTED: Defect = Defect {
    id: "old_signature_accepted",
    about: "a delivery that was overheard is taken in whenever it is sent again",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_an_old_delivery")],
    wiring: || {
        each_life(|mut wired: Wired| {
            wired.policy.webhooks.tolerance = Duration::from_secs(365 * 24 * 60 * 60);
            wired
        })
    },
};
