//! Placeholders in a script's arguments, filled in with what the host has made up or been told: `{key:NAME}`,
//! `{session:INTENT}`, `{order:INTENT}`, `{workflow:INTENT}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use smol_str::{SmolStr, format_smolstr};

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
    sessions: Latest,
    orders: Latest,
    workflows: Latest,
    /// Whether what the host was never told is made up, as by a model that calls out of turn.
    pub invents: bool,
}

/// The latest id of each intent. There are few.
#[derive(Debug, Default)]
struct Latest(Vec<(SmolStr, SmolStr)>);

impl Latest {
    fn get(&self, intent: &str) -> Option<&SmolStr> {
        self.0.iter().find(|(of, _)| **of == *intent).map(|(_, id)| id)
    }

    fn note(&mut self, intent: &SmolStr, id: &str) {
        match self.0.iter_mut().find(|(of, _)| of == intent) {
            Some((_, known)) if known == id => {}
            Some((_, known)) => *known = id.into(),
            None => self.0.push((intent.clone(), id.into())),
        }
    }
}

impl Notes {
    /// The arguments of a step with its placeholders filled in; `None` if one has nothing to stand for.
    pub fn fill(&mut self, step: &CallStep, fresh: Fresh) -> Option<Arc<Value>> {
        match step.arguments.whole() {
            Some(whole) => Some(whole.clone()),
            None => self.fill_members(&step.arguments, fresh, &mut Vec::new()).map(Arc::new),
        }
    }

    fn fill_members(&mut self, members: &Map<String, Value>, fresh: Fresh, renewed: &mut Vec<String>) -> Option<Value> {
        let mut filled = Map::new();
        for (name, member) in members {
            filled.insert(name.clone(), self.fill_value(member, fresh, renewed)?);
        }
        Some(Value::Object(filled))
    }

