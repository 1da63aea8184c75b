//! Defects of compensation: left out, swallowed, doubled, or in the wrong order.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::checkout::order::Order;
use giftgenius::journal::{Record, Stored};
use giftgenius::ports::{Method, Provider, Request};
use giftgenius::providers::provider_key;
use serde_json::{Value, json};
use smol_str::format_smolstr;

use super::misread::patience;
use super::parts::{INVALID, Sent, field, made_up, succeeded, unclear};
use super::retries::with_policy;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static NO_COMPENSATION: Defect = Defect {
    id: "no_compensation",
    about: "a sale that fails half-way leaves behind what it had done",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                match done(&request) {
                    Some(done) => done,
                    None => next.send(request).await,
                }
            })
        })
    },
};

/// See `about`.
pub static REPLAYED_REFUND_BELIEVED: Defect = Defect {
    id: "replayed_refund_believed",
    about: "after a restart the saved reply to a refund is taken for the refund, which has failed meanwhile",
    caught_by: "all-or-nothing",
    hunted_on: &[on("saga/a_refund_fails_before_it_is_noted")],
    wiring: || each_life(|wired| wired.reading(|_, stored| Some(as_if(stored, |order| order.saga.refund_begun = 0)))),
};

/// See `about`.
pub static LISTING_BELIEVED_AGAINST_THE_CHARGE: Defect = Defect {
    id: "listing_believed_against_the_charge",
    about: "a listing that tells another amount than the charge's own reply is believed when it is repeated",
    caught_by: "key-carried",
    hunted_on: &[on("webhooks/a_refunded_charge_in_another_amount")],
    wiring: || each_life(|wired| wired.reading(|_, stored| Some(as_if(stored, |order| order.saga.known = None)))),
};

/// See `about`.
pub static LATE_COPY_THOUGHT_IMPOSSIBLE: Defect = Defect {
    id: "late_copy_thought_impossible",
    about: "a copy of a charge that comes after the sale is not looked for",
    caught_by: "one-effect",
    hunted_on: &[on("unknown/keyless_copy_comes_late")],
    wiring: || with_policy(|policy| policy.late_max = Duration::from_millis(1)),
};

/// See `about`.
pub static ANOTHER_AMOUNT_GIVEN_BACK_AT_ONCE: Defect = Defect {
    id: "another_amount_given_back_at_once",
    about: "a refund in doubt is followed by one of another amount as soon as a listing tells it, however old that may be",
    caught_by: "key-carried",
    hunted_on: &[on("unknown/another_amount_while_a_refund_is_in_doubt")],
    wiring: || with_policy(|policy| policy.late_max = Duration::ZERO),
};

/// See `about`.
pub static FAILED_REFUND_UNHEARD_WHILE_RELEASING: Defect = Defect {
    id: "failed_refund_unheard_while_releasing",
    about: "the stock goes on being given back, whatever is heard of the money",
    caught_by: "undo-order",
    hunted_on: &[on("webhooks/a_refund_fails_while_the_stock_goes_back")],
    wiring: || each_life(|wired| wired.reading(|_, stored| Some(as_if(stored, unheard)))),
};

fn unheard(order: &mut Order) {
    if order.saga.is_releasing() {
        order.heard = order.looked;
    }
}

/// An order as if it were recorded otherwise.
fn as_if(stored: Stored, change: impl FnOnce(&mut Order)) -> Stored {
    let Record::Order(order) = &*stored.record else { return stored };
    let mut order = order.clone();
    change(&mut order);
    Stored { version: stored.version, record: Arc::new(Record::Order(order)) }
}

/// See `about`.
pub static COMPENSATION_IN_FORWARD_ORDER: Defect = Defect {
    id: "compensation_in_forward_order",
    about: "what was done first is undone first: the stock is free while the money still stands",
    caught_by: "undo-order",
    hunted_on: &[on("saga/cancelled_after_it_was_paid"), on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                if request.operation == "payment.refund" {
                    // What comes of it is left to the release that the saga itself makes.
                    let _ = next.send(stock_request(&request, "inventory.release")).await;
                }
                next.send(request).await
            })
        })
    },
};

/// See `about`.
pub static COMPENSATION_NOT_REPEATED: Defect = Defect {
    id: "compensation_not_repeated",
    about: "an undo is tried once, and then it is somebody else's matter",
    caught_by: "parked-minimal",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            let patience = patience(&wired);
            wired.sending(move |next, request| async move {
                let undoes = done(&request).is_some();
                match tokio::time::timeout(patience, next.send(request)).await {
                    Ok(sent) if succeeded(&sent) || !undoes => sent,
                    Ok(_) | Err(_) if undoes => Ok(made_up(400, INVALID)),
                    Ok(sent) => sent,
                    Err(_) => std::future::pending().await,
                }
            })
        })
    },
};

