//! What a wrong argument was probably meant to be. Only what follows from the value itself is suggested: a number in
//! quotes is that number, while what a quantity of 0 stands for nobody knows.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::names::{self, Names, escape, nearest, snake, types};

/// Texts beyond this are not looked into: what is suggested has to fit into an answer.
const TEXT_MAX: usize = 2_000;

/// Of a value of the wrong type, the one that was meant.
pub(super) fn of_type(value: &Value, rule: &Value) -> Option<Value> {
    // Models write null for *no value*, which is what leaving the field out says.
    if value.is_null() {
        return rule.get("default").cloned();
    }
    types(rule).into_iter().find_map(|kind| converted(value, kind, rule).or_else(|| unwrapped(value, kind).cloned()))
}

/// The one value that a list or an object holds, if it is of the kind that is wanted bare.
fn unwrapped<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    only(value).filter(|inner| fits(inner, kind))
}

/// The one value that a list or an object holds.
fn only(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(items) if items.len() == 1 => items.first(),
        Value::Object(members) if members.len() == 1 => members.values().next(),
        _ => None,
    }
}

/// Whether a text can be sent for a field at all, as far as its length goes; patterns and lists have their own words.
fn may_be_text(text: &str, rule: &Value) -> bool {
    let bound = |keyword: &str| rule.get(keyword).and_then(Value::as_u64);
    let length = text.chars().count() as u64;
    rule.get("pattern").is_none()
        && bound("minLength").is_none_or(|least| length >= least)
        && bound("maxLength").is_none_or(|most| length <= most)
}

fn converted(value: &Value, kind: &str, rule: &Value) -> Option<Value> {
    match (kind, value) {
        ("integer" | "number", Value::String(text)) => number(text, kind),
        ("boolean", Value::String(text)) => text.trim().to_lowercase().parse().ok().map(Value::Bool),
        ("string", Value::Number(number)) => {
            Some(number.to_string()).filter(|text| may_be_text(text, rule)).map(Value::from)
        }
        ("object", Value::String(text)) => unquoted(text).filter(Value::is_object),
        // One of something, where a list is wanted; an object with one list in it is that list in a wrapping.
        ("array", Value::String(text)) => {
            unquoted(text).and_then(|inner| listed(&inner, rule)).or_else(|| listed(value, rule))
        }
        ("array", _) => listed(value, rule),
        _ => None,
    }
}

fn listed(value: &Value, rule: &Value) -> Option<Value> {
    let wanted = rule.get("items").map(types).unwrap_or_default();
    let fitting = |value: &Value| wanted.iter().any(|kind| fits(value, kind));
    match value {
        Value::Array(items) => Some(Value::Array(items.clone())),
        Value::Object(members) if is_numbered(members) => Some(numbered(members)),
        Value::Object(members) if members.len() == 1 && members.values().all(Value::is_array) => {
            members.values().next().cloned()
        }
        // `tea, books` is a list that was read out.
        Value::String(text) if fitting(value) && text.contains(',') => {
            Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect())
        }
        one if fitting(one) => Some(Value::Array(vec![one.clone()])),
        _ => None,
    }
}

/// Whether an object's keys count from 0 or 1: a list as some languages write it.
fn is_numbered(members: &Map<String, Value>) -> bool {
    let counts_from = |first: usize| (0..members.len()).all(|n| members.contains_key(&(n + first).to_string()));
    !members.is_empty() && (counts_from(0) || counts_from(1))
}

/// The list that a numbered object stands for.
fn numbered(members: &Map<String, Value>) -> Value {
    let first = usize::from(!members.contains_key("0"));
    (0..members.len()).filter_map(|n| members.get(&(n + first).to_string()).cloned()).collect()
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => false,
    }
}

/// The JSON that a string holds; of a list or an object that was encoded twice, itself.
fn unquoted(text: &str) -> Option<Value> {
    let once: Value = (text.len() <= TEXT_MAX).then(|| serde_json::from_str(text.trim()).ok())??;
    let twice: Option<Value> = once.as_str().and_then(|inner| serde_json::from_str(inner.trim()).ok());
    Some(twice.filter(|inner| inner.is_object() || inner.is_array()).unwrap_or(once))
}

/// The number that a string holds: `"2"`, `" 2.0 "`. No thousands, no currency: who guesses amounts pays them.
fn number(text: &str, kind: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::from(whole));
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    let number = whole(&Number::from_f64(number)?).or(Number::from_f64(number))?;
    (kind == "number" || !number.is_f64()).then_some(Value::Number(number))
}

