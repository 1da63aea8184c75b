//! `create_order`: pays a checkout session, once, whatever happens (F4–F7).

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{About, Call, Tool};
use crate::app::{Annotations, App};
use crate::attempts::millis;
use crate::checkout::answer::{SaleAnswer, failed_reply, told};
use crate::checkout::buy::{Purchase, buy};
use crate::checkout::entry::{EntryKey, SavedReply};
use crate::ids::{OrderId, SessionId};
use crate::money::Money;
use crate::step_log::{CheckoutResult, Level, LogLine};
use crate::validate::{holds_a_card_number, scrubbed};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The session, as `create_checkout_session` answered it.
    #[schemars(length(min = 1, max = 80))]
    checkout_session_id: String,
    /// With what to pay, as `get_payment_methods` told it.
    #[schemars(length(min = 1, max = 80), example = &"pm_visa")]
    payment_method_id: String,
    /// One new value for each purchase the person confirms; the same value again whenever this call is repeated.
    #[schemars(length(min = 8, max = 128))]
    idempotency_key: String,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "create_order",
        title: "Create an order",
        description: "Pays a checkout session: reserves the items, charges the payment method and books the sale. Call it \
                      only when the person has confirmed the amount. If no answer comes or it says retryable, call again \
                      with the same idempotency_key. `pending` means: do not pay again, ask get_order.",
        annotations: Annotations { read_only: false, destructive: true, idempotent: true, open_world: true },
        example: json!({
            "checkout_session_id": "the checkout_session_id of create_checkout_session",
            "payment_method_id": "pm_visa",
            "idempotency_key": "make a new one for this purchase",
        }),
    };
    let tool = super::tool::<Input, SaleAnswer<'_>>(about, |app, call| Box::pin(create(app, call)));
    Tool { told: log_result, ..tool }
}

async fn create(app: Arc<App>, call: Call) -> SavedReply {
    let input: Input = match call.input() {
        Ok(input) => input,
        Err(error) => return failed_reply(&error),
    };
    let purchase = Purchase {
        user: call.user.clone(),
        entry: EntryKey { user: call.user.clone(), tool: call.tool.into(), key: input.idempotency_key.into() },
        parameters: call.parameters(),
        session: SessionId::from(input.checkout_session_id),
        payment_method_id: input.payment_method_id.into(),
        correlation: call.correlation.clone(),
        notes: Arc::clone(&call.notes),
        deadline: call.deadline,
        exhausted: app.loops.exhausted(&call.user, call.tool, &call.arguments),
    };
    buy(&app, &purchase).await
}

/// The event of a sale that was told, as it was told (I1).
fn log_result(app: &App, call: &Call, reply: &SavedReply) {
    let session = call.arguments.get("checkout_session_id").and_then(Value::as_str).unwrap_or_default();
    let (status, error_code) = told(reply);
    let answer = if reply.is_error { reply.structured.get("error") } else { Some(&reply.structured) };
    let field = |name: &str| answer.and_then(|answer| answer.get(name));
    app.ports().log.record(LogLine::CheckoutResult(CheckoutResult {
        event: Cow::Borrowed("checkout_result"),
        level: error_code.map_or(Level::Info, Level::of),
        request_id: call.correlation.clone(),
        user_id: call.user.clone(),
        checkout_session_id: if holds_a_card_number(session) {
            SessionId::from(scrubbed(session))
        } else {
            SessionId::from(session)
        },
        status,
        error_code,
        order_id: field("order_id").and_then(Value::as_str).map(OrderId::from),
        workflow_id: call.notes.workflow().cloned(),
        amount: field("amount").and_then(|amount| Money::deserialize(amount).ok()),
        replayed: field("replayed").and_then(Value::as_bool).unwrap_or(false),
        duration_ms: millis(app.ports().clock.instant().duration_since(call.begun)),
        time: app.now(),
    }));
}
