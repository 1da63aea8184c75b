//! What the agent does about each violation. A suggestion is followed; without one the schema and the example are
//! asked; what neither mentions is left out.

use serde_json::{Value, json};

use super::error::{Told, Violation};
use crate::malform::{is_identifier, pointer, schema};

pub(super) struct Rules<'a> {
    pub(super) schema: &'a Value,
    pub(super) told: &'a Told,
    pub(super) seed: u64,
    pub(super) keys: u32,
}

impl Rules<'_> {
    /// The arguments with everything done about them that was told.
    pub(super) fn mended(&mut self, sent: &Value) -> Value {
        let mut arguments = sent.clone();
        let is_unknown = |violation: &&Violation| violation.kind == "unknown_field";
        // Moved first: what a move brings to its place is not missing any more.
        for violation in self.told.violations.iter().filter(is_unknown) {
            moved(&mut arguments, violation);
        }
        for violation in self.told.violations.iter().filter(|violation| !is_unknown(violation)) {
            self.set(&mut arguments, sent, violation);
        }
        arguments
    }

    fn set(&mut self, arguments: &mut Value, sent: &Value, violation: &Violation) {
        let at = violation.field.as_str();
        let there = arguments.pointer(at).cloned();
        if there.as_ref() != sent.pointer(at) {
            // A move has mended it already.
            return;
        }
        if let Some(meant) = &violation.suggestion {
            pointer::put(arguments, at, meant.clone());
            return;
        }
        let value = match violation.kind.as_str() {
            "unknown_id" => return,
            "missing" => self.offered(at),
            "not_accepted" => None,
            "range" => there.as_ref().and_then(|value| self.nearest_bound(at, value)),
            "length" => there.as_ref().and_then(|value| self.cut(at, value)).or_else(|| self.instead(at)),
            _ => violation.allowed.first().cloned().or_else(|| self.instead(at)),
        };
        match value {
            Some(value) => _ = pointer::put(arguments, at, value),
            None => _ = pointer::remove(arguments, at),
        }
    }

    /// What to send where something unusable stood: nothing where nothing is needed, else what is offered.
    fn instead(&mut self, at: &str) -> Option<Value> {
        if schema::is_required(self.schema, at) { self.offered(at) } else { None }
    }

    /// A value for a place from the rule's default, the example, the rule's own examples, or the rule itself. A key is
    /// made up anew: one that was shown may be somebody's.
    fn offered(&mut self, at: &str) -> Option<Value> {
        let Some((_, name)) = pointer::split(at) else { return self.anew() };
        if name.contains("idempoten") {
            self.keys += 1;
            return Some(json!(format!("repaired-{:08x}-{}", self.seed, self.keys)));
        }
        let rule = schema::at(self.schema, at)?;
        let default = rule.get("default").filter(|value| !value.is_null());
        default
            .or_else(|| of_example(self.told.example.as_ref()?, at))
            .or_else(|| schema::offered(rule))
            .cloned()
            .or_else(|| least(self.schema, rule))
    }

    /// All arguments, where what came in their place says nothing: those that must be there, each as it is offered.
    fn anew(&mut self) -> Option<Value> {
        let rule = schema::resolved(self.schema, self.schema);
        if !schema::types(rule).contains(&"object") {
            return None;
        }
        let mut members = serde_json::Map::new();
        for name in schema::required(rule) {
            members.insert(name.to_owned(), self.offered(&pointer::below("", name))?);
        }
        Some(Value::Object(members))
    }

    fn nearest_bound(&self, at: &str, value: &Value) -> Option<Value> {
        let rule = schema::at(self.schema, at)?;
        let (least, most) = (rule.get("minimum"), rule.get("maximum"));
        let value = value.as_f64()?;
        let over = most.and_then(Value::as_f64).is_some_and(|most| value > most);
        if over { most.cloned() } else { least.cloned() }
    }

    /// What is too long, cut; what is too short cannot be stretched.
    fn cut(&self, at: &str, value: &Value) -> Option<Value> {
        let rule = schema::at(self.schema, at)?;
        let most = |keyword: &str| rule.get(keyword)?.as_u64().and_then(|most| usize::try_from(most).ok());
        match value {
            // Half an identifier is none.
            Value::String(_) if pointer::split(at).is_some_and(|(_, name)| is_identifier(&name)) => None,
            Value::String(text) => {
                let most = most("maxLength").filter(|most| text.chars().count() > *most)?;
                Some(json!(text.chars().take(most).collect::<String>()))
            }
            Value::Array(items) => {
                let most = most("maxItems").filter(|most| items.len() > *most)?;
                Some(json!(items[..most]))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }
}

/// An unknown field goes where the suggestion points, or goes.
fn moved(arguments: &mut Value, violation: &Violation) {
    let Some(value) = pointer::remove(arguments, &violation.field) else { return };
    let Some(to) = violation.suggestion.as_ref().and_then(Value::as_str) else { return };
    pointer::put(arguments, to, value);
}

/// What the example has at a place; of a list its first item stands for all.
fn of_example<'a>(example: &'a Value, at: &str) -> Option<&'a Value> {
    let first: Vec<&str> = at
        .split('/')
        .map(|token| if token.bytes().all(|b| b.is_ascii_digit()) && !token.is_empty() { "0" } else { token })
        .collect();
    example.pointer(&first.join("/"))
}

/// The least that a rule takes.
fn least(root: &Value, rule: &Value) -> Option<Value> {
    if let Some(first) = schema::listed(rule).first() {
        return Some((*first).clone());
    }
    Some(match *schema::types(rule).first()? {
        "integer" | "number" => rule.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "string" => {
            let length = rule.get("minLength").and_then(Value::as_u64).unwrap_or(1).clamp(1, 1_000);
            json!("x".repeat(usize::try_from(length).unwrap_or(1)))
        }
        "array" => {
            let items = rule.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            let item = rule.get("items").and_then(|item| least(root, schema::resolved(root, item)));
            let count = usize::try_from(items.min(100)).unwrap_or(0);
            item.map_or_else(|| json!([]), |item| Value::Array(vec![item; count]))
        }
        "object" => {
            let mut members = serde_json::Map::new();
            for name in schema::required(rule) {
                let rule = rule.get("properties").and_then(|properties| properties.get(name))?;
                members.insert(name.to_owned(), least(root, schema::resolved(root, rule))?);
            }
            Value::Object(members)
        }
        _ => return None,
    })
}
