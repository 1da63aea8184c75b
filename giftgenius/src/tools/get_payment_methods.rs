//! `get_payment_methods`: what the person can pay with.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{About, Call, Tool, reply};
use crate::app::{Annotations, App};
use crate::error::{Code, ToolError};
use crate::providers::payment::PaymentMethod;
use crate::retry::Failure;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {}

/// What the person can pay with.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The methods on file.
    payment_methods: Vec<PaymentMethod>,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "get_payment_methods",
        title: "Get payment methods",
        description: "Lists the person's payment methods. Let the person choose one, and pass its id to create_order.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: true },
        example: json!({}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(async move { reply(list(app, call).await) }))
}

async fn list(app: Arc<App>, call: Call) -> Result<Output, Box<ToolError>> {
    let Input {} = call.input()?;
    let urgency = call.urgency(&app);
    match app.caller().payment_methods(&call.user, &call.correlation, urgency).await {
        Ok(payment_methods) => Ok(Output { payment_methods }),
        Err(failed) => {
            let retry_after = failed.retry_after();
            Err(match failed.last {
                Failure::Refused(_) => {
                    call.fail(Code::PaymentRefused, "the payment provider refused to list the methods")
                }
                Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. } => {
                    call.fail(Code::PaymentUnavailable, "the payment provider did not answer").retry_after(retry_after)
                }
            })
        }
    }
}
