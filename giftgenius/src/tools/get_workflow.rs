//! `get_workflow`: where a purchase conversation is, as the backend knows it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::{About, Call, Tool, reply};
use crate::app::{Annotations, App};
use crate::error::ToolError;
use crate::ids::{OrderId, SessionId, WorkflowId};
use crate::money::Money;
use crate::workflow::{Step, Workflow};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The workflow, as an earlier call answered it.
    #[schemars(length(min = 1, max = 80))]
    workflow_id: String,
}

/// Where a purchase conversation is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// Which workflow.
    #[schemars(with = "String")]
    workflow_id: WorkflowId,
    /// Where it is now.
    step: Step,
    /// The tools that move the purchase on from there.
    allowed_tools: &'static [&'static str],
    /// What may be spent, where it was said: `minor_units` of `currency`.
    #[schemars(with = "Option<Value>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Money>,
    /// The gift that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    selected_gift: Option<SmolStr>,
    /// The checkout session that is open.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    checkout_session_id: Option<SessionId>,
    /// The session's order, where it has one.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<OrderId>,
}

impl Output {
    /// A workflow at the step where it stands, with its session's order.
    pub(super) fn of(workflow: Workflow, step: Step, order_id: Option<OrderId>) -> Self {
        Self {
            workflow_id: workflow.id,
            step,
            allowed_tools: step.tools(),
            budget: workflow.budget,
            selected_gift: workflow.selected_gift,
            checkout_session_id: workflow.session,
            order_id,
        }
    }
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "get_workflow",
        title: "Get the workflow",
        description: "Says at which step the purchase conversation is, and what was chosen so far. Changes nothing.",
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
        example: json!({"workflow_id": "the workflow_id of an earlier answer"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(async move { reply(get(app, call).await) }))
}

async fn get(app: Arc<App>, call: Call) -> Result<Output, Box<ToolError>> {
    let input: Input = call.input()?;
    let id = WorkflowId::from(input.workflow_id);
    let store = |error| App::store_error(&error, &call.correlation);
    match app.workflow(&id).await.map_err(store)? {
        Some((_, workflow)) if workflow.user == call.user => {
            let session = match &workflow.session {
                Some(session) => app.session(session).await.map_err(store)?.map(|(_, session)| session),
                None => None,
            };
            let step = workflow.standing_step(session.as_ref(), app.now());
            Ok(Output::of(workflow, step, session.and_then(|session| session.state.order().cloned())))
        }
        _ => Err(call.unknown_workflow(id.as_str())),
    }
}
