//! What is told back of what came: short, and without what nobody should see twice.

use serde_json::Value;

/// The most that is told back of a value, in characters.
const SHOWN_MAX: usize = 80;
/// The most that is told back of a field's name.
const NAME_MAX: usize = 60;
/// From so many digits in a row on, what separates them not counted, it may be a card's number (12 to 19, ISO/IEC 7812).
const DIGITS_MAX: usize = 11;

/// How the identifiers begin that this server makes and its callers send back; [`ID_DIGITS`] hexadecimal digits follow.
const OWN_IDS: [&str; 3] = ["cs_", "ord_", "wf_"];
const ID_DIGITS: usize = 16;

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
        // What is read in its place, see `frame`: no such number came.
        Value::Number(number) if number.as_f64().is_some_and(|float| float.abs() >= f64::MAX) => {
            let sign = if number.as_f64().is_some_and(f64::is_sign_negative) { "-" } else { "" };
            format!("a number beyond {sign}1.79e308")
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

/// Whether a text holds nothing that would be scrubbed.
pub(crate) fn is_harmless(text: &str) -> bool {
    // Most texts can be told by their bytes.
    let has_few_digits = || text.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX;
    let is_plain = || text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_own_id(text) || (has_few_digits() && is_plain()) || scrubbed(text) == text
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

/// The text with every run of digits that may be a card's number hidden, and with no control characters. An identifier of
/// this server's own stays: one in a hundred has as many decimal digits in a row, and its caller has to send it again.
pub(crate) fn scrubbed(text: &str) -> String {
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
    let mut rest = text;
    let mut within_a_word = false;
    while let Some(c) = rest.chars().next() {
        if let Some(id) = own_id(rest).filter(|_| !within_a_word) {
            close(&mut run, &mut digits, &mut out);
            out.push_str(id);
            rest = &rest[id.len()..];
            within_a_word = true;
            continue;
        }
        if c.is_numeric() || (digits > 0 && is_separator(c)) {
            digits += usize::from(c.is_numeric());
            run.push(c);
        } else {
            close(&mut run, &mut digits, &mut out);
            out.push(if c.is_control() { '\u{fffd}' } else { c });
        }
        within_a_word = is_of_a_word(c);
        rest = &rest[c.len_utf8()..];
    }
    close(&mut run, &mut digits, &mut out);
    out
}

/// Whether a text has the form of an identifier of this server's own.
pub(crate) fn is_own_id(text: &str) -> bool {
    own_id(text).is_some_and(|id| id.len() == text.len())
}

/// The identifier of this server's own that a text begins with.
pub(super) fn own_id(text: &str) -> Option<&str> {
    let prefix = OWN_IDS.into_iter().find(|prefix| text.starts_with(prefix))?;
    let (id, rest) = text.split_at_checked(prefix.len() + ID_DIGITS)?;
    let is_hex = id[prefix.len()..].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && !rest.chars().next().is_some_and(is_of_a_word)).then_some(id)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How the groups of a card's number are set apart.
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '_' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_by_its_bytes_is_what_would_not_be_scrubbed() {
        for text in ["", "pm_visa", "cs_4111111111111111", "4111 1111 1111 1111", "4111\u{a0}1111\u{a0}1111\u{a0}1111"]
        {
            assert_eq!(is_harmless(text), scrubbed(text) == text, "{text}");
        }
        for text in ["a\nb", "12345678901\u{7}", "٤١١١١١١١١١١١١١١١", "12345678901-2"] {
            assert!(!is_harmless(text), "{text}");
        }
    }

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

    #[test]
    fn an_identifier_of_ours_is_told_back_whatever_its_digits() {
        let ids = ["wf_e6cd123456789012", "cs_4111111111111111", "ord_00000000000000ab"];
        for id in ids {
            assert_eq!(shown(&json!(format!("of {id}!"))), format!("\"of {id}!\""));
            assert!(may_be_shown(&json!({"workflow_id": id, "limit": 7})), "{id}");
        }
        for none in ["cs_41111111111111112", "xcs_4111111111111111", "cs_4111-1111-1111-1111", "tok_4111111111111111"] {
            assert!(!may_be_shown(&json!(none)), "{none}");
        }
    }
}