/// See `about`.
pub static UNDO_STOPS_WITH_THE_RETRY_BUDGET: Defect = Defect {
    id: "undo_stops_with_the_retry_budget",
    about: "an undo pays from the retry budget, and once that is spent its caller waits in vain for the next attempt",
    caught_by: "undo-owed",
    hunted_on: &[on("saga/the_release_goes_on_in_the_background"), on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            let left = Arc::new(AtomicU32::new(wired.policy.budget.retries_min));
            wired.sending(move |next, request| {
                let left = left.clone();
                async move {
                    let undoes = done(&request).is_some();
                    let sent = next.send(request).await;
                    let pays = |left: u32| left.checked_sub(1);
                    if succeeded(&sent) || left.fetch_update(Relaxed, Relaxed, pays).is_ok() || !undoes {
                        return sent;
                    }
                    // What is not to be repeated at once.
                    Ok(made_up(401, r#"{"error":{"code":"unauthorized"}}"#))
                }
            })
        })
    },
};

/// See `about`.
pub static UNDO_GIVEN_UP_A_ROUND_EARLY: Defect = Defect {
    id: "undo_given_up_a_round_early",
    about: "the last round that the policy promises is not had any more",
    caught_by: "undo-owed",
    hunted_on: &[on("saga/the_inventory_never_comes_back")],
    wiring: || with_policy(|policy| policy.background.attempts_max -= 1),
};

/// See `about`.
pub static UNDO_ROUNDS_TOO_FAR_APART: Defect = Defect {
    id: "undo_rounds_too_far_apart",
    about: "the rounds of an undo come later than the policy says: the stock is kept from others for longer",
    caught_by: "undo-owed",
    hunted_on: &[on("saga/the_inventory_never_comes_back")],
    wiring: || with_policy(|policy| policy.background.delay_base *= 2),
};

/// See `about`.
pub static COMPENSATION_OF_A_STEP_THAT_NEVER_RAN: Defect = Defect {
    id: "compensation_of_a_step_that_never_ran",
    about: "every undo is run whatever had been done: goods come back that were never sold",
    caught_by: "undo-order",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let restock =
                    (request.operation == "inventory.release").then(|| stock_request(&request, "inventory.restock"));
                if let Some(restock) = restock {
                    // As above.
                    let _ = next.send(restock).await;
                }
                next.send(request).await
            })
        })
    },
};

/// See `about`.
pub static COMPENSATION_FAILURE_SWALLOWED: Defect = Defect {
    id: "compensation_failure_swallowed",
    about: "an undo that fails is logged and forgotten",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            let patience = patience(&wired);
            wired.sending(move |next, request| async move {
                let Some(done) = done(&request) else { return next.send(request).await };
                match tokio::time::timeout(patience, next.send(request)).await {
                    Ok(sent) if succeeded(&sent) => sent,
                    Ok(_) | Err(_) => done,
                }
            })
        })
    },
};

/// See `about`.
pub static REFUND_TWICE: Defect = Defect {
    id: "refund_twice",
    about: "a refund is sent by two handlers, each under a key of its own",
    caught_by: "key-carried",
    hunted_on: &[on("degraded/a_paid_gift_can_still_be_taken_back")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let again = (request.operation == "payment.refund").then(|| Request {
                    idempotency_key: request.idempotency_key.clone().map(|key| format_smolstr!("{key}-again")),
                    ..request.clone()
                });
                let sent = next.send(request).await;
                if let Some(again) = again {
                    // The second one is not awaited.
                    let _ = next.send(again).await;
                }
                sent
            })
        })
    },
};

/// See `about`.
pub static RELEASE_FORGOTTEN_WHEN_THE_REFUND_FAILS: Defect = Defect {
    id: "release_forgotten_when_the_refund_fails",
    about: "the first undo that fails ends the list of undos",
    caught_by: "all-or-nothing",
    hunted_on: &[on("saga/cancelled_after_it_was_paid"), on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            forget_release(wired, |request, sent| request.operation == "payment.refund" && !succeeded(sent))
        })
    },
};