/// The integer that a number is, if it is one and was written as a fraction: 5.0 is 5.
fn whole(number: &Number) -> Option<Number> {
    /// Beyond this not every integer has a double of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let number = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT_MAX)?;
    #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53")]
    Some(Number::from(number as i64))
}

/// Integers that were written as fractions become integers: to JSON Schema 5.0 is one, to a type it is not.
pub(crate) fn with_whole_numbers(arguments: &mut Arc<Value>) {
    // Hardly ever is there one, and then others may keep the arguments too.
    if has_whole_float(arguments) {
        make_whole(Arc::make_mut(arguments));
    }
}

fn has_whole_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && whole(number).is_some(),
        Value::Array(items) => items.iter().any(has_whole_float),
        Value::Object(members) => members.values().any(has_whole_float),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The values that a schema allows, where it lists them: `enum`, `const`, or either of them under `oneOf` or `anyOf`.
pub(super) fn allowed(rule: &Value) -> Vec<Value> {
    let mut found = rule.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    found.extend(rule.get("const").cloned());
    for keyword in ["oneOf", "anyOf"] {
        found.extend(rule.get(keyword).and_then(Value::as_array).into_iter().flatten().flat_map(allowed));
    }
    found
}

/// The nearest of the allowed values.
pub(super) fn of_list(value: &Value, allowed: &[Value]) -> Option<Value> {
    let text = value.as_str().or_else(|| only(value)?.as_str())?;
    let texts: Vec<String> = allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let wanted = snake(text);
    // `checkout` and `Checkout step` both mean the one value whose words they share.
    let by_words = || {
        let mut hits = texts.iter().filter(|known| {
            known.split('_').any(|word| word.len() > 3 && wanted.split('_').any(|asked| asked == word))
        });
        hits.next().filter(|_| hits.next().is_none()).map(String::as_str)
    };
    nearest(text, &texts).or_else(by_words).map(Value::from)
}

/// A text in the case or the trim that the pattern wants.
pub(super) fn of_pattern(value: &Value, rule: &Value) -> Option<Value> {
    let text = value.as_str().filter(|text| text.len() <= TEXT_MAX)?.trim().trim_matches(['"', '\'']).trim();
    let pattern = rule.get("pattern")?.clone();
    let wanted = jsonschema::validator_for(&serde_json::json!({ "pattern": pattern })).ok()?;
    let symbol = match text.to_lowercase().as_str() {
        "€" | "euro" | "euros" => "EUR",
        "$" | "us$" | "dollar" | "dollars" => "USD",
        "£" | "pound" | "pounds" => "GBP",
        _ => text,
    };
    [text.to_owned(), text.to_uppercase(), text.to_lowercase(), symbol.to_owned()]
        .into_iter()
        .map(Value::from)
        .find(|candidate| wanted.is_valid(candidate))
}

/// The pointer to the field that an unknown one was meant to be.
pub(super) fn field(
    at: &str,
    name: &str,
    object: &Value,
    rule: &Value,
    arguments: &Value,
    names: &Names,
) -> Option<String> {
    if is_wrapping(name, object, rule) {
        return Some(at.to_owned());
    }
    let present = |known: &&String| object.get(known.as_str()).is_some();
    let absent: Vec<String> = names::properties(rule).into_iter().filter(|known| !present(&known)).collect();
    if let Some(meant) = names::meant(name, &absent) {
        return Some(format!("{at}/{}", escape(meant)));
    }
    // The right name in the wrong place.
    let place = names.place(name).filter(|place| place.rsplit_once('/').map(|(parent, _)| parent) != Some(at))?;
    let free = arguments.pointer(place).is_none();
    let parent_is_there = place.rsplit_once('/').is_some_and(|(parent, _)| arguments.pointer(parent).is_some());
    let parent_can_be = arguments.as_object().is_some_and(|all: &Map<String, Value>| {
        place.split('/').nth(1).is_some_and(|first| !all.contains_key(first) || parent_is_there)
    });
    (free && parent_can_be).then(|| place.to_owned())
}

