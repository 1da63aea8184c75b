//! Defects of what the payment provider does on its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::journal::{Batch, Record};
use giftgenius::ports::Response;
use giftgenius::webhooks::event::EventType;
use serde_json::{Value, json};

use super::parts::{field, made_up};
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

/// See `about`.
pub static REFUND_IN_PART_TAKEN_FOR_WHOLE: Defect = Defect {
    id: "refund_in_part_taken_for_whole",
    about: "a charge of which a part was given back is taken for one that was given back",
    caught_by: "parked-minimal",
    hunted_on: &[on("acts/half_of_it_is_given_back")],
    wiring: || {
        each_life(|wired| {
            listing(wired, |charge| {
                if charge["status"] == "partially_refunded" {
                    charge["status"] = json!("refunded");
                    charge["refunded"] = charge["amount"].clone();
                }
            })
        })
    },
};

/// See `about`.
pub static REFUND_IN_PART_NOT_TOLD: Defect = Defect {
    id: "refund_in_part_not_told",
    about: "an order of which a part was given back is told as one that is paid in full",
    caught_by: "told-monotone",
    hunted_on: &[on("acts/half_of_it_is_given_back")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                reply.structured.as_object_mut().map(|answer| answer.remove("refunded"));
            })
        })
    },
};

/// See `about`.
pub static REFUND_BESIDE_A_DISPUTE: Defect = Defect {
    id: "refund_beside_a_dispute",
    about: "a disputed charge is refunded like any other, so that the person has the money twice",
    caught_by: "undo-order",
    hunted_on: &[on("acts/a_dispute_that_nothing_tells_of")],
    wiring: || {
        each_life(|wired| {
            listing(wired, |charge| {
                if charge["status"] == "disputed" {
                    charge["status"] = json!("captured");
                    charge["disputed"] = json!(0);
                }
            })
        })
    },
};

/// See `about`.
pub static CLOSING_TAKEN_FOR_PROOF: Defect = Defect {
    id: "closing_taken_for_proof",
    about: "what a closing lists is not looked at: that nothing can come any more is taken for nothing having come",
    caught_by: "all-or-nothing",
    hunted_on: &[on("unknown/another_amount_is_listed_once")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let is_closing = request.operation == "payment.cancel";
                let mut response = next.send(request).await?;
                if is_closing && let Ok(mut listed) = serde_json::from_slice::<Value>(&response.body) {
                    listed["charges"] = json!([]);
                    response.body = listed.to_string().into();
                }
                Ok(response)
            })
        })
    },
};

/// See `about`.
pub static CANCELLED_RESERVATION_SOLD: Defect = Defect {
    id: "cancelled_reservation_sold",
    about: "a reservation that the warehouse has cancelled is taken for one that was sold before",
    caught_by: "all-or-nothing",
    hunted_on: &[on("acts/the_warehouse_cancels_the_reservation")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let (operation, reference) = (request.operation, field(&request, "reference"));
                match next.send(request).await {
                    Ok(response) if operation == "inventory.commit" && response.status == 410 => {
                        Ok(made_up(200, json!({"reference": reference, "status": "committed"}).to_string()))
                    }
                    other => other,
                }
            })
        })
    },
};

/// A network whose listings show each charge otherwise.
fn listing(wired: Wired, change: fn(&mut Value)) -> Wired {
    wired.sending(move |next, request| async move {
        let is_listing = matches!(request.operation, "payment.look_up" | "payment.cancel");
        let mut response = next.send(request).await?;
        if is_listing && let Ok(mut listed) = serde_json::from_slice::<Value>(&response.body) {
            listed.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
            response.body = listed.to_string().into();
        }
        Ok(response)
    })
}

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
