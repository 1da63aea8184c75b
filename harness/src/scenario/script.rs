//! Reads `[[script]]`: the host's steps, with every reference between them.

use std::time::Duration;

use serde_json::{Map, Number, Value};
use smol_str::SmolStr;
use toml::de::DeValue;

use super::answer;
use super::fields::{Field, Fields};
use super::manner::{self, MANNERS};
use super::mistake::Mistakes;
use super::model::{Answer, CallStep, Manner, Step};
use super::template::{Piece, TemplateKind, pieces, slip};
use crate::suggest;

/// The tools that a script may call.
pub const TOOLS: [&str; 9] = [
    "search_products",
    "suggest_gifts",
    "get_payment_methods",
    "create_checkout_session",
    "create_order",
    "get_order",
    "cancel_order",
    "user_navigated_to_step",
    "get_workflow",
];

/// What a step can be: exactly one of these.
pub(super) const ACTIONS: [&str; 6] = ["call", "wait_ms", "wait", "restart", "health", "switch"];
/// What else belongs to a call.
pub(super) const CALL_KEYS: [&str; 6] = ["intent", "user", "args", KEY_IN_META, "expect", HALLUCINATED];
/// Says that a tool does not exist, on purpose.
pub(super) const HALLUCINATED: &str = "hallucinated";
/// Says that the host sends the key in the request's `_meta`.
pub(super) const KEY_IN_META: &str = "key_in_meta";
/// The longest wait.
pub(super) const WAIT_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// The default user.
pub(super) const USER_DEFAULT: &str = "ada";

/// The most steps of a script.
pub(super) const STEPS_MAX: usize = 1000;

const OPENS_SESSION: &str = "create_checkout_session";
const OPENS_ORDER: &str = "create_order";
/// The tools that begin a workflow.
const OPENS_WORKFLOW: [&str; 2] = ["suggest_gifts", OPENS_SESSION];

/// The tools whose result can say that an order was cancelled.
const TELLS_CANCELLED: [&str; 2] = ["cancel_order", "get_order"];

/// Reads every step; those with mistakes are left out.
pub(super) fn read(field: &Field<'_>, mistakes: &mut Mistakes) -> Vec<Step> {
    let Some(elements) = field.elements(mistakes) else {
        return Vec::new();
    };
    if elements.len() > STEPS_MAX {
        let suggestion = Some("make several scenarios of it".to_owned());
        mistakes.suggest(
            &elements[STEPS_MAX].span,
            format!("the script has {} steps, and at most {STEPS_MAX} are played", elements.len()),
            suggestion,
        );
        return Vec::new();
    }
    let known: Vec<_> = ACTIONS.into_iter().chain(CALL_KEYS).chain(MANNERS).collect();
    let mut reader = Reader::default();
    let mut steps = Vec::new();
    let mut calls = false;
    for (index, element) in elements.iter().enumerate() {
        let what = format!("step {}", index + 1);
        let Some(fields) = element.table_of(&what, &known, mistakes) else {
            calls = true;
            continue;
        };
        calls |= fields.get("call").is_some();
        steps.extend(reader.step(&what, &fields, mistakes));
    }
    if elements.is_empty() {
        mistakes.suggest(
            &field.key_span,
            "the script has no step",
            Some("begin with `[[script]]` and `call = \"create_checkout_session\"`".to_owned()),
        );
    } else if !calls {
        mistakes.add(&field.key_span, "the script calls no tool, so there is nothing to judge");
    }
    steps
}

/// Whether a call's key goes in `_meta`; there has to be one.
fn in_meta(what: &str, field: &Field<'_>, arguments: &Map<String, Value>, mistakes: &mut Mistakes) -> bool {
    if arguments.get("idempotency_key").is_none_or(|key| !key.is_string()) {
        mistakes.suggest(
            &field.key_span,
            format!("{what} has no key to send in `_meta`"),
            Some("add `idempotency_key = \"{key:NAME}\"` to its `args`".to_owned()),
        );
    }
    field.set(mistakes).is_some()
}

/// What earlier steps have declared.
#[derive(Default)]
struct Reader {
    called: bool,
    sessions: Vec<String>,
    orders: Vec<String>,
    workflows: Vec<String>,
}

