//! A value has another type: in quotes, bare where a list is wanted, wrapped, null, a fraction, words.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{Maker, SCHEMA_TAKES_IT, gone, open};
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

fn null(maker: &mut Maker<'_>, field: &Field<'_>) {
    maker.replace(CLASS, field, "null", Value::Null, Expected::Accepted("the schema takes null"), gone(field));
}

fn of_number(maker: &mut Maker<'_>, field: &Field<'_>, number: &serde_json::Number) {
    maker.told(CLASS, field, "stringified", json!(number.to_string()));
    maker.told(CLASS, field, "stringified_padded", json!(format!(" {number} ")));
    maker.told(CLASS, field, "in_a_list", json!([number]));
    maker.told(CLASS, field, "in_an_object", json!({ "value": number }));
    maker.lost(CLASS, field, "boolean", json!(true));
    maker.lost(CLASS, field, "in_words", json!("a few"));
    maker.lost(CLASS, field, "with_a_unit", json!(format!("{number} pieces")));
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
        maker.told(CLASS, field, "stringified_fraction", json!(format!("{whole}.0")));
        maker.lost(CLASS, field, "fraction", json!(float + 0.5));
    }
}

fn of_boolean(maker: &mut Maker<'_>, field: &Field<'_>, truth: bool) {
    maker.told(CLASS, field, "stringified", json!(truth.to_string()));
    maker.told(CLASS, field, "in_a_list", json!([truth]));
    maker.lost(CLASS, field, "number", json!(i32::from(truth)));
    maker.lost(CLASS, field, "in_words", json!("maybe"));
}

fn of_text(maker: &mut Maker<'_>, field: &Field<'_>, text: &str) {
    maker.told(CLASS, field, "in_a_list", json!([text]));
    maker.told(CLASS, field, "in_an_object", json!({ "value": text }));
    maker.lost(CLASS, field, "number", json!(42));
    maker.lost(CLASS, field, "boolean", json!(true));
    maker.lost(CLASS, field, "empty_object", json!({}));
    maker.lost(CLASS, field, "empty_list", json!([]));
    // A free text may well be in quotes; where only some texts are right, quotes are a slip.
    if field.rule.get("pattern").is_some() || !schema::listed(field.rule).is_empty() {
        maker.told(CLASS, field, "quoted_twice", json!(Value::from(text).to_string()));
    }
}

fn of_list(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    maker.told(CLASS, field, "stringified", json!(field.value.to_string()));
    maker.lost(CLASS, field, "boolean", json!(true));
    maker.lost(CLASS, field, "number", json!(1));
    let Some(first) = items.first() else { return };
    let remedy = if items.len() == 1 { Remedy::Restored } else { Remedy::Replaced(vec![field.at.clone()]) };
    maker.replace(CLASS, field, "one_bare", first.clone(), open(field), remedy.clone());
    if !first.is_string() {
        maker.replace(CLASS, field, "one_bare_stringified", json!(first.to_string()), open(field), remedy);
    }
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    if let Some(texts) = texts.filter(|texts| texts.len() > 1 && texts.iter().all(|text| !text.contains(','))) {
        maker.told(CLASS, field, "comma_separated", json!(texts.join(", ")));
    }
}

fn of_object(maker: &mut Maker<'_>, field: &Field<'_>) {
    maker.told(CLASS, field, "stringified", json!(field.value.to_string()));
    maker.lost(CLASS, field, "number", json!(1));
    maker.lost(CLASS, field, "boolean", json!(true));
    maker.lost(CLASS, field, "in_words", json!("the usual"));
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
