//! Something is said twice: an item of a list, or a field under a second name, with the same value or another.

use serde_json::Value;

use super::fields::Field;
use super::maker::{Maker, SCHEMA_TAKES_IT};
use super::{Class, Expected, Remedy, identifier, name, pointer, schema};

const CLASS: Class = Class::Redundant;

pub(super) fn make(maker: &mut Maker<'_>) {
    for field in &maker.each_field(CLASS) {
        if let Value::Array(items) = field.value {
            twice(maker, field, items);
        } else if !field.is_item {
            beside(maker, field);
        }
    }
}

fn twice(maker: &mut Maker<'_>, field: &Field<'_>, items: &[Value]) {
    let Some(first) = items.first() else { return };
    let mut again = items.to_vec();
    again.push(first.clone());
    let remedy = Remedy::Replaced(vec![field.at.clone()]);
    let open = Expected::Open(field.at.clone());
    maker.replace(CLASS, field, "item_twice", Value::Array(again.clone()), open.clone(), remedy.clone());
    let number = first.as_object().into_iter().flatten().find(|(_, value)| value.is_i64());
    if let (Some((name, number)), Some(last)) = (number, again.last_mut()) {
        last[name.as_str()] = identifier::another(number);
        maker.replace(CLASS, field, "item_twice_otherwise", Value::Array(again), open, remedy);
    }
}

/// The right field, and beside it the same in another case.
fn beside(maker: &mut Maker<'_>, field: &Field<'_>) {
    let cases = name::cases(&field.name);
    let other = cases.iter().find(|(variant, _)| *variant == "camel_case").or_else(|| cases.last());
    let Some((_, other)) = other else { return };
    let place = pointer::below(&field.parent, other);
    if schema::at(maker.tool.schema, &place).is_some() {
        return;
    }
    let variants = [("beside", field.value.clone()), ("beside_otherwise", identifier::another(field.value))];
    for (variant, value) in variants {
        maker.change(
            (CLASS, &field.at, variant),
            |valid| pointer::with(valid, &place, value),
            || vec![place.clone()],
            Expected::Accepted(SCHEMA_TAKES_IT),
            Remedy::Restored,
        );
    }
}
