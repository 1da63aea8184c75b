//! `user_navigated_to_step`: the person moved in the widget; the backend follows, or says why not (F9).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::get_workflow::Output;
use super::{About, Call, Tool, reply};
use crate::app::{Annotations, App};
use crate::checkout::answer::{Standing, standing};
use crate::error::{Code, ToolError};
use crate::ids::WorkflowId;
use crate::workflow::Step;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The workflow, as an earlier call answered it.
    #[schemars(length(min = 1, max = 80))]
    workflow_id: String,
    /// Where the person moved to.
    step: Step,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "user_navigated_to_step",
        title: "The user navigated to a step",
        description: "Records that the person moved to another step of the purchase. Move the display only after this \
                      succeeded. While a payment is not settled the step cannot be left; nothing changes then.",
        annotations: Annotations { read_only: false, destructive: false, idempotent: true, open_world: false },
        example: json!({"workflow_id": "the workflow_id of an earlier answer", "step": "generate_ideas"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(async move { reply(navigate(app, call).await) }))
}

async fn navigate(app: Arc<App>, call: Call) -> Result<Output, Box<ToolError>> {
    let input: Input = call.input()?;
    let id = WorkflowId::from(input.workflow_id);
    let store = |error| App::store_error(&error, &call.correlation);
    let unknown = || call.fail(Code::WorkflowNotFound, format!("there is no workflow {id}"));
    let Some((_, workflow)) =
        app.workflow(&id).await.map_err(store)?.filter(|(_, workflow)| workflow.user == call.user)
    else {
        return Err(unknown());
    };
    let order = app.order_of_session(workflow.session.as_ref()).await.map_err(store)?;
    if let Some(order) = &order
        && let Standing::Pending(effects, _) = standing(order)
    {
        let message = "the payment is not settled yet, so the step cannot be left now; nothing was changed";
        return Err(call.fail(Code::OrderInProgress, message).about(&order.id, effects));
    }
    let moved = app
        .change_workflow(&id, &call.correlation, |found| {
            let mut workflow = found.ok_or_else(unknown)?;
            workflow.step = input.step;
            Ok(workflow)
        })
        .await?;
    Ok(Output::of(moved, order.map(|order| order.id.clone())))
}
