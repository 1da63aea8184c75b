//! `get_order`: how an order stands.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{About, Call, Tool, reply};
use crate::app::{Annotations, App};
use crate::checkout::answer::{Live, live};
use crate::checkout::buy::outcome_unread;
use crate::checkout::order::Order;
use crate::error::{Code, Effects, Next, ToolError};
use crate::ids::{OrderId, SessionId};
use crate::money::Money;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The order, as `create_order` answered it.
    #[schemars(length(min = 1, max = 80))]
    order_id: String,
}

/// How an order stands.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// Which order.
    #[schemars(with = "String")]
    order_id: OrderId,
    /// Which session it pays.
    #[schemars(with = "String")]
    checkout_session_id: SessionId,
    /// `success`, `pending`, `failed`, or `cancelled` after it was paid.
    status: &'static str,
    /// What stands of the person's money.
    effects: Effects,
    /// Whether a person has to look at it.
    needs_attention: bool,
    /// What is paid: `minor_units` of `currency`.
    #[schemars(with = "Value")]
    amount: Money,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<Code>,
    /// How much of a paid order the payment provider has given back on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    refunded: Option<Money>,
    /// When to ask again, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// One plain sentence for the person.
    user_message: &'static str,
    /// What can be done.
    next: &'static [Next],
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "get_order",
        title: "Get an order",
        description: "Says how an order stands: success, pending, failed, or cancelled after it was paid. Changes nothing.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
        example: json!({"order_id": "the order_id of create_order"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(async move { reply(get(app, call).await) }))
}

async fn get(app: Arc<App>, call: Call) -> Result<Output, Box<ToolError>> {
    let input: Input = call.input()?;
    let id = OrderId::from(input.order_id);
    let found = app.order(&id).await.map_err(|error| outcome_unread(&error, &call.correlation))?;
    match found {
        Some((_, order)) if order.user == call.user => {
            call.notes.in_workflow(order.workflow_id.as_ref());
            Ok(describe(&app, &order))
        }
        _ => {
            Err(ToolError::unknown_id(Code::OrderNotFound, "/order_id", id.as_str(), "create_order", &call.correlation))
        }
    }
}

fn describe(app: &App, order: &Order) -> Output {
    let Live { status, effects, needs_attention, error_code, user_message, next, refunded, retry_after_ms } =
        live(order, app.asked());
    Output {
        order_id: order.id.clone(),
        checkout_session_id: order.session_id.clone(),
        status,
        effects,
        needs_attention,
        amount: order.amount,
        error_code,
        refunded,
        retry_after_ms,
        user_message,
        next,
    }
}
