//! Defects of keys that travel in `_meta`.

use giftgenius::app::ToolCall;

use super::super::{Defect, each_life, on};

/// See `about`.
pub static QUOTE_KEY_IN_META_IGNORED: Defect = Defect {
    id: "quote_key_in_meta_ignored",
    about: "the key of a quote is ignored in `_meta`, so that each repeated call freezes a new price",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_key_travels_in_meta")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let is_quote = call.name == "create_checkout_session";
                let idempotency_key = call.idempotency_key.clone().filter(|_| !is_quote);
                app.call_tool(ToolCall { idempotency_key, ..call }).await
            })
        })
    },
};
