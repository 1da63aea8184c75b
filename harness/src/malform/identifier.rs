//! An identifier looks right and is none, or has run out, or is somebody else's: the schema takes each, and a server
//! owes the same answer to all that it does not know.

use serde_json::{Value, json};

use super::maker::{MADE_ELSEWHERE, Maker};
use super::{Class, Expected, Remedy, Stranger};

const CLASS: Class = Class::Identifier;

pub(super) fn make(maker: &mut Maker<'_>, strangers: &[Stranger]) {
    for field in maker.each_field(CLASS).iter().filter(|field| field.is_identifier()) {
        let beyond = Remedy::Beyond(MADE_ELSEWHERE);
        let known = field.value.as_str().unwrap_or_default();
        maker.replace(CLASS, field, "unknown", json!(made_up(known)), Expected::Failed, beyond.clone());
        for (variant, near) in near_misses(known, is_made_by_a_machine(&field.name)) {
            maker.replace(CLASS, field, variant, json!(near), Expected::Failed, beyond.clone());
        }
        for stranger in strangers.iter().filter(|stranger| stranger.pointer == field.at) {
            let value = stranger.value.clone();
            maker.replace(CLASS, field, stranger.variant, value, Expected::Failed, beyond.clone());
        }
    }
}

/// Whether the name suggests an id that only software writes. People get the case and the blanks of a code or an article
/// number wrong, and a server may forgive them that.
fn is_made_by_a_machine(name: &str) -> bool {
    let name = name.to_lowercase();
    name.ends_with("id")
}

/// What is nearly an identifier: a server that compares its beginning, or without case or blanks, takes it for that.
fn near_misses(known: &str, made_by_a_machine: bool) -> Vec<(&'static str, String)> {
    let turned = |letter: char| match letter {
        letter if letter.is_ascii_uppercase() => letter.to_ascii_lowercase(),
        letter => letter.to_ascii_uppercase(),
    };
    let mut all = Vec::new();
    if let Some(last) = known.chars().last() {
        all.push(("cut", known[..known.len() - last.len_utf8()].to_owned()));
        all.push(("longer", format!("{known}{last}")));
    }
    if made_by_a_machine {
        all.push(("padded", format!("{known} ")));
    }
    // A UUID is the same in either case.
    if made_by_a_machine && !is_uuid(known) {
        all.push(("other_case", known.chars().map(turned).collect()));
    }
    all.retain(|(_, near)| near != known && !near.is_empty());
    all
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_near_and_none_is_the_identifier() {
        let all = near_misses("ord_7F", true);
        let told: Vec<_> = all.iter().map(|(variant, near)| (*variant, near.as_str())).collect();
        assert_eq!(told, [("cut", "ord_7"), ("longer", "ord_7FF"), ("padded", "ord_7F "), ("other_case", "ORD_7f")]);
        assert!(near_misses("12", true).iter().all(|(variant, _)| *variant != "other_case"));
        let uuid = "0190d3a4-7a0b-7c4e-8f00-1a2b3c4d5e6f";
        assert!(near_misses(uuid, true).iter().all(|(variant, _)| *variant != "other_case"));
        assert_eq!(near_misses("7", true).len(), 2);
        assert!(is_made_by_a_machine("order_ID") && !is_made_by_a_machine("promo_code"));
        assert_eq!(near_misses("SPRING", false).len(), 2);
    }
}
