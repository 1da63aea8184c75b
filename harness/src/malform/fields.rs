//! The fields of a valid call, each with what the schema says of it.

use serde_json::Value;

use super::{pointer, schema};

/// A place of the arguments: a member of an object or an item of an array.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    /// JSON pointer.
    pub(super) at: String,
    /// JSON pointer of what holds it.
    pub(super) parent: String,
    /// Its name, or its index.
    pub(super) name: String,
    /// What the schema says of it.
    pub(super) rule: &'a Value,
    /// What stands there in the valid call.
    pub(super) value: &'a Value,
    /// Whether it must be there.
    pub(super) required: bool,
    /// Whether it is an array's item.
    pub(super) is_item: bool,
}

impl Field<'_> {
    /// Whether it holds an identifier that another call made up.
    pub(super) fn is_identifier(&self) -> bool {
        !self.is_item && self.value.is_string() && is_identifier(&self.name)
    }

    /// Whether only its author knows what was here.
    pub(super) fn is_made_elsewhere(&self) -> bool {
        self.is_identifier() && self.required && schema::offered(self.rule).is_none()
    }

    /// Whether it is a key that makes a repeat harmless: any fresh one will do.
    pub(super) fn is_key(&self) -> bool {
        is_key(&self.name)
    }
}

/// Whether a name is that of an identifier, as far as names tell.
pub fn is_identifier(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = ["id", "sku", "code", "number", "slug", "handle", "uuid", "ref", "reference"];
    let own_words = ["zip", "postal", "country", "currency", "language", "status"];
    !is_key(&name)
        && !own_words.iter().any(|word| name.contains(word))
        && ends.iter().any(|end| {
            name.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with(['_', '-']))
                || (end.len() > 2 && name == *end)
        })
        || name.ends_with("uuid")
}

/// Whether a name is that of an idempotency key.
pub(super) fn is_key(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("idempoten")
}

/// Every field of a call, outer before inner, in the order of their names.
pub(super) fn fields<'a>(root: &'a Value, valid: &'a Value) -> Vec<Field<'a>> {
    let mut found = Vec::new();
    walk(root, schema::resolved(root, root), valid, "", &mut found);
    found
}

fn walk<'a>(root: &'a Value, rule: &'a Value, value: &'a Value, at: &str, found: &mut Vec<Field<'a>>) {
    let children: Vec<(String, &'a Value, &'a Value, bool)> = match value {
        Value::Object(members) => {
            let required = schema::required(rule);
            let known = |name: &str| rule.get("properties").and_then(|properties| properties.get(name));
            members
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.clone(), known(name)?, value, required.contains(&name.as_str())))
                })
                .collect()
        }
        Value::Array(items) => {
            let Some(rule) = rule.get("items") else { return };
            items.iter().enumerate().map(|(index, value)| (index.to_string(), rule, value, true)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    for (name, rule, child, required) in children {
        let place = pointer::below(at, &name);
        let rule = schema::resolved(root, rule);
        found.push(Field {
            at: place.clone(),
            parent: at.to_owned(),
            name,
            rule,
            value: child,
            required,
            is_item: value.is_array(),
        });
        walk(root, rule, child, &place, found);
    }
}
