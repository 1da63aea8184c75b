//! Defects of what the payment provider does on its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::journal::{Batch, Record};
use giftgenius::ports::Response;
use giftgenius::webhooks::event::EventType;
use serde_json::{Value, json};

use super::parts::field;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static REFUND_IN_THE_DASHBOARD_IGNORED: Defect = Defect {
    id: "refund_in_the_dashboard_ignored",
    about: "a charge that was given back without a refund request of the shop's own is taken for one that stands",
    caught_by: "all-or-nothing",
    hunted_on: &[on("acts/a_refund_in_the_dashboard")],
    wiring: || {
        let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        Arc::new(move |wired: Wired| {
            let asked = asked.clone();
            wired.sending(move |next, request| {
                let asked = asked.clone();
                async move {
                    let reference = field(&request, "reference");
                    let operation = request.operation;
                    if operation == "payment.refund" {
                        asked.lock().expect("no holder panics").extend(reference);
                    }
                    let response = next.send(request).await?;
                    Ok(if operation == "payment.look_up" { standing_unless_asked(response, &asked) } else { response })
                }
            })
        })
    },
};

/// See `about`.
pub static EVENT_OF_AN_ACT_NOT_LOOKED_INTO: Defect = Defect {
    id: "event_of_an_act_not_looked_into",
    about: "an event about a refund that the shop did not ask for is noted, and the charge is not looked up",
    caught_by: "webhook-safe",
    hunted_on: &[on("acts/an_old_listing_after_the_event")],
    wiring: || each_life(|wired| wired.mapping(|_, stored| Some(stored), looked_at)),
};

/// See `about`.
pub static OLD_LISTING_AFTER_AN_EVENT_BELIEVED: Defect = Defect {
    id: "old_listing_after_an_event_believed",
    about: "one look answers an event, also if the listing may be from before what the event tells of",
    caught_by: "webhook-safe",
    hunted_on: &[on("acts/an_old_listing_after_the_event")],
    wiring: || {
        each_life(|mut wired| {
            // Any listing is taken for one of this instant.
            wired.policy.late_max = Duration::ZERO;
            wired
        })
    },
};

/// Charges that are listed as refunded stand, unless a refund was asked for under their reference.
fn standing_unless_asked(mut response: Response, asked: &Mutex<BTreeSet<String>>) -> Response {
    if let Ok(mut listed) = serde_json::from_slice::<Value>(&response.body) {
        for charge in listed.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten() {
            let is_ours = |reference: &str| asked.lock().expect("no holder panics").contains(reference);
            if charge["status"] == "refunded" && !charge["reference"].as_str().is_some_and(is_ours) {
                charge["status"] = json!("captured");
                charge["refunded"] = json!(0);
            }
        }
        response.body = listed.to_string().into();
    }
    response
}

/// A batch that takes an event about a refund in says that its look has been made.
fn looked_at(mut batch: Batch) -> Batch {
    let refunded = batch
        .writes
        .iter()
        .any(|write| matches!(&*write.record, Record::Event(event) if event.kind == EventType::ChargeRefunded));
    for write in batch.writes.iter_mut().filter(|_| refunded) {
        if let Record::Order(order) = &*write.record {
            let mut order = order.clone();
            order.looked = order.heard;
            write.record = Record::Order(order).into();
        }
    }
    batch
}