/// See `about`.
pub static PARTIAL_QUANTITIES_RELEASED: Defect = Defect {
    id: "partial_quantities_released",
    about: "of a reservation that was had in part only the missing part is given back",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/only_part_is_there")],
    wiring: || {
        each_life(|wired| {
            forget_release(wired, |request, sent| request.operation == "inventory.reserve" && is_partial(request, sent))
        })
    },
};

/// See `about`.
pub static RELEASE_WHILE_THE_CHARGE_IS_UNKNOWN: Defect = Defect {
    id: "release_while_the_charge_is_unknown",
    about: "the stock is given back as soon as the charge fails, while the money may still come",
    caught_by: "undo-order",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(release_at_once),
};

/// See `about`.
pub static PARK_OF_EVERYTHING: Defect = Defect {
    id: "park_of_everything",
    about: "whatever is not done at the first try is left to a person",
    caught_by: "parked-minimal",
    hunted_on: &[on("saga/the_release_goes_on_in_the_background")],
    wiring: || with_policy(|policy| policy.background.attempts_max = 0),
};

/// What an undo is answered when it is done; `None` for anything that is no undo.
fn done(request: &Request) -> Option<Sent> {
    let asked: Value = serde_json::from_slice(&request.body).ok()?;
    let reference = asked.get("reference")?;
    let body = match request.operation {
        "inventory.release" => json!({"reference": reference, "status": "released"}),
        "inventory.restock" => json!({"reference": reference, "status": "restocked"}),
        "payment.cancel" => json!({"reference": reference, "status": "closed", "charges": []}),
        "payment.refund" => {
            let (charge, amount) = (asked.get("charge"), asked.get("amount"));
            json!({"id": "re_0", "charge": charge, "amount": amount, "status": "succeeded"})
        }
        _ => return None,
    };
    Some(Ok(made_up(200, body.to_string())))
}

/// The order that a request is about, whichever provider it asks.
fn order_of(request: &Request) -> String {
    let reference = field(request, "reference").unwrap_or_default();
    reference.split('/').next().unwrap_or_default().to_owned()
}

/// A request about the first reservation of the order that `request` is about.
fn stock_request(request: &Request, operation: &'static str) -> Request {
    let order = order_of(request);
    let path = if operation == "inventory.release" { "release" } else { "restock" };
    Request {
        provider: Provider::Inventory,
        operation,
        method: Method::Post,
        path: format_smolstr!("/v1/reservations/{path}"),
        idempotency_key: Some(provider_key(&order, operation, 1)),
        correlation_id: request.correlation_id.clone(),
        body: json!({"reference": format!("{order}/1")}).to_string().into(),
    }
}

/// Releases are left out for orders of which a request once came to this. One that was never answered comes to it too.
fn forget_release(wired: Wired, comes_to_it: fn(&Request, &Sent) -> bool) -> Wired {
    let orders = Arc::new(Mutex::new(BTreeSet::new()));
    let patience = patience(&wired);
    wired.sending(move |next, request| {
        let orders = orders.clone();
        async move {
            let order = order_of(&request);
            let forgotten = orders.lock().expect("no holder panics").contains(&order);
            if request.operation == "inventory.release"
                && forgotten
                && let Some(done) = done(&request)
            {
                return done;
            }
            let sent = tokio::time::timeout(patience, next.send(request.clone())).await;
            let sent = sent.unwrap_or(Err(giftgenius::ports::TransportError::Broken));
            if comes_to_it(&request, &sent) {
                orders.lock().expect("no holder panics").insert(order);
            }
            sent
        }
    })
}

/// Whether less is held than was asked for.
fn is_partial(request: &Request, sent: &Sent) -> bool {
    let quantity = |body: &[u8]| -> Option<u64> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body.get("items")?.as_array()?.iter().map(|item| item.get("quantity")?.as_u64()).sum()
    };
    let held = sent.as_ref().ok().and_then(|response| quantity(&response.body));
    held.is_some_and(|held| quantity(&request.body).is_some_and(|asked| held < asked))
}

fn release_at_once(wired: Wired) -> Wired {
    let patience = patience(&wired);
    let tasks = wired.ports.tasks.clone();
    wired.sending(move |next, request| {
        let tasks = tasks.clone();
        async move {
            if request.operation != "payment.charge" {
                return next.send(request).await;
            }
            let release = stock_request(&request, "inventory.release");
            let sent = tokio::time::timeout(patience, next.send(request)).await;
            let sent = sent.unwrap_or(Err(giftgenius::ports::TransportError::Broken));
            if unclear(&sent) {
                tasks.spawn("release", Box::pin(async move { _ = next.send(release).await }));
            }
            sent
        }
    })
}
