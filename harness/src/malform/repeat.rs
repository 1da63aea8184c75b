//! The call comes again after it was accepted: unchanged, under its key with other arguments, under another key.

use serde_json::{Value, json};

use super::maker::{Maker, Unlabelled};
use super::{Class, Expected, Remedy, Sent, When, identifier, pointer};

const CLASS: Class = Class::Repeat;

pub(super) fn make(maker: &mut Maker<'_>) {
    if !maker.wants(CLASS) {
        return;
    }
    let valid = maker.valid.clone();
    let key = maker.fields.iter().find(|field| field.is_key()).map(|field| field.at.clone());
    let again = if key.is_some() {
        Expected::Accepted("the same key and arguments stand for the same request")
    } else {
        Expected::Open(String::new())
    };
    after(maker, "", "unchanged", valid.clone(), valid.clone(), again, Remedy::Needless);
    let Some(key) = key else { return };
    let others: Vec<_> = maker
        .fields
        .iter()
        .filter(|field| field.at != key && (field.value.is_string() || field.value.is_i64()))
        .map(|field| (field.at.clone(), identifier::another(field.value)))
        .collect();
    for (at, other) in others {
        let changed = pointer::with(&valid, &at, other);
        if maker.tool.takes(&changed) {
            let beyond = Remedy::Beyond("which of two requests under one key is meant only the person knows");
            after(maker, &at, "same_key_other_value", valid.clone(), changed, Expected::Failed, beyond);
        }
    }
    let fresh = pointer::with(&valid, &key, json!("a-key-of-its-own"));
    after(maker, &key, "other_key", valid.clone(), fresh, Expected::Open(String::new()), Remedy::Needless);
    let optional: Vec<_> =
        maker.fields.iter().filter(|field| !field.required && !field.is_key()).map(|field| field.at.clone()).collect();
    for at in optional {
        let (absent, null) = (pointer::without(&valid, &at), pointer::with(&valid, &at, Value::Null));
        if maker.tool.takes(&null) {
            let beyond = Remedy::Beyond("under a key null is another request than an absent field");
            after(maker, &at, "null_for_absent", absent, null, Expected::Open(at.clone()), beyond);
        }
    }
}

fn after(
    maker: &mut Maker<'_>,
    at: &str,
    variant: &str,
    first: Value,
    then: Value,
    expected: Expected,
    remedy: Remedy,
) {
    maker.add(CLASS, at, variant, |_| {
        Some(Unlabelled { when: When::After(first), sent: Sent::Arguments(then), expected, remedy })
    });
}
