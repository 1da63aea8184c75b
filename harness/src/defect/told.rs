//! Defects of what is told: too early, after the fact, or without what the reader needs.

use std::sync::{Arc, Mutex};

use giftgenius::ids::CorrelationId;
use serde_json::{Value, json};

use super::parts::{field, made_up};
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static SUCCESS_TOLD_BEFORE_COMMIT: Defect = Defect {
    id: "success_told_before_commit",
    about: "the last step is left to a queue, and success is told when it was handed over",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(commit_later),
};

/// See `about`.
pub static FAILURE_TOLD_AFTER_SUCCESS: Defect = Defect {
    id: "failure_told_after_success",
    about: "an order that was told paid is told failed when it is asked about",
    caught_by: "told-monotone",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|call, reply| {
                if call.name == "get_order" && !reply.is_error {
                    reply.structured["status"] = json!("failed");
                    reply.structured["effects"] = json!("none");
                }
            })
        })
    },
};

/// See `about`.
pub static CANCELLED_FOR_EVER: Defect = Defect {
    id: "cancelled_for_ever",
    about: "an order that was told cancelled is told so from then on, although a listing has shown since that its refund failed",
    caught_by: "told-monotone",
    hunted_on: &[on("saga/what_showed_a_failed_refund_dies")],
    wiring: || {
        each_life(|wired| {
            let cancelled: Arc<Mutex<Option<Value>>> = Arc::default();
            wired.taking(move |app, call| {
                let cancelled = cancelled.clone();
                async move {
                    let mut reply = app.call_tool(call).await?;
                    let mut cancelled = cancelled.lock().expect("no holder panics");
                    let order = reply.structured.get("order_id").cloned();
                    if reply.structured.get("status").and_then(Value::as_str) == Some("cancelled") {
                        *cancelled = order;
                    } else if order.is_some() && order == *cancelled {
                        reply.structured["status"] = json!("cancelled");
                        reply.structured["effects"] = json!("none");
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static RETRYABLE_ALWAYS_TRUE: Defect = Defect {
    id: "retryable_always_true",
    about: "every error says that the same call may be made again",
    caught_by: "error-honest",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || each_life(|wired| wired.answering(|_, reply| retryable(&mut reply.structured, true))),
};

/// See `about`.
pub static RETRYABLE_ALWAYS_FALSE: Defect = Defect {
    id: "retryable_always_false",
    about: "every error says that the same call can never succeed",
    caught_by: "error-honest",
    hunted_on: &[on("retries/payment_is_down_for_the_call")],
    wiring: || each_life(|wired| wired.answering(|_, reply| retryable(&mut reply.structured, false))),
};

/// See `about`.
pub static OPAQUE_ERROR: Defect = Defect {
    id: "opaque_error",
    about: "an error says that something went wrong, and nothing else",
    caught_by: "error-shape",
    hunted_on: &[on("errors/an_invented_product")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if reply.is_error {
                    reply.structured = json!({"error": {"message": "Something went wrong."}});
                }
            })
        })
    },
};

/// See `about`.
pub static CORRELATION_ID_OF_ANOTHER_CALL: Defect = Defect {
    id: "correlation_id_of_another_call",
    about: "an error carries the id of the call that was answered before it, and leads to the wrong lines of the log",
    caught_by: "error-shape",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || {
        each_life(|wired| {
            let last: Arc<Mutex<Option<CorrelationId>>> = Arc::default();
            wired.taking(move |app, call| {
                let last = last.clone();
                async move {
                    let own = call.correlation_id.clone();
                    let mut reply = app.call_tool(call).await?;
                    let last = std::mem::replace(&mut *last.lock().expect("no holder panics"), own);
                    if let (Some(last), Some(error)) = (last, reply.structured.get_mut("error")) {
                        error["correlation_id"] = json!(last);
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static REPLAY_THAT_IS_FROZEN: Defect = Defect {
    id: "replay_that_is_frozen",
    about: "an answer is saved whole and repeated for ever: paid and on its way, although the order was taken back",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_first_key_after_the_cancellation")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|call, reply| {
                if call.name == "create_order" && is_replay(&reply.structured) && !reply.is_error {
                    reply.structured["status"] = json!("success");
                    reply.structured["effects"] = json!("charged");
                }
            })
        })
    },
};

/// See `about`.
pub static REPLAY_OF_TODAYS_PRICE: Defect = Defect {
    id: "replay_of_todays_price",
    about: "a repeated answer is put together from the catalog of today: its amount is not the one that was paid",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_first_key_after_the_cancellation")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|_, reply| {
                if is_replay(&reply.structured)
                    && let Some(amount) = reply.structured.pointer_mut("/amount/minor_units")
                {
                    *amount = json!(amount.as_i64().unwrap_or_default() + 100);
                }
            })
        })
    },
};

fn is_replay(structured: &Value) -> bool {
    structured.get("replayed").is_some_and(|replayed| *replayed == json!(true))
}

fn retryable(structured: &mut Value, value: bool) {
    if let Some(error) = structured.get_mut("error") {
        error["retryable"] = json!(value);
    }
}

fn commit_later(wired: Wired) -> Wired {
    let tasks = wired.ports.tasks.clone();
    wired.sending(move |next, request| {
        let tasks = tasks.clone();
        async move {
            if request.operation != "inventory.commit" {
                return next.send(request).await;
            }
            let reply = json!({"reference": field(&request, "reference"), "status": "committed"});
            tasks.spawn("commit", Box::pin(async move { _ = next.send(request).await }));
            Ok(made_up(200, reply.to_string()))
        }
    })
}
