//! Answers of tools, whole enough for the rules that look at them.

use serde_json::{Value, json};

use super::PRICE;

const PENDING: &str = "Your payment is still being confirmed; do not pay again, ask about the order in a moment.";

pub(in crate::oracle) fn session_answer(id: &str, minor_units: i64) -> Value {
    json!({
        "checkout_session_id": id,
        "amount": {"minor_units": minor_units, "currency": "EUR"},
        "items": [{"sku": "tea-set", "quantity": 1}],
        "expires_at": "2026-01-01T01:00:00Z",
    })
}

pub(in crate::oracle) fn order_arguments(session: &str, key: &str) -> Value {
    json!({
        "checkout_session_id": session,
        "payment_method_id": "pm_visa",
        "idempotency_key": key,
    })
}

pub(in crate::oracle) fn success(session: &str, order: &str) -> Value {
    json!({
        "status": "success",
        "order_id": order,
        "checkout_session_id": session,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
        "effects": "charged",
        "user_message": "Your order is paid and on its way.",
    })
}

pub(in crate::oracle) fn pending(session: &str, order: &str, effects: &str) -> Value {
    json!({
        "status": "pending",
        "order_id": order,
        "checkout_session_id": session,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
        "effects": effects,
        "retry_after_ms": 2000,
        "needs_attention": false,
        "user_message": PENDING,
    })
}

pub(in crate::oracle) fn order_answer(order: &str, status: &str) -> Value {
    let effects = match status {
        "success" => "charged",
        "pending" => "unknown",
        _ => "none",
    };
    let words = match status {
        "success" => "Your order is paid and on its way.",
        "pending" => PENDING,
        _ => "The order was cancelled and nothing was charged.",
    };
    json!({
        "order_id": order,
        "status": status,
        "effects": effects,
        "needs_attention": false,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
        "user_message": words,
    })
}
