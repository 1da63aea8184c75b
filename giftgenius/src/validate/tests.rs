//! Violations: each kind of mistake, several at once, and where they are said to be.

use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["items", "currency"],
        "properties": {
            "items": {
                "type": "array",
                "minItems": 1,
                "maxItems": 2,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["sku"],
                    "properties": {"sku": {"type": "string", "minLength": 2, "maxLength": 5}, "quantity": {"type": "integer"}},
                },
            },
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "promo_code": {"type": ["string", "null"]},
            "step": {"enum": ["one", "two"]},
            "budget": {"type": "integer", "minimum": 1, "maximum": 10},
            "until": {"type": "string", "format": "date"},
            "a/b~c": {"type": "string"},
        },
    })
}

fn found(arguments: &Value) -> Vec<Violation> {
    let schema = schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    violations(&validator, &schema, arguments)
}

/// Each violation as `place error_type: expected, got …, meant …`.
fn told(arguments: &Value) -> Vec<String> {
    let line = |v: Violation| {
        let got = v.received.map(|received| format!(", got {received}")).unwrap_or_default();
        let meant = v.suggestion.map(|meant| format!(", meant {meant}")).unwrap_or_default();
        format!("{} {}: {}{got}{meant}", v.field, v.error_type, v.expected)
    };
    found(arguments).into_iter().map(line).collect()
}

/// A valid call with one more field.
fn with(name: &str, value: Value) -> Value {
    let mut arguments = json!({"items": [{"sku": "tea"}], "currency": "EUR"});
    arguments[name] = value;
    arguments
}

#[test]
fn a_valid_call_breaks_nothing() {
    assert!(told(&with("promo_code", Value::Null)).is_empty());
}

#[test]
fn each_mistake_is_told_with_its_place_what_came_and_what_would_be_right() {
    let cases = [
        json!({"items": [{"sku": "tea"}]}),
        json!({}),
        json!([]),
        json!("{\"items\": [{\"sku\": \"tea\"}], \"currency\": \"EUR\"}"),
        json!({"items": [{"sku": "tea"}], "curency": "EUR"}),
        json!({"sku": "tea", "currency": "EUR"}),
        with("items", json!([{}])),
        with("curency", json!("EUR")),
        with("promoCode", json!("x")),
        with("coupon", json!("x")),
        with("colour", json!(1)),
        with("items", json!([{"item": {"sku": "tea"}}])),
        json!({"arguments": {"items": [{"sku": "tea"}], "currency": "EUR"}}),
        with("items", json!([{"sku": "tea", "qty": 1}])),
        with("items", json!([{"sku": "tea", "budget": 5}])),
        with("items", json!("[]")),
        with("items", json!("[{\"sku\": \"tea\"}]")),
        with("items", json!({"sku": "tea"})),
        with("items", json!({"item": [{"sku": "tea"}]})),
        with("items", json!({"0": {"sku": "tea"}})),
        with("items", json!({"1": {"sku": "tea"}, "2": {"sku": "mug"}})),
        with("items", json!({"0": {"sku": "tea"}, "2": {"sku": "mug"}})),
        with("budget", json!("null")),
        with("budget", json!("")),
        with("until", json!("")),
        with("step", json!("none")),
        with("currency", json!("")),
        with("budget", json!("5")),
        with("budget", json!("five")),
        with("budget", json!({"value": 5})),
        with("budget", json!(5.5)),
        with("budget", Value::Null),
        with("promo_code", json!(5)),
        with("step", json!("three")),
        with("step", json!("One")),
        with("budget", json!(0)),
        with("budget", json!(11)),
        with("items", json!([])),
        with("items", json!([{"sku": "t"}])),
        with("items", json!([{"sku": "teapot"}])),
        with("currency", json!("eur")),
        with("currency", json!(42)),
        with("currency", json!("4111111111111111")),
        with("until", json!("tomorrow")),
        with("a/b~c", json!(1)),
        with("x/y~z", json!(1)),
    ];
    let lines: Vec<String> =
        cases.iter().map(|arguments| format!("{arguments}\n    {}", told(arguments).join("\n    "))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn an_integer_written_as_a_fraction_is_an_integer() {
    assert!(found(&with("budget", json!(5.0))).is_empty());
}

#[test]
fn arguments_without_end_are_told_in_one_sentence() {
    let mut deep = json!(1);
    for _ in 0..DEPTH_MAX {
        deep = json!([deep]);
    }
    let wide: serde_json::Map<String, Value> = (0..VALUES_MAX).map(|n| (format!("field_{n}"), json!(n))).collect();
    for arguments in [with("items", deep), Value::Object(wide)] {
        let found = found(&arguments);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].field.as_str(), found[0].error_type.as_str()), ("", "too_large"));
    }
    let many: serde_json::Map<String, Value> = (0..VALUES_MAX / 2).map(|n| (format!("field_{n}"), json!(n))).collect();
    assert_eq!(found(&Value::Object(many)).len(), VIOLATIONS_MAX);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_places() {
    let arguments = json!({"items": [{"sku": 1}, {"quantity": "2"}], "budget": 0, "step": "x", "curency": "EUR"});
    let told = told(&arguments);
    let places: Vec<_> = told.iter().map(|told| told.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "/budget range",
            "/curency unknown_field",
            "/currency missing",
            "/items/0/sku type",
            "/items/1/quantity stringified",
            "/items/1/sku missing",
            "/step enum",
        ]
    );
}

#[test]
fn what_is_allowed_is_listed_where_it_is_a_list() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let of = |arguments: Value| violations(&validator, &schema, &arguments).remove(0).allowed_values;
    assert_eq!(of(with("step", json!("x"))), [json!("one"), json!("two")]);
    assert_eq!(of(with("items", json!([{"sku": "tea", "size": 1}]))), [json!("quantity"), json!("sku")]);
    assert!(of(with("budget", json!(0))).is_empty());
}

#[test]
fn where_no_field_is_taken_each_that_came_is_told() {
    let schema = json!({"type": "object", "additionalProperties": false});
    let validator = jsonschema::validator_for(&schema).unwrap();
    let found = violations(&validator, &schema, &json!({"notes": "x", "when": {"a": 1}}));
    let told: Vec<_> = found.iter().map(|v| (v.field.as_str(), v.error_type.as_str())).collect();
    assert_eq!(told, [("/notes", "unknown_field"), ("/when", "unknown_field")]);
}
