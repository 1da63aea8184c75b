//! The agent does what it is told, and nothing that it is not told.

use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["items", "currency", "idempotency_key"],
        "properties": {
            "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": {
                "type": "object", "required": ["sku", "quantity"], "additionalProperties": false,
                "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer", "minimum": 1, "maximum": 9}},
            }},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"]},
            "note": {"type": "string", "maxLength": 5},
            "idempotency_key": {"type": "string", "minLength": 8},
        },
    })
}

/// What the agent sends after having sent this and been told these violations.
fn after(sent: &Value, violations: &Value) -> Option<Value> {
    let example = json!({"items": [{"sku": "tea", "quantity": 1}], "currency": "EUR", "idempotency_key": "shown-key"});
    let error = json!({"error": {"code": "INVALID_ARGUMENTS", "violations": violations, "example": example}});
    let schema = schema();
    Agent::new("buy", &schema, 7).mend(sent, Answer::Tool(&error)).map(|mended| mended.arguments)
}

fn valid() -> Value {
    json!({"items": [{"sku": "cup", "quantity": 2}], "currency": "USD", "idempotency_key": "mine-1234"})
}

#[test]
fn a_suggestion_is_followed_to_the_letter() {
    let sent = pointer_with("/items/0/quantity", json!("2"));
    let told = json!([{"field": "/items/0/quantity", "error_type": "stringified", "expected": "", "suggestion": 2}]);
    assert_eq!(after(&sent, &told), Some(valid()));
    let mut sent = valid();
    sent["items"][0] = json!({"sku": "cup", "qty": 2});
    let told = json!([
        {"field": "/items/0/quantity", "error_type": "missing", "expected": ""},
        {"field": "/items/0/qty", "error_type": "unknown_field", "expected": "", "suggestion": "/items/0/quantity"},
    ]);
    assert_eq!(after(&sent, &told), Some(valid()), "moved, and then not missing any more");
    let sent = json!({"input": valid()});
    let told = json!([{"field": "/input", "error_type": "unknown_field", "expected": "", "suggestion": ""}]);
    assert_eq!(after(&sent, &told), Some(valid()), "what is wrapped is unwrapped");
}

#[test]
fn it_unquotes_nothing_that_it_was_not_told_to_unquote() {
    let sent = pointer_with("/items/0/quantity", json!("2"));
    let told = json!([{"field": "/items/0/quantity", "error_type": "stringified", "expected": ""}]);
    assert_eq!(after(&sent, &told).expect("it tries")["items"][0]["quantity"], 1, "the example's, not the 2 in quotes");
}

#[test]
fn without_a_suggestion_it_goes_by_schema_and_example() {
    let cases = [
        ("/items/0/quantity", json!(0), "range", json!(1)),
        ("/items/0/quantity", json!(70), "range", json!(9)),
        ("/items/0/sku", Value::Null, "type", json!("tea")),
        ("/note", json!("far too long"), "length", json!("far t")),
        ("/currency", json!("?!"), "pattern", json!("EUR")),
    ];
    for (at, wrong, kind, expected) in cases {
        let told = json!([{"field": at, "error_type": kind, "expected": ""}]);
        let next = after(&pointer_with(at, wrong), &told).expect("it tries");
        assert_eq!(next.pointer(at), Some(&expected), "{at} {kind}");
    }
    let told = json!([{"field": "/note", "error_type": "type", "expected": ""}]);
    assert_eq!(after(&pointer_with("/note", json!(5)), &told), Some(valid()), "what may be left out is");
    let told = json!([{"field": "/colour", "error_type": "unknown_field", "expected": ""}]);
    assert_eq!(after(&pointer_with("/colour", json!("red")), &told), Some(valid()));
}

#[test]
fn of_arguments_that_say_nothing_what_must_be_there_is_sent_anew() {
    let told = json!([{"field": "", "error_type": "type", "expected": "an object"}]);
    let next = after(&json!(7), &told).expect("it tries");
    assert_eq!(next["items"], json!([{"sku": "tea", "quantity": 1}]), "the example's");
    assert_eq!((&next["currency"], next.get("note")), (&json!("EUR"), None), "{next}");
    assert!(next["idempotency_key"].as_str().is_some_and(|key| key.len() >= 8 && key != "shown-key"), "{next}");
}

#[test]
fn a_missing_key_is_made_up_and_never_copied_from_the_example() {
    let mut sent = valid();
    sent.as_object_mut().expect("an object").remove("idempotency_key");
    let told = json!([{"field": "/idempotency_key", "error_type": "missing", "expected": ""}]);
    let next = after(&sent, &told).expect("it tries");
    let key = next["idempotency_key"].as_str().expect("a key");
    assert!(key.len() >= 8 && key != "shown-key", "{key}");
}

#[test]
fn an_unknown_identifier_is_beyond_it() {
    let told = json!([{"field": "/items/0/sku", "error_type": "unknown_id", "expected": ""}]);
    assert_eq!(after(&valid(), &told), None);
    assert_eq!(after(&valid(), &json!([])), None);
}

#[test]
fn a_tool_that_is_not_there_is_read_from_the_sentence() {
    let schema = schema();
    let meant = |message: &str| {
        let mended = Agent::new("by", &schema, 1).mend(&valid(), Answer::Protocol(message));
        mended.and_then(|mended| mended.tool)
    };
    assert_eq!(meant("unknown tool `by`; did you mean `buy`?"), Some(String::from("buy")));
    assert_eq!(meant("unknown tool `by`"), None);
}

#[test]
fn a_server_that_answers_sentences_is_read_modestly() {
    let schema = schema();
    let sent = pointer_with("/colour", json!("red"));
    let mut agent = Agent::new("buy", &schema, 1);
    let mended = agent.mend(&sent, Answer::Tool(&json!("Unrecognized key: 'colour'")));
    assert_eq!(mended.map(|mended| mended.arguments), Some(valid()));
    let mut sent = valid();
    sent.as_object_mut().expect("an object").remove("currency");
    let mended = agent.mend(&sent, Answer::Tool(&json!("missing field `currency`")));
    assert_eq!(mended.expect("it tries").arguments["currency"], "EUR");
    assert_eq!(agent.mend(&valid(), Answer::Tool(&json!("Something went wrong."))), None);
}

fn pointer_with(at: &str, value: Value) -> Value {
    crate::malform::pointer::with(&valid(), at, value)
}
