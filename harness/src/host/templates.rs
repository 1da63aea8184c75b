//! Placeholders in a script's arguments, filled in with what the host has made up or been told: `{key:NAME}`,
//! `{session:INTENT}`, `{order:INTENT}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::scenario::model::CallStep;
use crate::scenario::template::{self, TemplateKind};
use crate::trace::HostReply;

/// Whether a call gets keys of its own instead of the ones made before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// The same keys as before.
    No,
    /// New ones, which stay the latest.
    Yes,
}

/// What the host knows.
#[derive(Debug, Default)]
pub struct Notes {
    /// How many keys were made under a name.
    keys: BTreeMap<String, u32>,
    sessions: BTreeMap<String, String>,
    orders: BTreeMap<String, String>,
}

impl Notes {
    /// The arguments of a step with its placeholders filled in; `None` if one has nothing to stand for.
    pub fn fill(&mut self, step: &CallStep, fresh: Fresh) -> Option<Value> {
        let mut renewed = Vec::new();
        let mut filled = Map::new();
        for (name, value) in &step.arguments {
            filled.insert(name.clone(), self.fill_value(value, fresh, &mut renewed)?);
        }
        Some(Value::Object(filled))
    }

    fn fill_value(&mut self, value: &Value, fresh: Fresh, renewed: &mut Vec<String>) -> Option<Value> {
        Some(match value {
            Value::String(text) => Value::String(self.fill_text(text, fresh, renewed)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_value(item, fresh, renewed)).collect::<Option<_>>()?)
            }
            Value::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    filled.insert(name.clone(), self.fill_value(member, fresh, renewed)?);
                }
                Value::Object(filled)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn fill_text(&mut self, text: &str, fresh: Fresh, renewed: &mut Vec<String>) -> Option<String> {
        template::fill(text, |kind, name| match kind {
            TemplateKind::Key => Some(self.key(name, fresh, renewed)),
            TemplateKind::Session => self.sessions.get(name).cloned(),
            TemplateKind::Order => self.orders.get(name).cloned(),
        })
    }

    /// The key of a name: the latest one, or a new one where a fresh one is wanted (once a call) or none was made.
    fn key(&mut self, name: &str, fresh: Fresh, renewed: &mut Vec<String>) -> String {
        let made = self.keys.entry(name.to_owned()).or_insert(0);
        if *made == 0 || (fresh == Fresh::Yes && !renewed.iter().any(|done| done == name)) {
            *made += 1;
            renewed.push(name.to_owned());
        }
        format!("key-of-{name}-{made}")
    }

    /// Takes in what a call of a step was answered.
    pub fn take(&mut self, step: &CallStep, reply: &HostReply) {
        let (Some(intent), HostReply::Tool { structured, .. }) = (&step.intent, reply) else { return };
        let text = |pointer: &str| structured.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if &*step.tool == "create_checkout_session"
            && let Some(session) = text("/checkout_session_id")
        {
            self.sessions.insert(intent.to_string(), session);
        }
        if let Some(order) = text("/order_id").or_else(|| text("/error/order_id")) {
            self.orders.insert(intent.to_string(), order);
        }
    }
}
