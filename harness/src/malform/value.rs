//! A value is out of its range, its list or its format; or there is too much or too little of it.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{MADE_ELSEWHERE, Maker, open, overwritten};
use super::{Class, Remedy, schema};

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

fn of_number(maker: &mut Maker<'_>, field: &Field<'_>, number: &serde_json::Number) {
    let bound = |keyword: &str| field.rule.get(keyword).and_then(Value::as_i64);
    if let Some(least) = bound("minimum").or_else(|| bound("exclusiveMinimum")) {
        maker.lost(CLASS, field, "below_the_range", json!(least.saturating_sub(1)));
    }
    if let Some(most) = bound("maximum").or_else(|| bound("exclusiveMaximum")) {
        maker.lost(CLASS, field, "above_the_range", json!(most.saturating_add(1)));
    }
    maker.lost(CLASS, field, "zero", json!(0));
    maker.lost(CLASS, field, "negative", json!(number.as_i64().map_or(-1, |number| -number.abs())));
    maker.lost(CLASS, field, "past_64_bits", json!(1e30));
    maker.lost(CLASS, field, "past_the_signed", json!(u64::MAX));
    if let Some(whole) = number.as_i64() {
        #[expect(clippy::cast_precision_loss, reason = "a mistake is made on purpose")]
        let euros = whole as f64 / 100.0 + 0.01;
        maker.lost(CLASS, field, "as_if_of_hundredths", json!(euros));
    }
}

fn of_text(maker: &mut Maker<'_>, field: &Field<'_>, text: &str) {
    let listed = schema::listed(field.rule);
    let has_pattern = field.rule.get("pattern").is_some();
    if !listed.is_empty() || has_pattern {
        maker.told(CLASS, field, "lower_case", json!(text.to_lowercase()));
        maker.told(CLASS, field, "upper_case", json!(text.to_uppercase()));
        maker.told(CLASS, field, "padded", json!(format!(" {text} ")));
    }
    if !listed.is_empty() {
        maker.told(CLASS, field, "in_words", json!(text.replace('_', " ")));
        let mut letters: Vec<char> = text.chars().collect();
        if letters.len() > 4 {
            letters.remove(letters.len() / 2);
            maker.told(CLASS, field, "letter_dropped", json!(letters.into_iter().collect::<String>()));
        }
        maker.lost(CLASS, field, "not_in_the_list", json!("something_else"));
    }
    if has_pattern {
        maker.lost(CLASS, field, "against_the_pattern", json!("?!"));
    }
    if field.name.to_lowercase().contains("currency") && text == "EUR" {
        maker.told(CLASS, field, "sign", json!("€"));
        maker.told(CLASS, field, "in_words", json!("euro"));
        maker.lost(CLASS, field, "unknown_currency", json!("XTS"));
    }
    if let Some(format) = field.rule.get("format").and_then(Value::as_str) {
        let wrong = match format {
            "date" | "date-time" | "time" => "next tuesday",
            "email" => "ada at example",
            _ => "::: not that :::",
        };
        maker.lost(CLASS, field, "against_the_format", json!(wrong));
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
        maker.lost(CLASS, field, "too_short", json!(short));
    }
    maker.lost(CLASS, field, "only_spaces", json!("   "));
    maker.lost(CLASS, field, "with_a_nul", json!(format!("{text}\u{0}")));
}

fn of_list(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    maker.lost(CLASS, field, "empty", json!([]));
    let most = field.rule.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    if let (Some(most), Some(first)) = (most.filter(|most| *most < 10_000), items.first()) {
        maker.lost(CLASS, field, "too_many", Value::Array(vec![first.clone(); most + 1]));
    }
}
