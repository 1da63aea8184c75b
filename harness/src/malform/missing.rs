//! Something is left out: each field, two at once, everything that an object must have, everything.

use serde_json::{Value, json};

use super::maker::{Maker, gone};
use super::{Class, Expected, Remedy, label, pointer};

const CLASS: Class = Class::Missing;
const OPTIONAL: Expected = Expected::Accepted("the field may be left out");

pub(super) fn make(maker: &mut Maker<'_>) {
    for field in maker.each_field(CLASS).iter().filter(|field| !field.is_item) {
        maker.change(
            (CLASS, &field.at, "absent"),
            |valid| pointer::without(valid, &field.at),
            || vec![field.at.clone()],
            OPTIONAL,
            gone(field),
        );
    }
    let required: Vec<_> =
        maker.each_field(CLASS).into_iter().filter(|field| field.required && !field.is_item).collect();
    for (index, one) in required.iter().enumerate() {
        for other in required[index + 1..].iter().filter(|other| !other.at.starts_with(&format!("{}/", one.at))) {
            let variant = format!("with_{}", label::word(other.at.trim_start_matches('/')));
            several(maker, &one.at, &variant, &[one.at.as_str(), other.at.as_str()]);
        }
    }
    let mut objects: Vec<&str> = required.iter().map(|field| field.parent.as_str()).collect();
    objects.dedup();
    for object in objects {
        let of_it: Vec<&str> =
            required.iter().filter(|field| field.parent == object).map(|field| field.at.as_str()).collect();
        if of_it.len() > 2 {
            several(maker, object, "all_required", &of_it);
        }
    }
    let Everything { required, remedy } = everything(maker);
    maker.change((CLASS, "", "everything"), |_| json!({}), || required, OPTIONAL, remedy);
}

/// All arguments at once.
pub(super) struct Everything {
    /// The fields that must be there.
    pub(super) required: Vec<String>,
    /// What an error can tell where nothing of them is left.
    pub(super) remedy: Remedy,
}

/// What becomes of a call without any argument.
pub(super) fn everything(maker: &Maker<'_>) -> Everything {
    let top = || maker.fields.iter().filter(|field| field.parent.is_empty());
    let required: Vec<String> = top().filter(|field| field.required).map(|field| field.at.clone()).collect();
    let remedy = match together(maker, &required.iter().map(String::as_str).collect::<Vec<_>>()) {
        // Optional fields are gone too, which cannot be noticed.
        Remedy::Replaced(_) => Remedy::Replaced(top().map(|field| field.at.clone()).collect()),
        other => other,
    };
    Everything { required, remedy }
}

/// Several fields are left out at once: all of them are to be named.
fn several(maker: &mut Maker<'_>, at: &str, variant: &str, places: &[&str]) {
    let remedy = together(maker, places);
    let without = |valid: &Value| {
        let mut left = valid.clone();
        for place in places {
            pointer::remove(&mut left, place);
        }
        left
    };
    maker.change(
        (CLASS, at, variant),
        without,
        || places.iter().map(|place| (*place).to_owned()).collect(),
        OPTIONAL,
        remedy,
    );
}

/// What an error can tell where several fields are gone.
fn together(maker: &Maker<'_>, places: &[&str]) -> Remedy {
    let mut all = Vec::new();
    for field in maker.fields.iter().filter(|field| places.contains(&field.at.as_str())) {
        match gone(field) {
            Remedy::Replaced(mut at) => all.append(&mut at),
            other => return other,
        }
    }
    Remedy::Replaced(all)
}
