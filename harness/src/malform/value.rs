//! A value is out of its range, its list or its format; or there is too much or too little of it.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{MADE_ELSEWHERE, Maker, overwritten};
use super::{Class, Expected, Remedy, schema};

const CLASS: Class = Class::Value;

pub(super) fn make(maker: &mut Maker<'_>) {
    for field in &maker.each_field(CLASS) {
        match field.value {
            Value::Number(number) => of_number(maker, field, number),
            Value::String(text) => of_text(maker, field, text),
            Value::Array(items) => of_list(maker, field, items),
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
    }
}

fn told(maker: &mut Maker<'_>, field: &Field<'_>, variant: &str, new: Value) {
    maker.replace(CLASS, field, variant, new, open(field), Remedy::Restored);
}

fn lost(maker: &mut Maker<'_>, field: &Field<'_>, variant: &str, new: Value) {
    maker.replace(CLASS, field, variant, new, open(field), overwritten(field));
}

fn open(field: &Field<'_>) -> Expected {
    Expected::Open(field.at.clone())
}

fn of_number(maker: &mut Maker<'_>, field: &Field<'_>, number: &serde_json::Number) {
    let bound = |keyword: &str| field.rule.get(keyword).and_then(Value::as_i64);
    if let Some(least) = bound("minimum").or_else(|| bound("exclusiveMinimum")) {
        lost(maker, field, "below_the_range", json!(least.saturating_sub(1)));
    }
    if let Some(most) = bound("maximum").or_else(|| bound("exclusiveMaximum")) {
        lost(maker, field, "above_the_range", json!(most.saturating_add(1)));
    }
    lost(maker, field, "zero", json!(0));
    lost(maker, field, "negative", json!(number.as_i64().map_or(-1, |number| -number.abs())));
    lost(maker, field, "past_64_bits", json!(1e30));
    lost(maker, field, "past_the_signed", json!(u64::MAX));
    if let Some(whole) = number.as_i64() {
        #[expect(clippy::cast_precision_loss, reason = "a mistake is made on purpose")]
        let euros = whole as f64 / 100.0 + 0.01;
        lost(maker, field, "as_if_of_hundredths", json!(euros));
    }
}

fn of_text(maker: &mut Maker<'_>, field: &Field<'_>, text: &str) {
    let listed = schema::listed(field.rule);
    let has_pattern = field.rule.get("pattern").is_some();
    if !listed.is_empty() || has_pattern {
        told(maker, field, "lower_case", json!(text.to_lowercase()));
        told(maker, field, "upper_case", json!(text.to_uppercase()));
        told(maker, field, "padded", json!(format!(" {text} ")));
    }
    if !listed.is_empty() {
        told(maker, field, "in_words", json!(text.replace('_', " ")));
        let mut letters: Vec<char> = text.chars().collect();
        if letters.len() > 4 {
            letters.remove(letters.len() / 2);
            told(maker, field, "letter_dropped", json!(letters.into_iter().collect::<String>()));
        }
        lost(maker, field, "not_in_the_list", json!("something_else"));
    }
    if has_pattern {
        lost(maker, field, "against_the_pattern", json!("?!"));
    }
    if field.name.to_lowercase().contains("currency") && text == "EUR" {
        told(maker, field, "sign", json!("€"));
        told(maker, field, "in_words", json!("euro"));
        lost(maker, field, "unknown_currency", json!("XTS"));
    }
    if let Some(format) = field.rule.get("format").and_then(Value::as_str) {
        let wrong = match format {
            "date" | "date-time" | "time" => "next tuesday",
            "email" => "ada at example",
            _ => "::: not that :::",
        };
        lost(maker, field, "against_the_format", json!(wrong));
    }
    // A key that is none needs no more than a new one.
    let remedy = if field.is_key() { Remedy::Replaced(vec![field.at.clone()]) } else { overwritten(field) };
    // What is optional can be left out, identifier or not.
    let remedy = match remedy {
        Remedy::Beyond(_) if !field.required => Remedy::Replaced(vec![field.at.clone()]),
        other => other,
    };
    maker.replace(CLASS, field, "empty", json!(""), open(field), remedy.clone());
    if let Some(most) = field.rule.get("maxLength").and_then(Value::as_u64) {
        let long = "x".repeat(usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1).min(100_000));
        let remedy = if field.is_identifier() && field.required { Remedy::Beyond(MADE_ELSEWHERE) } else { remedy };
        maker.replace(CLASS, field, "too_long", json!(long), open(field), remedy);
    }
    if let Some(least) = field.rule.get("minLength").and_then(Value::as_u64).filter(|least| *least > 1) {
        let short = "x".repeat(usize::try_from(least).unwrap_or(1).saturating_sub(1));
        lost(maker, field, "too_short", json!(short));
    }
    lost(maker, field, "only_spaces", json!("   "));
    lost(maker, field, "with_a_nul", json!(format!("{text}\u{0}")));
}

fn of_list(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    lost(maker, field, "empty", json!([]));
    let most = field.rule.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    if let (Some(most), Some(first)) = (most.filter(|most| *most < 10_000), items.first()) {
        lost(maker, field, "too_many", Value::Array(vec![first.clone(); most + 1]));
    }
}
