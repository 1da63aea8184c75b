//! JSON pointers (RFC 6901) over values: taking out, putting in.

use serde_json::{Map, Value};

/// A name as a token of a pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that a token stands for.
pub fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The pointer to a member of what a pointer names.
pub fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", escape(name))
}

/// What holds a place, and the name of the place in it; `None` for the whole.
pub fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, token) = pointer.rsplit_once('/')?;
    Some((parent, unescape(token)))
}

/// Takes out what stands at a place; an array's later items move up.
pub fn remove(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = split(pointer)?;
    match value.pointer_mut(parent)? {
        Value::Object(members) => members.remove(&name),
        Value::Array(items) => {
            let index: usize = name.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Puts something at a place; what holds it is made where it is missing. False if something else is in the way.
pub fn put(value: &mut Value, pointer: &str, new: Value) -> bool {
    let Some((parent, name)) = split(pointer) else {
        *value = new;
        return true;
    };
    if value.pointer(parent).is_none() {
        let empty = if name == "0" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        if !put(value, parent, empty) {
            return false;
        }
    }
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(name, new);
            true
        }
        Some(Value::Array(items)) => match name.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items[index] = new;
                true
            }
            Ok(index) if index == items.len() => {
                items.push(new);
                true
            }
            Ok(_) | Err(_) => false,
        },
        _ => false,
    }
}

/// The value with this at a place.
#[must_use]
pub fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut changed = value.clone();
    put(&mut changed, pointer, new);
    changed
}

/// The value without what stands at a place.
#[must_use]
pub fn without(value: &Value, pointer: &str) -> Value {
    let mut changed = value.clone();
    remove(&mut changed, pointer);
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_put_somewhere_is_there_and_nothing_else_moved() {
        let value = json!({"a": [{"b": 1}], "c/d": 2});
        assert_eq!(with(&value, "/a/0/b", json!(3)), json!({"a": [{"b": 3}], "c/d": 2}));
        assert_eq!(with(&value, "/a/1", json!(4)), json!({"a": [{"b": 1}, 4], "c/d": 2}));
        assert_eq!(with(&value, "/e/0/f", json!(5))["e"], json!([{"f": 5}]));
        assert_eq!(with(&value, "", json!(6)), json!(6));
        assert_eq!(without(&value, "/c~1d"), json!({"a": [{"b": 1}]}));
        assert_eq!(without(&value, "/a/0"), json!({"a": [], "c/d": 2}));
    }

    #[test]
    fn what_is_in_the_way_stays() {
        let mut value = json!({"a": 1, "l": [1]});
        assert!(!put(&mut value, "/a/b", json!(2)));
        assert!(!put(&mut value, "/l/5", json!(2)));
        assert_eq!(remove(&mut value, "/x"), None);
        assert_eq!(value, json!({"a": 1, "l": [1]}));
    }
}