impl Reader {
    fn step(&mut self, what: &str, fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Step> {
        let actions: Vec<_> = fields.iter().filter(|field| ACTIONS.contains(&field.key)).collect();
        let action = match actions.as_slice() {
            [action] => *action,
            [] => {
                mistakes.suggest(
                    &fields.span,
                    format!("{what} does nothing"),
                    Some(format!("one of {} is needed", suggest::list(ACTIONS))),
                );
                return None;
            }
            [first, second, ..] => {
                mistakes.suggest(
                    &second.key_span,
                    format!("{what} has both `{}` and `{}`", first.key, second.key),
                    Some("a step does one thing; make two steps".to_owned()),
                );
                return None;
            }
        };
        if action.key == "call" {
            self.called = true;
            return self.call(what, action, fields, mistakes);
        }
        for field in fields.iter() {
            if CALL_KEYS.contains(&field.key) || MANNERS.contains(&field.key) {
                mistakes.suggest(
                    &field.key_span,
                    format!("`{}` belongs to a call, and {what} makes none", field.key),
                    Some(format!("leave it out, or use `call` instead of `{}`", action.key)),
                );
            }
        }
        match action.key {
            "wait_ms" => action.integer(1..=WAIT_MS_MAX, mistakes).map(|ms| Step::Wait(Duration::from_millis(ms))),
            "wait" => self.wait(action, mistakes),
            "restart" => action.set(mistakes).map(|()| Step::Restart),
            "health" => action.set(mistakes).map(|()| Step::Health),
            "switch" => switch(action, mistakes),
            other => unreachable!("`{other}` is no action"),
        }
    }

    fn wait(&self, field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Step> {
        let word = field.text(mistakes)?;
        if word != "rest" {
            mistakes.suggest(
                &field.span,
                format!("`wait` cannot be `{word}`"),
                Some("`wait = \"rest\"`, or `wait_ms` with a number".to_owned()),
            );
            return None;
        }
        if !self.called {
            mistakes.suggest(
                &field.span,
                "there is nothing to wait for: no call stands before this step",
                Some("move it below the call".to_owned()),
            );
        }
        Some(Step::WaitForRest)
    }

    fn call(&mut self, what: &str, action: &Field<'_>, fields: &Fields<'_>, mistakes: &mut Mistakes) -> Option<Step> {
        let tool = action.text(mistakes)?;
        if !exists_as_said(tool, action, fields.get(HALLUCINATED), mistakes) {
            return None;
        }
        let user = fields.get("user").map_or(Some(USER_DEFAULT), |field| name(field, mistakes));
        let intent = match fields.get("intent") {
            None => None,
            Some(field) => Some(name(field, mistakes)?),
        };
        let mut arguments = Map::new();
        if let Some(table) = fields.get("args").and_then(|field| field.table(mistakes)) {
            for field in table.iter() {
                if let Some(value) = self.argument(field, mistakes) {
                    arguments.insert(field.key.to_owned(), value);
                }
            }
        }
        let key_in_meta = fields.get(KEY_IN_META).is_some_and(|field| in_meta(what, field, &arguments, mistakes));
        self.complete(action, tool, intent, &mut arguments, mistakes);
        let manner = manner::read(what, fields, &arguments, mistakes);
        let expect = fields.get("expect").and_then(|field| answer::read(field, mistakes));
        if let (Some(Answer::Interrupted), Some(field)) = (&expect, fields.get("expect"))
            && !matches!(manner, Some(Manner::CancelAfter(_)))
            && !TELLS_CANCELLED.contains(&tool)
        {
            mistakes.suggest(
                &field.span,
                format!("{what} expects to be interrupted, and nobody interrupts it"),
                Some("add `cancel_after_ms`".to_owned()),
            );
        }
        if let Some(intent) = intent {
            let opened = match tool {
                OPENS_SESSION => Some(&mut self.sessions),
                OPENS_ORDER => Some(&mut self.orders),
                _ => None,
            };
            if let Some(opened) = opened {
                opened.push(intent.to_owned());
            }
            if OPENS_WORKFLOW.contains(&tool) {
                self.workflows.push(intent.to_owned());
            }
        }
        Some(Step::Call(CallStep {
            tool: tool.into(),
            user: user?.into(),
            intent: intent.map(SmolStr::from),
            arguments: arguments.into(),
            key_in_meta,
            manner: manner?,
            expect,
        }))
    }

    /// Fills in what goes without saying: the session, the order and the workflow of the step's own intent.
    fn complete(
        &self,
        action: &Field<'_>,
        tool: &str,
        intent: Option<&str>,
        arguments: &mut Map<String, Value>,
        mistakes: &mut Mistakes,
    ) {
        let (argument, kind) = match tool {
            OPENS_ORDER => ("checkout_session_id", TemplateKind::Session),
            "get_order" | "cancel_order" => ("order_id", TemplateKind::Order),
            "get_workflow" | "user_navigated_to_step" => ("workflow_id", TemplateKind::Workflow),
            _ => return,
        };
        // Without an intent nothing is filled in: a call may be incomplete on purpose.
        if let Some(intent) = intent
            && !arguments.contains_key(argument)
            && self.refer(kind, intent, action, mistakes)
        {
            let template = format!("{{{}:{intent}}}", kind.name());
            arguments.insert(argument.to_owned(), Value::String(template));
        }
    }

    /// Whether an earlier step has declared what a template refers to.
    fn refer(&self, kind: TemplateKind, intent: &str, field: &Field<'_>, mistakes: &mut Mistakes) -> bool {
        let (declared, tool, thing) = match kind {
            TemplateKind::Key => return true,
            TemplateKind::Session => (&self.sessions, OPENS_SESSION, "a checkout session"),
            TemplateKind::Order => (&self.orders, OPENS_ORDER, "an order"),
            TemplateKind::Workflow => (&self.workflows, OPENS_WORKFLOW[0], "a workflow"),
        };
        if declared.iter().any(|known| known == intent) {
            return true;
        }
        let near = suggest::nearest(intent, declared.iter().map(String::as_str));
        mistakes.suggest(
            &field.span,
            format!("no earlier step opens {thing} for the intent `{intent}`"),
            Some(near.map_or_else(
                || format!("put a `{tool}` with `intent = \"{intent}\"` before it"),
                |near| format!("did you mean `{near}`?"),
            )),
        );
        false
    }

    fn argument(&self, field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Value> {
        match field.value {
            DeValue::String(text) => {
                for piece in pieces(text) {
                    match piece {
                        Piece::Text(text) => {
                            if let Some(slip) = slip(text) {
                                let kinds = TemplateKind::ALL.map(|kind| format!("`{{{}:NAME}}`", kind.name()));
                                mistakes.suggest(
                                    &field.span,
                                    format!("`{slip}` is a placeholder without a name"),
                                    Some(format!("{}, where NAME is letters, digits, `_` and `-`", kinds.join(", "))),
                                );
                            }
                        }
                        Piece::Template(kind, name) => {
                            self.refer(kind, name, field, mistakes);
                        }
                        Piece::Unknown(kind) => mistakes.suggest(
                            &field.span,
                            format!("unknown template `{{{kind}:…}}`"),
                            suggest::hint(kind, &TemplateKind::ALL.map(TemplateKind::name)),
                        ),
                    }
                }
                Some(Value::String(text.clone().into_owned()))
            }
            DeValue::Integer(_) => field
                .value
                .as_integer()
                .and_then(|integer| i64::from_str_radix(integer.as_str(), integer.radix()).ok())
                .map(Value::from)
                .or_else(|| {
                    mistakes.add(&field.span, "this number does not fit into 64 bits");
                    None
                }),
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(Number::from_f64);
                if number.is_none() {
                    mistakes.add(&field.span, "JSON has no such number");
                }
                number.map(Value::Number)
            }
            DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
            DeValue::Datetime(_) => {
                mistakes.suggest(&field.span, "JSON has no dates", Some("write it as a text, in quotes".to_owned()));
                None
            }
            DeValue::Array(_) => {
                let elements = field.elements(mistakes)?;
                elements.iter().map(|element| self.argument(element, mistakes)).collect()
            }
            DeValue::Table(_) => {
                let table = field.table(mistakes)?;
                let members =
                    table.iter().map(|member| Some((member.key.to_owned(), self.argument(member, mistakes)?)));
                members.collect::<Option<Map<_, _>>>().map(Value::Object)
            }
        }
    }
}

/// Whether a tool exists, or is said not to: a typo is no hallucination.
fn exists_as_said(tool: &str, action: &Field<'_>, hallucinated: Option<&Field<'_>>, mistakes: &mut Mistakes) -> bool {
    match (TOOLS.contains(&tool), hallucinated) {
        (true, None) => true,
        (false, None) => {
            let hint = suggest::hint(tool, &TOOLS);
            let hint = hint.or_else(|| Some(format!("`{HALLUCINATED} = true`, if it is not to exist")));
            mistakes.suggest(&action.span, format!("unknown tool `{tool}`"), hint);
            false
        }
        (true, Some(field)) => {
            let hint = Some(format!("leave `{HALLUCINATED}` out, or call a tool that does not exist"));
            mistakes.suggest(&field.key_span, format!("`{tool}` exists, so nobody hallucinates it"), hint);
            false
        }
        (false, Some(field)) => field.set(mistakes).is_some(),
    }
}

fn switch(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Step> {
    match field.text(mistakes)? {
        "on" => Some(Step::Switch { checkout: true }),
        "off" => Some(Step::Switch { checkout: false }),
        word => {
            mistakes.suggest(
                &field.span,
                format!("`switch` cannot be `{word}`"),
                Some("known: `on`, `off`".to_owned()),
            );
            None
        }
    }
}

/// A short name: letters, digits, `_` and `-`.
fn name<'t>(field: &Field<'t>, mistakes: &mut Mistakes) -> Option<&'t str> {
    let text = field.text(mistakes)?;
    let fits =
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    if !fits {
        mistakes.suggest(
            &field.span,
            format!(
                "`{text}` cannot be the name of {}",
                match field.key {
                    "user" => "a user",
                    _ => "an intent",
                }
            ),
            Some("letters, digits, `_` and `-`".to_owned()),
        );
    }
    fits.then_some(text)
}
