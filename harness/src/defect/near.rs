//! Defects of comparisons that must be exact and are not.

use std::sync::Arc;

use giftgenius::app::ToolCall;
use serde_json::Value;

use super::{Defect, each_life, on};

/// See `about`.
pub static ORDER_ID_TRIMMED: Defect = Defect {
    id: "order_id_trimmed",
    about: "blanks around an order's id are cut off before it is looked up",
    caught_by: "error-fixable",
    hunted_on: &[on("model/an_order_id_with_a_blank")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move { app.call_tool(changed(call, |id| id.trim().to_owned())).await })
        })
    },
};

/// See `about`.
pub static ORDER_ID_IN_ANY_CASE: Defect = Defect {
    id: "order_id_in_any_case",
    about: "an order's id is looked up in lower case, however it was written",
    caught_by: "error-fixable",
    hunted_on: &[on("model/an_order_id_in_other_case")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move { app.call_tool(changed(call, str::to_ascii_lowercase)).await })
        })
    },
};

/// A call with another order's id than was sent.
fn changed(mut call: ToolCall, change: fn(&str) -> String) -> ToolCall {
    let changed = call.arguments.get("order_id").and_then(Value::as_str).map(change);
    if let Some(changed) = changed {
        Arc::make_mut(&mut call.arguments)["order_id"] = Value::String(changed);
    }
    call
}
