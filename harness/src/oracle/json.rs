//! Looking into JSON without writing it out.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Whether two arguments are one under the domain's canonical form: the order of keys is irrelevant, that of arrays is
/// not, 1.0 = 1, null is not absent.
pub(super) fn canonically_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right
                || match (left.as_i64(), right.as_i64()) {
                    (Some(left), Some(right)) => left == right,
                    // A float beside an integer (or a float): equal as numbers. `1.0` and `1` meet here.
                    _ => left
                        .as_f64()
                        .zip(right.as_f64())
                        .is_some_and(|(left, right)| left.partial_cmp(&right) == Some(Ordering::Equal)),
                }
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| canonically_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, left)| right.get(key).is_some_and(|right| canonically_equal(left, right)))
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_),
            _,
        ) => false,
    }
}

/// Whether two arguments are one, the caller's key apart: it may stand in the arguments or beside them.
pub(super) fn same_parameters(left: &Value, right: &Value) -> bool {
    let (Value::Object(left), Value::Object(right)) = (left, right) else {
        return canonically_equal(left, right);
    };
    let within = |inner: &serde_json::Map<String, Value>, outer: &serde_json::Map<String, Value>| {
        inner
            .iter()
            .filter(|(name, _)| *name != KEY)
            .all(|(name, value)| outer.get(name).is_some_and(|other| canonically_equal(value, other)))
    };
    within(left, right) && within(right, left)
}

/// The argument that holds the caller's key.
pub(super) const KEY: &str = "idempotency_key";

/// Calls `visit` with every string of a value, names of fields included, until it answers `true`; whether it did.
pub(super) fn any_string<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str) -> bool) -> bool {
    any_leaf(value, &mut |leaf| matches!(leaf, Leaf::Text(text) if visit(text)))
}

/// What stands at the end of a way through a value.
pub(super) enum Leaf<'a> {
    /// A string, or the name of a field.
    Text(&'a str),
    /// A number.
    Number(&'a Number),
}

/// Calls `visit` with every string and every number of a value until it answers `true`; whether it did.
pub(super) fn any_leaf<'a>(value: &'a Value, visit: &mut impl FnMut(Leaf<'a>) -> bool) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => visit(Leaf::Number(number)),
        Value::String(text) => visit(Leaf::Text(text)),
        Value::Array(items) => items.iter().any(|item| any_leaf(item, visit)),
        Value::Object(fields) => fields.iter().any(|(name, value)| visit(Leaf::Text(name)) || any_leaf(value, visit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_equality_is_the_domains() {
        assert!(canonically_equal(&json!({"a": 1, "b": [1.0, "x"]}), &json!({"b": [1, "x"], "a": 1.0})));
        assert!(!canonically_equal(&json!({"a": null}), &json!({})));
        assert!(!canonically_equal(&json!([1, 2]), &json!([2, 1])));
        assert!(!canonically_equal(&json!("1"), &json!(1)));
    }

    #[test]
    fn the_key_is_no_parameter() {
        assert!(same_parameters(&json!({"a": 1, "idempotency_key": "k"}), &json!({"a": 1})));
        assert!(!same_parameters(&json!({"a": 1}), &json!({"a": 1, "b": null})));
    }

    #[test]
    fn every_string_is_visited_names_included() {
        let value = json!({"a": ["b", {"c": 1}]});
        let mut seen = Vec::new();
        assert!(!any_string(&value, &mut |text| {
            seen.push(text);
            false
        }));
        assert_eq!(seen, ["a", "b", "c"]);
    }
}
