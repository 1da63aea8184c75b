//! What a caller was told, in one short line.

use serde_json::Value;

use crate::trace::HostReply;

/// The fields of an answer that say how things stand, in the order in which they are shown.
const FIELDS: [&str; 7] =
    ["status", "effects", "order_id", "checkout_session_id", "retryable", "retry_after_ms", "current_step"];
/// The longest rendering of an answer that has none of them, in characters.
const REST_MAX: usize = 60;

/// One line; identifiers as they are.
pub fn told(reply: &HostReply) -> String {
    match reply {
        HostReply::Tool { structured, is_error: false } => result(structured),
        HostReply::Tool { structured, is_error: true } => error(structured),
        HostReply::Protocol { code, message } => format!("protocol error {code}: {message}"),
        HostReply::Cancelled => "cancelled by the host".to_owned(),
        HostReply::Broken => "the connection broke".to_owned(),
        HostReply::NoAnswer => "no answer".to_owned(),
    }
}

/// The error's code, where the answer is a tool error.
pub fn code(reply: &HostReply) -> Option<&str> {
    match reply {
        HostReply::Tool { structured, is_error: true } => body(structured).get("code").and_then(Value::as_str),
        HostReply::Tool { .. }
        | HostReply::Protocol { .. }
        | HostReply::Cancelled
        | HostReply::Broken
        | HostReply::NoAnswer => None,
    }
}

/// A tool error's fields: under `error`, or at the top.
fn body(structured: &Value) -> &Value {
    structured.get("error").unwrap_or(structured)
}

fn error(structured: &Value) -> String {
    let body = body(structured);
    let code = body.get("code").and_then(Value::as_str).unwrap_or("(no code)");
    let fields = fields(body);
    if fields.is_empty() { format!("error {code}") } else { format!("error {code} {fields}") }
}

fn result(structured: &Value) -> String {
    let fields = fields(structured);
    if !fields.is_empty() {
        return fields;
    }
    let text = structured.to_string();
    if text.chars().count() <= REST_MAX {
        return text;
    }
    let cut: String = text.chars().take(REST_MAX - 1).collect();
    format!("{cut}…")
}

fn fields(value: &Value) -> String {
    let mut parts = Vec::new();
    for name in FIELDS {
        let Some(value) = value.get(name) else {
            continue;
        };
        match (name, value) {
            (_, Value::Null) => {}
            ("status" | "order_id" | "checkout_session_id", Value::String(text)) => {
                parts.push(text.clone());
            }
            (_, Value::String(text)) => parts.push(format!("{name}: {text}")),
            ("retryable", Value::Bool(flag)) => {
                parts.push(if *flag { "retryable" } else { "final" }.to_owned());
            }
            ("retry_after_ms", value) => parts.push(format!("retry after {value} ms")),
            (_, value) => parts.push(format!("{name}: {value}")),
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_come_down_to_what_they_say_of_the_sale() {
        let tool = |structured: Value, is_error| HostReply::Tool { structured: structured.into(), is_error };
        let table = [
            (tool(json!({"status": "success", "order_id": "ord_1"}), false), "success ord_1"),
            (
                tool(json!({"error": {"code": "PAYMENT_UNAVAILABLE", "effects": "none", "retryable": true}}), true),
                "error PAYMENT_UNAVAILABLE effects: none retryable",
            ),
            (tool(json!({"products": []}), false), r#"{"products":[]}"#),
            (HostReply::Broken, "the connection broke"),
            (HostReply::NoAnswer, "no answer"),
        ];
        for (reply, expected) in table {
            assert_eq!(told(&reply), expected);
        }
    }
}