    fn fill_value(&mut self, value: &Value, fresh: Fresh, renewed: &mut Vec<String>) -> Option<Value> {
        Some(match value {
            Value::String(text) => Value::String(self.fill_text(text, fresh, renewed)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_value(item, fresh, renewed)).collect::<Option<_>>()?)
            }
            Value::Object(members) => self.fill_members(members, fresh, renewed)?,
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn fill_text(&mut self, text: &str, fresh: Fresh, renewed: &mut Vec<String>) -> Option<String> {
        template::fill(text, |kind, name| match kind {
            TemplateKind::Key => Some(self.key(name, fresh, renewed)),
            TemplateKind::Session => self.sessions.get(name).cloned().or_else(|| self.invented("cs")),
            TemplateKind::Order => self.orders.get(name).cloned().or_else(|| self.invented("ord")),
            TemplateKind::Workflow => self.workflows.get(name).cloned().or_else(|| self.invented("wf")),
        })
    }

    /// The key of a name: the latest one, or a new one where a fresh one is wanted (once a call) or none was made.
    fn key(&mut self, name: &str, fresh: Fresh, renewed: &mut Vec<String>) -> SmolStr {
        let made = self.keys.entry(name.to_owned()).or_insert(0);
        if *made == 0 || (fresh == Fresh::Yes && !renewed.iter().any(|done| done == name)) {
            *made += 1;
            renewed.push(name.to_owned());
        }
        format_smolstr!("key-of-{name}-{made}")
    }

    /// An id that was never returned.
    fn invented(&self, prefix: &str) -> Option<SmolStr> {
        self.invents.then(|| format_smolstr!("{prefix}_made-up-by-the-model"))
    }

    /// The workflow that an intent's answers have named last.
    pub fn workflow(&self, intent: &str) -> Option<&str> {
        self.workflows.get(intent).map(SmolStr::as_str)
    }

    /// Takes in what a call of a step was answered.
    pub fn take(&mut self, step: &CallStep, reply: &HostReply) {
        let (Some(intent), HostReply::Tool { structured, is_error }) = (&step.intent, reply) else { return };
        let told = if *is_error { structured.get("error") } else { Some(&**structured) };
        for (name, value) in told.and_then(Value::as_object).into_iter().flatten() {
            let Some(id) = value.as_str() else { continue };
            match name.as_str() {
                "checkout_session_id" if !is_error && step.tool == "create_checkout_session" => {
                    self.sessions.note(intent, id);
                }
                "order_id" => self.orders.note(intent, id),
                "workflow_id" if !is_error => self.workflows.note(intent, id),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::model::Manner;

    fn step(tool: &str, arguments: Value) -> CallStep {
        let Value::Object(arguments) = arguments else { unreachable!("arguments are an object") };
        CallStep {
            tool: tool.into(),
            user: "ada".into(),
            intent: Some("gift".into()),
            arguments: arguments.into(),
            key_in_meta: false,
            manner: Manner::Once,
            expect: None,
        }
    }

    fn filled(notes: &mut Notes, step: &CallStep, fresh: Fresh) -> Option<Value> {
        notes.fill(step, fresh).map(|arguments| Value::clone(&arguments))
    }

    fn told(structured: Value) -> HostReply {
        HostReply::Tool { structured: structured.into(), is_error: false }
    }

    #[test]
    fn a_key_is_made_once_and_stays_until_a_fresh_one_is_wanted() {
        let mut notes = Notes::default();
        let pay = step("create_order", json!({"a": "{key:pay}", "b": {"c": ["{key:pay}"]}}));
        let expected = |key: &str| Some(json!({"a": key, "b": {"c": [key]}}));
        assert_eq!(filled(&mut notes, &pay, Fresh::No), expected("key-of-pay-1"));
        assert_eq!(filled(&mut notes, &pay, Fresh::No), expected("key-of-pay-1"));
        assert_eq!(
            filled(&mut notes, &pay, Fresh::Yes),
            expected("key-of-pay-2"),
            "fresh once a call, not once a place"
        );
        assert_eq!(filled(&mut notes, &pay, Fresh::No), expected("key-of-pay-2"), "the latest stays");
    }

    #[test]
    fn a_first_key_is_not_made_twice_because_a_fresh_one_is_wanted() {
        let mut notes = Notes::default();
        let pay = step("create_order", json!({"a": "{key:pay}", "b": "{key:pay}"}));
        assert_eq!(filled(&mut notes, &pay, Fresh::Yes), Some(json!({"a": "key-of-pay-1", "b": "key-of-pay-1"})));
    }

    #[test]
    fn keys_of_different_names_differ() {
        let mut notes = Notes::default();
        let both = step("create_order", json!({"a": "{key:one}", "b": "{key:two}"}));
        assert_eq!(filled(&mut notes, &both, Fresh::No), Some(json!({"a": "key-of-one-1", "b": "key-of-two-1"})));
    }

    #[test]
    fn what_was_never_told_leaves_the_call_out() {
        let mut notes = Notes::default();
        for text in ["{session:gift}", "{order:gift}", "id {order:gift}"] {
            assert_eq!(
                filled(&mut notes, &step("get_order", json!({"deep": [{"id": text}]})), Fresh::No),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn sessions_and_orders_are_those_of_the_last_answer_for_the_intent() {
        let mut notes = Notes::default();
        let ids = step("get_order", json!({"s": "{session:gift}", "o": "{order:gift}"}));
        notes.take(&step("create_checkout_session", json!({})), &told(json!({"checkout_session_id": "cs_1"})));
        let refused = HostReply::Tool { structured: json!({"error": {"order_id": "ord_1"}}).into(), is_error: true };
        notes.take(&step("create_order", json!({})), &refused);
        assert_eq!(
            filled(&mut notes, &ids, Fresh::No),
            Some(json!({"s": "cs_1", "o": "ord_1"})),
            "errors name orders too"
        );
        notes
            .take(&step("create_order", json!({})), &told(json!({"order_id": "ord_2", "checkout_session_id": "cs_9"})));
        assert_eq!(
            filled(&mut notes, &ids, Fresh::No),
            Some(json!({"s": "cs_1", "o": "ord_2"})),
            "only a quote opens a session"
        );
    }

    #[test]
    fn silence_and_calls_without_an_intent_teach_nothing() {
        let mut notes = Notes::default();
        let order = step("create_order", json!({}));
        let strange = CallStep { intent: None, ..order.clone() };
        notes.take(&order, &HostReply::NoAnswer);
        notes.take(&order, &HostReply::Cancelled);
        notes.take(&strange, &told(json!({"order_id": "ord_1"})));
        assert_eq!(filled(&mut notes, &step("get_order", json!({"o": "{order:gift}"})), Fresh::No), None);
    }

    #[test]
    fn what_is_no_placeholder_stays_as_it_is() {
        let mut notes = Notes::default();
        let arguments = json!({"n": 3, "b": true, "z": null, "t": "plain {braces}", "e": [], "o": {}});
        assert_eq!(filled(&mut notes, &step("search_products", arguments.clone()), Fresh::No), Some(arguments));
    }
}
