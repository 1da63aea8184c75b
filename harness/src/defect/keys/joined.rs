//! Defects of keys that join what another key began: bound to nothing, or to an ending that may be tried again.

use giftgenius::app::{App, ToolCall, ToolReply};
use giftgenius::checkout::answer::sale_reply;
use giftgenius::checkout::entry::{Entry, EntryKey, EntryState};
use giftgenius::journal::Record;
use serde_json::Value;

use super::super::{Defect, each_life, on};

/// See `about`.
pub static JOINED_KEY_KEEPS_THE_FAILURE: Defect = Defect {
    id: "joined_key_keeps_the_failure",
    about: "a key that joined a sale is answered with what that sale came to, also when it may be tried again",
    caught_by: "error-honest",
    hunted_on: &[on("retries/a_joined_key_is_tried_again")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                if let Some(reply) = told_of_the_joined_order(&app, &call).await {
                    return Ok(reply);
                }
                app.call_tool(call).await
            })
        })
    },
};

/// See `about`.
pub static JOINED_CANCELLATION_BINDS_NO_KEY: Defect = Defect {
    id: "joined_cancellation_binds_no_key",
    about: "a cancellation that joins one in flight leaves its key free for another order",
    caught_by: "key-conflict",
    hunted_on: &[on("duplicates/a_cancellation_that_is_joined")],
    wiring: || {
        each_life(|wired| {
            wired.mapping(
                |_, stored| Some(stored),
                |mut batch| {
                    let is_alone = batch.writes.len() == 1;
                    batch.writes.retain(|write| {
                        !matches!(&*write.record, Record::Entry(Entry { key, state: EntryState::InProgress { .. }, .. })
                            if is_alone && key.is_of_a_cancellation())
                    });
                    batch
                },
            )
        })
    },
};

/// The answer of an order that a key joined, where that has ended; `None` for any other call.
async fn told_of_the_joined_order(app: &App, call: &ToolCall) -> Option<ToolReply> {
    let key = call.arguments.get("idempotency_key").and_then(Value::as_str).filter(|_| call.name == "create_order")?;
    let key_text = key.into();
    let key = EntryKey { user: call.user.clone(), tool: "create_order".into(), key: key.into() };
    let (_, entry) = app.entry(&key).await.ok()??;
    let EntryState::InProgress { order } = entry.state else { return None };
    let (_, order) = app.order(&order).await.ok()??;
    let reply = (!order.is_open()).then(|| sale_reply(&order, app.asked()))?;
    let correlation_id = call.correlation_id.clone().unwrap_or_else(|| order.correlation_id.clone());
    Some(ToolReply {
        structured: reply.structured,
        is_error: reply.is_error,
        correlation_id,
        idempotency_key: Some(key_text),
    })
}
