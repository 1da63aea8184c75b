//! What a JSON Schema says of a place, as far as making and mending calls needs it: types, bounds, names, what is
//! required. References into the same document are followed; *this or null* is *this*.

use serde_json::Value;

/// How many references and alternatives are followed before a schema is taken for endless.
const TURNS_MAX: usize = 16;

/// A part of a schema with its references followed.
pub fn resolved<'a>(root: &'a Value, rule: &'a Value) -> &'a Value {
    let mut rule = rule;
    for _ in 0..TURNS_MAX {
        let referred = rule.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
        let one_or_null = || {
            let options = rule.get("anyOf").or_else(|| rule.get("oneOf"))?.as_array()?;
            let mut some = options.iter().filter(|option| option.get("type").and_then(Value::as_str) != Some("null"));
            let first = some.next()?;
            some.next().is_none().then_some(first)
        };
        match referred.or_else(one_or_null) {
            Some(next) => rule = next,
            None => return rule,
        }
    }
    rule
}

/// The part of a schema that is about a place of the arguments.
pub fn at<'a>(root: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut rule = resolved(root, root);
    for token in pointer.split('/').skip(1) {
        let name = super::pointer::unescape(token);
        let member = rule.get("properties").and_then(|properties| properties.get(&name));
        let item = || rule.get("items").filter(|items| items.is_object() && name.bytes().all(|b| b.is_ascii_digit()));
        rule = resolved(root, member.or_else(item)?);
    }
    Some(rule)
}

/// The types that a rule takes, `null` left out.
pub fn types(rule: &Value) -> Vec<&str> {
    let kinds: Vec<&str> = match rule.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    };
    kinds.into_iter().filter(|kind| *kind != "null").collect()
}

/// The values that a rule lists: `enum`, `const`, or either under `oneOf` or `anyOf`.
pub fn listed(rule: &Value) -> Vec<&Value> {
    let mut found: Vec<&Value> = rule.get("enum").and_then(Value::as_array).into_iter().flatten().collect();
    found.extend(rule.get("const"));
    for keyword in ["oneOf", "anyOf"] {
        found.extend(rule.get(keyword).and_then(Value::as_array).into_iter().flatten().flat_map(listed));
    }
    found
}

/// The names that an object must have.
pub fn required(rule: &Value) -> Vec<&str> {
    rule.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The names that an object may have, sorted.
pub fn properties(rule: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = rule
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names
}

/// Whether the place must be there, in what holds it.
pub fn is_required(root: &Value, pointer: &str) -> bool {
    let Some((parent, name)) = super::pointer::split(pointer) else { return true };
    at(root, parent).is_some_and(|rule| required(rule).contains(&name.as_str()) || rule.get("items").is_some())
}

/// A value that the rule itself offers: its default, else its first example.
pub fn offered(rule: &Value) -> Option<&Value> {
    rule.get("default").filter(|value| !value.is_null()).or_else(|| rule.get("examples")?.get(0))
}
