//! An identifier looks right and is none, or has run out, or is somebody else's: the schema takes each, and a server
//! owes the same answer to all that it does not know.

use serde_json::{Value, json};

use super::maker::{MADE_ELSEWHERE, Maker};
use super::{Class, Expected, Remedy, Stranger};

const CLASS: Class = Class::Identifier;

pub(super) fn make(maker: &mut Maker<'_>, strangers: &[Stranger]) {
    for field in maker.each_field(CLASS).iter().filter(|field| field.is_identifier()) {
        let beyond = Remedy::Beyond(MADE_ELSEWHERE);
        let made_up = made_up(field.value.as_str().unwrap_or_default());
        maker.replace(CLASS, field, "unknown", json!(made_up), Expected::Failed, beyond.clone());
        for stranger in strangers.iter().filter(|stranger| stranger.pointer == field.at) {
            let value = stranger.value.clone();
            maker.replace(CLASS, field, stranger.variant, value, Expected::Failed, beyond.clone());
        }
    }
}

/// An identifier of the same form that was never issued: what follows its last `_` or `-` in other letters and
/// digits.
pub(super) fn made_up(text: &str) -> String {
    let end = text.rfind(['_', '-']).map_or(0, |at| at + 1);
    let other = |letter: char| match letter {
        '0'..='4' | 'a'..='m' | 'A'..='M' => turned(letter, true),
        '5'..='9' | 'n'..='z' | 'N'..='Z' => turned(letter, false),
        _ => letter,
    };
    format!("{}{}", &text[..end], text[end..].chars().map(other).collect::<String>())
}

/// Half the alphabet on, or half the digits.
fn turned(letter: char, on: bool) -> char {
    let by: u8 = if letter.is_ascii_digit() { 5 } else { 13 };
    let byte = u8::try_from(letter).unwrap_or(b'x');
    char::from(if on { byte + by } else { byte - by })
}

/// Another value that the schema takes too, as far as can be told.
pub(super) fn another(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(made_up(text)),
        Value::Number(number) => number.as_i64().map_or_else(|| value.clone(), |number| json!(number + 1)),
        Value::Bool(truth) => json!(!truth),
        Value::Null | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}
