//! What is told back of what came: short, and without what nobody should see twice.

use serde_json::Value;

/// The most that is told back of a value, in characters.
const SHOWN_MAX: usize = 80;
/// The most that is told back of a field's name.
const NAME_MAX: usize = 60;
/// From so many digits in a row on, spaces and hyphens between them not counted, it may be a card's number (12 to 19,
/// ISO/IEC 7812).
const DIGITS_MAX: usize = 11;

/// A value as JSON, cut and scrubbed.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => counted("an array", items.len(), "item"),
        Value::Object(members) => counted("an object", members.len(), "field"),
        Value::String(text) => {
            // Cut before it is quoted: a text of a megabyte is not copied to be thrown away.
            let cut = cut(text, SHOWN_MAX);
            Value::from(scrubbed(&cut)).to_string()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => scrubbed(&value.to_string()),
    }
}

/// A field's name as it is told back.
pub(super) fn name_shown(name: &str) -> String {
    scrubbed(&cut(name, NAME_MAX))
}

/// Whether a value holds nothing that would be scrubbed.
pub(super) fn may_be_shown(value: &Value) -> bool {
    let text = value.to_string();
    scrubbed(&text) == text
}

fn counted(what: &str, count: usize, of: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{what} of {count} {of}{plural}")
}

fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text with every run of digits that may be a card's number hidden, and with no control characters.
fn scrubbed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let mut digits = 0;
    let close = |run: &mut String, digits: &mut usize, out: &mut String| {
        if *digits > DIGITS_MAX {
            out.push_str("[digits]");
        } else {
            out.push_str(run);
        }
        run.clear();
        *digits = 0;
    };
    for c in text.chars() {
        if c.is_numeric() || (digits > 0 && matches!(c, ' ' | '-')) {
            digits += usize::from(c.is_numeric());
            run.push(c);
        } else {
            close(&mut run, &mut digits, &mut out);
            out.push(if c.is_control() { '\u{fffd}' } else { c });
        }
    }
    close(&mut run, &mut digits, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_told_back_short() {
        assert_eq!(shown(&json!("two")), "\"two\"");
        assert_eq!(shown(&json!(5.5)), "5.5");
        assert_eq!(shown(&json!([1])), "an array of 1 item");
        assert_eq!(shown(&json!({"a": 1, "b": 2})), "an object of 2 fields");
        assert_eq!(shown(&json!("ä".repeat(200))), format!("\"{}…\"", "ä".repeat(80)));
    }

    #[test]
    fn what_may_be_a_cards_number_is_not_told_back() {
        for card in ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"] {
            assert_eq!(shown(&json!(format!("pay with {card}!"))), "\"pay with [digits]!\"", "{card}");
        }
        assert_eq!(shown(&json!(4_111_111_111_111_111_i64)), "[digits]");
        assert_eq!(shown(&json!("2026-01-01")), "\"2026-01-01\"");
        assert!(!may_be_shown(&json!([{"card": "4111 1111 1111 1111"}])));
        assert!(may_be_shown(&json!([{"sku": "tea", "quantity": 2}])));
        assert_eq!(name_shown("n4111111111111111"), "n[digits]");
    }
}
