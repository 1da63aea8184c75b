//! A value has another type: in quotes, bare where a list is wanted, wrapped, null, a fraction, words.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{Maker, SCHEMA_TAKES_IT, gone, overwritten};
use super::{Class, Expected, Remedy, schema};

const CLASS: Class = Class::Type;

pub(super) fn make(maker: &mut Maker<'_>) {
    for field in &maker.each_field(CLASS) {
        null(maker, field);
        match field.value {
            Value::Number(number) => of_number(maker, field, number),
            Value::Bool(truth) => of_boolean(maker, field, *truth),
            Value::String(text) => of_text(maker, field, text),
            Value::Array(items) => of_list(maker, field, items),
            Value::Object(_) => of_object(maker, field),
            Value::Null => {}
        }
    }
}

/// The value in another form, from which it can be told.
fn told(maker: &mut Maker<'_>, field: &Field<'_>, variant: &str, new: Value) {
    maker.replace(CLASS, field, variant, new, open(field), Remedy::Restored);
}

/// Another value, from which nothing can be told.
fn lost(maker: &mut Maker<'_>, field: &Field<'_>, variant: &str, new: Value) {
    maker.replace(CLASS, field, variant, new, open(field), overwritten(field));
}

fn open(field: &Field<'_>) -> Expected {
    Expected::Open(field.at.clone())
}

fn null(maker: &mut Maker<'_>, field: &Field<'_>) {
    maker.replace(CLASS, field, "null", Value::Null, Expected::Accepted("the schema takes null"), gone(field));
}

fn of_number(maker: &mut Maker<'_>, field: &Field<'_>, number: &serde_json::Number) {
    told(maker, field, "stringified", json!(number.to_string()));
    told(maker, field, "stringified_padded", json!(format!(" {number} ")));
    told(maker, field, "in_a_list", json!([number]));
    told(maker, field, "in_an_object", json!({ "value": number }));
    lost(maker, field, "boolean", json!(true));
    lost(maker, field, "in_words", json!("a few"));
    lost(maker, field, "with_a_unit", json!(format!("{number} pieces")));
    if let Some(whole) = number.as_i64() {
        #[expect(clippy::cast_precision_loss, reason = "a mistake is made on purpose")]
        let float = whole as f64;
        // Equal to the integer, and written otherwise: JSON Schema counts it as one.
        maker.add(CLASS, &field.at, "whole_fraction", |maker| {
            let arguments = super::pointer::with(maker.valid, &field.at, json!(float));
            let expected = if maker.tool.takes(&arguments) {
                Expected::Accepted("JSON Schema counts 5.0 as an integer")
            } else {
                Expected::Refused(vec![field.at.clone()])
            };
            Some(super::maker::Unlabelled {
                when: super::When::Ready,
                sent: super::Sent::Arguments(arguments),
                expected,
                remedy: Remedy::Needless,
            })
        });
        told(maker, field, "stringified_fraction", json!(format!("{whole}.0")));
        lost(maker, field, "fraction", json!(float + 0.5));
    }
}

fn of_boolean(maker: &mut Maker<'_>, field: &Field<'_>, truth: bool) {
    told(maker, field, "stringified", json!(truth.to_string()));
    told(maker, field, "in_a_list", json!([truth]));
    lost(maker, field, "number", json!(i32::from(truth)));
    lost(maker, field, "in_words", json!("maybe"));
}

fn of_text(maker: &mut Maker<'_>, field: &Field<'_>, text: &str) {
    told(maker, field, "in_a_list", json!([text]));
    told(maker, field, "in_an_object", json!({ "value": text }));
    lost(maker, field, "number", json!(42));
    lost(maker, field, "boolean", json!(true));
    lost(maker, field, "empty_object", json!({}));
    lost(maker, field, "empty_list", json!([]));
    // A free text may well be in quotes; where only some texts are right, quotes are a slip.
    if field.rule.get("pattern").is_some() || !schema::listed(field.rule).is_empty() {
        told(maker, field, "quoted_twice", json!(Value::from(text).to_string()));
    }
}

fn of_list(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    told(maker, field, "stringified", json!(field.value.to_string()));
    lost(maker, field, "boolean", json!(true));
    lost(maker, field, "number", json!(1));
    let Some(first) = items.first() else { return };
    let remedy = if items.len() == 1 { Remedy::Restored } else { Remedy::Replaced(vec![field.at.clone()]) };
    maker.replace(CLASS, field, "one_bare", first.clone(), open(field), remedy.clone());
    if !first.is_string() {
        maker.replace(CLASS, field, "one_bare_stringified", json!(first.to_string()), open(field), remedy);
    }
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    if let Some(texts) = texts.filter(|texts| texts.len() > 1 && texts.iter().all(|text| !text.contains(','))) {
        told(maker, field, "comma_separated", json!(texts.join(", ")));
    }
}

fn of_object(maker: &mut Maker<'_>, field: &Field<'_>) {
    told(maker, field, "stringified", json!(field.value.to_string()));
    lost(maker, field, "number", json!(1));
    lost(maker, field, "boolean", json!(true));
    lost(maker, field, "in_words", json!("the usual"));
    // Nothing but the first text of it, as if the rest went without saying.
    let text = field.value.as_object().into_iter().flatten().find_map(|(_, value)| value.as_str());
    if let Some(text) = text {
        maker.replace(
            CLASS,
            field,
            "its_text_alone",
            json!(text),
            Expected::Accepted(SCHEMA_TAKES_IT),
            Remedy::Replaced(vec![field.at.clone()]),
        );
    }
}
