//! What is published of every tool: examples that are valid, schemas that are closed and described, promises that fit.

use serde_json::Map;

use super::*;

/// Every object schema within a schema, with its place.
fn objects<'a>(schema: &'a Value, place: &str, found: &mut Vec<(String, &'a Map<String, Value>)>) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") || members.get("type") == Some(&json!("object")) {
                found.push((place.to_owned(), members));
            }
            for (name, member) in members {
                objects(member, &format!("{place}/{name}"), found);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                objects(member, &format!("{place}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn each_tools_example_is_a_valid_call_without_a_usable_key() {
    for tool in table() {
        let broken = violations(&tool.validator, &tool.spec.input_schema, &tool.example);
        assert!(broken.is_empty(), "{}: {broken:?}", tool.spec.name);
        assert_eq!(tool.spec.input_schema["examples"], json!([tool.example]), "{}", tool.spec.name);
        if let Some(key) = tool.example.get("idempotency_key").and_then(Value::as_str) {
            assert!(key.contains("make a new one"), "{}: {key}", tool.spec.name);
        }
    }
}

#[test]
fn no_tool_takes_a_field_that_it_does_not_publish_at_any_level() {
    for tool in table() {
        let mut found = Vec::new();
        objects(&tool.spec.input_schema, "", &mut found);
        found.retain(|(place, _)| !place.starts_with("/examples"));
        assert!(!found.is_empty(), "{}", tool.spec.name);
        for (place, object) in found {
            assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "{}{place}", tool.spec.name);
        }
    }
}

#[test]
fn every_field_of_every_tool_is_described_and_bounded() {
    for tool in table() {
        for schema in [&tool.spec.input_schema, &tool.spec.output_schema] {
            let mut found = Vec::new();
            objects(schema, "", &mut found);
            for (place, object) in found {
                for (name, field) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    assert!(field.get("description").is_some(), "{}{place}/{name}", tool.spec.name);
                }
            }
        }
        for (name, field) in tool.spec.input_schema["properties"].as_object().into_iter().flatten() {
            let has = |keyword| field.get(keyword).is_some();
            let is = |kind: &str| match &field["type"] {
                Value::Array(kinds) => kinds.contains(&json!(kind)),
                one => *one == json!(kind),
            };
            let bounded = (has("maxLength") || has("pattern") || has("enum") || has("oneOf") || !is("string"))
                && (has("maxItems") || !is("array"))
                && (has("maximum") || !is("integer"));
            assert!(bounded, "{} takes a {name} of any size: {field}", tool.spec.name);
        }
    }
}

#[test]
fn schemas_are_whole_without_references() {
    for tool in table() {
        let text = format!("{}{}", tool.spec.input_schema, tool.spec.output_schema);
        assert!(!text.contains("$ref"), "{}: many clients do not follow references", tool.spec.name);
        assert_eq!(tool.spec.output_schema["type"], "object", "{}", tool.spec.name);
    }
}

#[test]
fn promises_agree_with_each_other_and_with_what_a_tool_takes() {
    for tool in table() {
        let Annotations { read_only, destructive, idempotent, .. } = tool.spec.annotations;
        let required = tool.spec.input_schema["required"].as_array().cloned().unwrap_or_default();
        let keyed = required.contains(&json!("idempotency_key"));
        assert!(!(read_only && destructive), "{}", tool.spec.name);
        assert!(!read_only || idempotent, "{}: who changes nothing can be asked again", tool.spec.name);
        assert_eq!(destructive, keyed, "{}: whoever moves money does it under a key", tool.spec.name);
        assert!(!keyed || idempotent, "{}: a key makes a repeat harmless", tool.spec.name);
    }
}

#[test]
fn a_refused_call_is_told_everything_and_a_valid_example() {
    let tool = table().iter().find(|tool| tool.spec.name == "create_order").unwrap();
    let broken = violations(&tool.validator, &tool.spec.input_schema, &json!({"session": 1}));
    let places: Vec<_> = broken.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(places, ["/checkout_session_id", "/idempotency_key", "/payment_method_id", "/session"]);
}
