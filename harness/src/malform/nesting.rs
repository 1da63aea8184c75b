//! A field stands one level too high or too low, or something is wrapped in what should not be there.

use serde_json::{Value, json};

use super::fields::Field;
use super::maker::{Maker, SCHEMA_TAKES_IT};
use super::{Class, Expected, Remedy, pointer, schema};

const CLASS: Class = Class::Nesting;

/// What callers wrap all arguments in.
const WRAPPERS: [&str; 3] = ["arguments", "input", "params"];

pub(super) fn make(maker: &mut Maker<'_>) {
    let fields = maker.each_field(CLASS);
    for field in fields.iter().filter(|field| !field.is_item) {
        higher(maker, field);
        lower(maker, field, &fields);
    }
    for field in &fields {
        wrapped(maker, field);
    }
    if maker.valid.as_object().is_some_and(|members| !members.is_empty()) {
        for wrapper in WRAPPERS {
            let place = pointer::below("", wrapper);
            if schema::at(maker.tool.schema, &place).is_none() {
                changed(
                    maker,
                    "",
                    &format!("in_{wrapper}"),
                    |valid| json!({ wrapper: valid }),
                    &place,
                    Remedy::Restored,
                );
            }
        }
    }
}

fn changed(
    maker: &mut Maker<'_>,
    at: &str,
    variant: &str,
    change: impl FnOnce(&Value) -> Value,
    named: &str,
    remedy: Remedy,
) {
    let named = || vec![named.to_owned()];
    maker.change((CLASS, at, variant), change, named, Expected::Accepted(SCHEMA_TAKES_IT), remedy);
}

/// Out of its object, beside what holds that (or beside the list that it is an item of).
fn higher(maker: &mut Maker<'_>, field: &Field<'_>) {
    let Some((mut above, mut name)) = pointer::split(&field.parent) else { return };
    while maker.valid.pointer(above).is_some_and(Value::is_array) {
        let Some(further) = pointer::split(above) else { return };
        (above, name) = further;
    }
    let place = pointer::below(above, &field.name);
    if name == field.name || maker.valid.pointer(&place).is_some() || schema::at(maker.tool.schema, &place).is_some() {
        return;
    }
    let change = |valid: &Value| pointer::with(&pointer::without(valid, &field.at), &place, field.value.clone());
    changed(maker, &field.at, "one_level_higher", change, &place, Remedy::Restored);
}

/// Into the first object beside it, or into the first item of a list beside it.
fn lower(maker: &mut Maker<'_>, field: &Field<'_>, fields: &[Field<'_>]) {
    let beside = fields.iter().find(|other| {
        other.value.is_object()
            && other.at != field.at
            && !other.at.starts_with(&format!("{}/", field.at))
            && (other.parent == field.parent
                || (other.is_item && pointer::split(&other.parent).is_some_and(|(above, _)| above == field.parent)))
    });
    let Some(beside) = beside else { return };
    let place = pointer::below(&beside.at, &field.name);
    if schema::at(maker.tool.schema, &place).is_some() {
        return;
    }
    let change = |valid: &Value| pointer::with(&pointer::without(valid, &field.at), &place, field.value.clone());
    changed(maker, &field.at, "one_level_lower", change, &place, Remedy::Restored);
}

fn wrapped(maker: &mut Maker<'_>, field: &Field<'_>) {
    match field.value {
        Value::Object(members) => {
            let wrapper = if field.is_item { "item" } else { "value" };
            let place = pointer::below(&field.at, wrapper);
            if schema::at(maker.tool.schema, &place).is_none() {
                let new = json!({ wrapper: members });
                let at = field.at.clone();
                let change = |valid: &Value| pointer::with(valid, &at, new);
                changed(maker, &field.at, "in_an_object", change, &place, Remedy::Restored);
            }
            let new = json!([members]);
            maker.replace(CLASS, field, "in_a_list", new, Expected::Accepted(SCHEMA_TAKES_IT), Remedy::Restored);
        }
        Value::Array(items) => {
            let new = json!({ field.name.as_str(): items });
            maker.replace(CLASS, field, "in_an_object", new, Expected::Accepted(SCHEMA_TAKES_IT), Remedy::Restored);
            flattened(maker, field, items);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The members of a list's only object, where the list should be.
fn flattened(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    let [Value::Object(members)] = items else { return };
    let places: Vec<String> = members.keys().map(|name| pointer::below(&field.parent, name)).collect();
    if places.iter().any(|place| schema::at(maker.tool.schema, place).is_some()) {
        return;
    }
    maker.change(
        (CLASS, &field.at, "flattened"),
        |valid| {
            let mut flat = pointer::without(valid, &field.at);
            for (place, value) in places.iter().zip(members.values()) {
                pointer::put(&mut flat, place, value.clone());
            }
            flat
        },
        || places.clone(),
        Expected::Accepted(SCHEMA_TAKES_IT),
        Remedy::Restored,
    );
}
