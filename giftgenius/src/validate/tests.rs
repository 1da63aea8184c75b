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

/// Each violation as `place error_type: expected`.
fn told(arguments: &Value) -> Vec<String> {
    let schema = schema();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let found = violations(&validator, &schema, arguments);
    found.iter().map(|v| format!("{} {}: {}", v.field, v.error_type, v.expected)).collect()
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
fn each_mistake_is_told_with_its_place_and_what_would_be_right() {
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({"items": [{"sku": "tea"}]}), &["/currency missing: the field `currency` is required"]),
        (
            json!({}),
            &["/currency missing: the field `currency` is required", "/items missing: the field `items` is required"],
        ),
        (with("items", json!([{}])), &["/items/0/sku missing: the field `sku` is required"]),
        (with("curency", json!("EUR")), &["/curency unknown_field: no field of this name; did you mean `currency`?"]),
        (
            with("promoCode", json!("x")),
            &["/promoCode unknown_field: no field of this name; did you mean `promo_code`?"],
        ),
        (with("colour", json!(1)), &["/colour unknown_field: no field of this name"]),
        (with("items", json!([{"sku": "tea", "qty": 1}])), &["/items/0/qty unknown_field: no field of this name"]),
        (with("items", json!("[]")), &["/items type: an array"]),
        (with("items", json!({"sku": "tea"})), &["/items type: an array"]),
        (with("budget", json!("5")), &["/budget type: an integer"]),
        (with("promo_code", json!(5)), &["/promo_code type: null or string"]),
        (json!([]), &[" type: an object"]),
        (with("step", json!("three")), &["/step enum: one of the allowed values"]),
        (with("budget", json!(0)), &["/budget range: at least 1"]),
        (with("budget", json!(11)), &["/budget range: at most 10"]),
        (with("items", json!([])), &["/items length: at least 1 items"]),
        (with("items", json!([{"sku": "t"}])), &["/items/0/sku length: at least 2 characters"]),
        (with("items", json!([{"sku": "teapot"}])), &["/items/0/sku length: at most 5 characters"]),
        (with("currency", json!("eur")), &["/currency pattern: text that matches ^[A-Z]{3}$"]),
        (with("until", json!("tomorrow")), &["/until format: the format date"]),
        (with("a/b~c", json!(1)), &["/a~1b~0c type: a string"]),
        (with("x/y~z", json!(1)), &["/x~1y~0z unknown_field: no field of this name"]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(told(&arguments), expected, "{arguments}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_places() {
    let arguments = json!({"items": [{"sku": 1}, {"quantity": "2"}], "budget": 0, "step": "x", "curency": "EUR"});
    let told = told(&arguments);
    let places: Vec<_> = told.iter().map(|told| told.split(':').next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "/budget range",
            "/curency unknown_field",
            "/currency missing",
            "/items/0/sku type",
            "/items/1/quantity type",
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