/// Whether an unknown field is all that an object holds, and holds what that object should: `{"arguments": {…}}`.
fn is_wrapping(name: &str, object: &Value, rule: &Value) -> bool {
    let known = names::properties(rule);
    let inner = object.get(name).and_then(Value::as_object).filter(|inner| !inner.is_empty());
    object.as_object().is_some_and(|all| all.len() == 1)
        && inner.is_some_and(|inner| inner.keys().any(|name| known.iter().any(|known| known == name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_in_quotes_is_unquoted() {
        let cases = [
            (json!("2"), json!({"type": "integer"}), json!(2)),
            (json!(" 2.0 "), json!({"type": ["integer", "null"]}), json!(2)),
            (json!("2.5"), json!({"type": "number"}), json!(2.5)),
            (json!("true"), json!({"type": "boolean"}), json!(true)),
            (json!("{\"a\":1}"), json!({"type": "object"}), json!({"a": 1})),
            (json!("[{\"a\":1}]"), json!({"type": "array", "items": {"type": "object"}}), json!([{"a": 1}])),
            (json!("\"{\\\"a\\\":1}\""), json!({"type": "object"}), json!({"a": 1})),
            (json!("\"[\\\"5\\\"]\""), json!({"type": "array", "items": {"type": "string"}}), json!(["5"])),
            (json!("\"tea\""), json!({"type": "array", "items": {"type": "string"}}), json!(["tea"])),
            (json!("{\"a\":1}"), json!({"type": "array", "items": {"type": "object"}}), json!([{"a": 1}])),
            (json!("tea"), json!({"type": "array", "items": {"type": "string"}}), json!(["tea"])),
            (json!({"a": 1}), json!({"type": "array", "items": {"type": "object"}}), json!([{"a": 1}])),
            (json!({"item": [1]}), json!({"type": "array", "items": {"type": "integer"}}), json!([1])),
            (json!(["tea"]), json!({"type": "string"}), json!("tea")),
            (json!({"value": "tea"}), json!({"type": ["string", "null"]}), json!("tea")),
            (json!({"value": 5}), json!({"type": "integer"}), json!(5)),
            (json!("tea, books"), json!({"type": "array", "items": {"type": "string"}}), json!(["tea", "books"])),
            (json!(5), json!({"type": "string"}), json!("5")),
        ];
        for (value, rule, meant) in cases {
            assert_eq!(of_type(&value, &rule), Some(meant), "{value} {rule}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        for (value, kind) in [
            (json!("2.5"), "integer"),
            (json!("two"), "integer"),
            (json!("1,000"), "integer"),
            (json!("50 EUR"), "integer"),
            (json!(null), "string"),
            (json!({"a": 1}), "string"),
            (json!("tea"), "object"),
            (json!(true), "integer"),
        ] {
            assert_eq!(of_type(&value, &json!({"type": kind})), None, "{value} as {kind}");
        }
        for rule in [json!({"type": "string", "pattern": "^[A-Z]{3}$"}), json!({"type": "string", "minLength": 8})] {
            assert_eq!(of_type(&json!(42), &rule), None, "what is suggested must not be refused: {rule}");
        }
    }

    #[test]
    fn the_nearest_of_a_list_is_found_by_its_letters_or_its_words() {
        let steps = [json!("gather_information"), json!("generate_ideas"), json!("checkout")];
        assert_eq!(of_list(&json!("Generate Ideas"), &steps), Some(json!("generate_ideas")));
        assert_eq!(of_list(&json!("ideas"), &steps), Some(json!("generate_ideas")));
        assert_eq!(of_list(&json!("CHECKOUT"), &steps), Some(json!("checkout")));
        assert_eq!(of_list(&json!(["checkout"]), &steps), Some(json!("checkout")));
        assert_eq!(of_list(&json!({"step": "checkout"}), &steps), Some(json!("checkout")));
        assert_eq!(of_list(&json!("party"), &steps), None);
    }

    #[test]
    fn a_currency_is_known_by_its_case_and_its_sign() {
        let rule = json!({"pattern": "^[A-Z]{3}$"});
        for text in ["eur", " EUR ", "€", "Euro", "\"EUR\"", "'eur'"] {
            assert_eq!(of_pattern(&json!(text), &rule), Some(json!("EUR")), "{text}");
        }
        assert_eq!(of_pattern(&json!("rubles"), &rule), None);
    }

    #[test]
    fn integers_written_as_fractions_become_integers() {
        let mut value = Arc::new(json!({"a": [5.0, 5.5, 1e300], "b": "5.0"}));
        with_whole_numbers(&mut value);
        assert_eq!(*value, json!({"a": [5, 5.5, 1e300], "b": "5.0"}));
    }
}
