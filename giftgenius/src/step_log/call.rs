//! What a tool call asked for, reduced to what can be logged: what a script needs to make it again, and nothing secret.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use super::Level;
use crate::ids::{CorrelationId, OrderId, SessionId, UserId, WorkflowId};
use crate::validate::is_harmless;

/// The step of calls of a tool that there is not.
pub const UNKNOWN_TOOL: &str = "unknown_tool";

/// One product of a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AskedItem {
    /// Which.
    pub sku: SmolStr,
    /// How many.
    pub quantity: u64,
}

/// What a call asked for. Of arguments that the tool's schema does not admit only the hash is kept.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// SHA-256 of the arguments as canonical JSON: the same for the same call.
    pub arguments_hash: SmolStr,
    /// The tool's name as it was called, where there is no such tool.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tool: Option<SmolStr>,
    /// The products.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub items: Vec<AskedItem>,
    /// In which currency.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub currency: Option<SmolStr>,
    /// Whether with a budget.
    #[serde(skip_serializing_if = "is_false", default)]
    pub budget: bool,
    /// Whether with a promo code.
    #[serde(skip_serializing_if = "is_false", default)]
    pub promo: bool,
    /// The payment method.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<SmolStr>,
    /// The checkout session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkout_session_id: Option<SessionId>,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workflow_id: Option<WorkflowId>,
    /// Where the person moved to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<SmolStr>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_false(it: &bool) -> bool {
    !*it
}

/// A text that may be logged: short, and no card number.
fn shown(value: &Value) -> Option<SmolStr> {
    shown_text(value.as_str()?)
}

fn shown_text(text: &str) -> Option<SmolStr> {
    (text.len() <= 80 && is_harmless(text)).then(|| text.into())
}

impl Asked {
    /// What validated arguments ask for.
    pub fn of(arguments: &Value, arguments_hash: SmolStr) -> Self {
        let mut asked = Self { arguments_hash, ..Self::default() };
        for (name, value) in arguments.as_object().into_iter().flatten() {
            match name.as_str() {
                "items" => asked.items = items(value),
                "currency" => asked.currency = shown(value),
                "budget" => asked.budget = !value.is_null(),
                "promo_code" => asked.promo = !value.is_null(),
                "payment_method_id" => asked.method = shown(value),
                "checkout_session_id" => asked.checkout_session_id = shown(value).map(SessionId::from),
                "order_id" => asked.order_id = shown(value).map(OrderId::from),
                "workflow_id" => asked.workflow_id = shown(value).map(WorkflowId::from),
                "step" => asked.step = shown(value),
                _ => {}
            }
        }
        asked
    }
}

impl Asked {
    /// What a call of a tool asks for that there is not.
    pub fn of_unknown_tool(name: &str, arguments_hash: SmolStr) -> Self {
        Self { arguments_hash, tool: shown_text(name), ..Self::default() }
    }
}

fn items(value: &Value) -> Vec<AskedItem> {
    let item =
        |item: &Value| Some(AskedItem { sku: shown(item.get("sku")?)?, quantity: item.get("quantity")?.as_u64()? });
    value.as_array().into_iter().flatten().filter_map(item).collect()
}

/// A tool call that begins: the only trace of one whose process dies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallLine {
    /// `tool_call_begun`.
    pub event: Cow<'static, str>,
    /// `info`.
    pub level: Level,
    /// Whose.
    pub user_id: UserId,
    /// The tool's name, or [`UNKNOWN_TOOL`].
    pub step_id: Cow<'static, str>,
    /// The caller's key, where it sent one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotency_key: Option<SmolStr>,
    /// Ties the line to the call.
    pub correlation_id: CorrelationId,
    /// What it asks for.
    pub asked: Arc<Asked>,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

/// What a handler learns on its way that the call's line is to say, and its answer does not.
#[derive(Debug, Default)]
pub struct Notes {
    workflow: OnceLock<WorkflowId>,
}

impl Notes {
    /// The workflow that the call turns out to be in.
    pub fn in_workflow(&self, workflow: Option<&WorkflowId>) {
        if let Some(workflow) = workflow {
            // The first one stands: a call is in one workflow.
            self.workflow.get_or_init(|| workflow.clone());
        }
    }

    /// The workflow, where it is known.
    pub fn workflow(&self) -> Option<&WorkflowId> {
        self.workflow.get()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_script_needs_is_kept_and_nothing_secret() {
        let asked = Asked::of(
            &json!({
                "items": [{"sku": "tea-set", "quantity": 2}, {"sku": "4242424242424242", "quantity": 1}],
                "currency": "EUR",
                "budget": {"minor_units": 5000, "currency": "EUR"},
                "promo_code": "SECRET-CODE",
                "payment_method_id": "visa 4242 4242 4242 4242",
                "workflow_id": "wf_0123456789abcdef",
                "idempotency_key": "k",
            }),
            "hash".into(),
        );
        let written = serde_json::to_value(&asked).unwrap();
        assert_eq!(
            written,
            json!({
                "arguments_hash": "hash",
                "items": [{"sku": "tea-set", "quantity": 2}],
                "currency": "EUR",
                "budget": true,
                "promo": true,
                "workflow_id": "wf_0123456789abcdef",
            })
        );
        assert_eq!(serde_json::from_value::<Asked>(written).unwrap(), asked);
    }
}
