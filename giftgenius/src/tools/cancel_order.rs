//! `cancel_order`: takes an order back, where that can be promised.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{About, Call, Tool};
use crate::app::{Annotations, App};
use crate::checkout::answer::{SaleAnswer, failed_reply};
use crate::checkout::cancel::{Cancellation, cancel};
use crate::checkout::entry::{CANCEL_ORDER, EntryKey, SavedReply};
use crate::ids::OrderId;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The order, as `create_order` answered it.
    #[schemars(length(min = 1, max = 80))]
    order_id: String,
    /// One new value for each cancellation the person confirms; the same value again whenever this call is repeated.
    #[schemars(length(min = 8, max = 128))]
    idempotency_key: String,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: CANCEL_ORDER,
        title: "Cancel an order",
        description: "Cancels an order: before the charge nothing is charged, after it was paid the money is given back. \
                      While a payment is not settled it is refused and nothing changes; ask get_order and try again.",
        annotations: Annotations { read_only: false, destructive: true, idempotent: true, open_world: true },
        example: json!({"order_id": "the order_id of create_order", "idempotency_key": "make a new one for this"}),
    };
    super::tool::<Input, SaleAnswer<'_>>(about, |app, call| Box::pin(take_back(app, call)))
}

async fn take_back(app: Arc<App>, call: Call) -> SavedReply {
    let input: Input = match call.input() {
        Ok(input) => input,
        Err(error) => return failed_reply(&error),
    };
    let cancellation = Cancellation {
        user: call.user.clone(),
        entry: EntryKey { user: call.user.clone(), tool: call.tool.into(), key: input.idempotency_key.into() },
        parameters: call.parameters(),
        order: OrderId::from(input.order_id),
        correlation: call.correlation.clone(),
        notes: Arc::clone(&call.notes),
        deadline: call.deadline,
    };
    cancel(&app, &cancellation).await
}
