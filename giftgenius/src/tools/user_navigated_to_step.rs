//! `user_navigated_to_step`: the person moved in the widget; the backend follows, or says why not (F9).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::get_workflow::Output;
use super::keyed::{Bound, under_key};
use super::{About, Call, Tool};
use crate::app::{Annotations, App};
use crate::checkout::answer::{Standing, failed_reply, standing};
use crate::checkout::cancel::leave;
use crate::checkout::entry::SavedReply;
use crate::checkout::known_paid::Mark;
use crate::checkout::order::Order;
use crate::checkout::session::{Session, SessionState};
use crate::error::{Code, Effects, ToolError};
use crate::ids::{OrderId, WorkflowId};
use crate::journal::{Batch, CommitError, JournalError, Key, Record};
use crate::workflow::{Step, Workflow};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The workflow, as an earlier call answered it.
    #[schemars(length(min = 1, max = 80))]
    workflow_id: String,
    /// Where the person moved to.
    step: Step,
    /// Makes a repeat of this call answer the same, and move nothing again.
    #[serde(default)]
    #[schemars(length(min = 8, max = 128))]
    idempotency_key: Option<String>,
}

pub(super) fn tool() -> Tool {
    let about = About {
        name: "user_navigated_to_step",
        title: "The user navigated to a step",
        description: "Records that the person moved to another step of the purchase. Move the display only after this \
                      succeeded. Going back before the payment is sent calls the sale off, and a price that was not \
                      paid has to be frozen anew. While a payment is not settled the step cannot be left; nothing \
                      changes then.",
        annotations: Annotations { read_only: false, destructive: false, idempotent: true, open_world: false },
        example: json!({"workflow_id": "the workflow_id of an earlier answer", "step": "generate_ideas"}),
    };
    super::tool::<Input, Output>(about, |app, call| Box::pin(navigate(app, call)))
}

/// How often a lost race is run again.
const RACES_MAX: u32 = 8;

async fn navigate(app: Arc<App>, call: Call) -> SavedReply {
    let input: Input = match call.input() {
        Ok(input) => input,
        Err(error) => return failed_reply(&error),
    };
    let began = app.known_paid.mark();
    let make = async |bound: Option<Bound>| {
        for _ in 0..RACES_MAX {
            if let Some(output) = attempt(&app, &call, &input, bound.as_ref(), began).await? {
                return Ok(output);
            }
        }
        Err(App::store_error(&JournalError::Busy, &call.correlation))
    };
    under_key(&app, &call, input.idempotency_key.as_deref(), make).await
}

/// Moves the workflow, together with what hangs on its step; `None` if somebody else changed any of it meanwhile.
async fn attempt(
    app: &Arc<App>,
    call: &Call,
    input: &Input,
    bound: Option<&Bound>,
    began: Mark,
) -> Result<Option<Output>, Box<ToolError>> {
    let store = |error| App::store_error(&error, &call.correlation);
    let found = app.workflow(&WorkflowId::from(input.workflow_id.as_str())).await.map_err(store)?;
    let Some((version, workflow)) = found.filter(|(_, workflow)| workflow.user == call.user) else {
        return Err(call.unknown_workflow(&input.workflow_id));
    };
    let session = match &workflow.session {
        Some(session) => app.session(session).await.map_err(store)?,
        None => None,
    };
    let order_id = session.as_ref().and_then(|(_, session)| session.state.order().cloned());
    // An order that the workflow has left already does not hold it. So the repeat of a move that was made is answered.
    if let Some(order) = order_id.as_ref().filter(|_| workflow.step.is_paying()) {
        match settled(app, call, order, !input.step.is_paying(), began).await? {
            Settled::Yes => {}
            // The order went back for this; what it left of its session is read anew.
            Settled::ByThis => return Ok(None),
        }
    }
    let step = workflow.standing_step(session.as_ref().map(|(_, session)| session), app.now());
    if input.step == step && input.step == workflow.step {
        let output = Output::of(workflow, step, order_id);
        return match bound {
            Some(bound) => keep(app, call, bound.bind(app, Batch::default(), &output), output).await,
            None => Ok(Some(output)),
        };
    }
    let is_payable = |session: &Session| session.state == SessionState::Open && session.expires_at > app.now();
    if input.step.is_paying() && !session.as_ref().is_some_and(|(_, session)| is_payable(session)) {
        let why = " and there is no price to pay; create_checkout_session freezes one";
        return Err(ToolError::out_of_step(call.tool, step, why, &call.correlation));
    }
    let mut batch = Batch::default();
    if let Some((version, session)) = session {
        let left = if input.step.is_paying() {
            // The person has been there, and chose to look at the checkout again.
            Session { declined: input.step == Step::ChoosePaymentMethod, ..session.clone() }
        } else {
            Session { state: session.state.left(), ..session.clone() }
        };
        if left != session {
            batch = batch.put(Some(version), Record::Session(left));
        }
    }
    let moved = Workflow {
        step: input.step,
        drop_after: Some(app.dropped_after()),
        moves: workflow.moves.saturating_add(1),
        ..workflow
    };
    batch = batch.put(Some(version), Record::Workflow(moved.clone()));
    let output = Output::of(moved, input.step, order_id);
    if let Some(bound) = bound {
        batch = bound.bind(app, batch, &output);
    }
    keep(app, call, batch, output).await
}

/// Journals what the move changes; `None` if somebody else changed any of it meanwhile.
async fn keep(app: &App, call: &Call, batch: Batch, output: Output) -> Result<Option<Output>, Box<ToolError>> {
    match app.commit(batch.until(call.deadline)).await {
        Ok(()) => Ok(Some(output)),
        // A concurrent call under the same key was faster, and has its answer.
        Err(CommitError::Conflict(Key::Entry(_))) => Err(App::store_error(&JournalError::Busy, &call.correlation)),
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(App::store_error(&error, &call.correlation)),
    }
}

/// Whether an order no longer holds its workflow to the checkout.
enum Settled {
    /// It had ended, or nothing more than late copies is looked for.
    Yes,
    /// It was on its way and has gone back for this.
    ByThis,
}

/// An order whose charge was not sent goes back; one that is not settled keeps the workflow where it is (F9), and so does
/// one that no answer had told paid when the move began.
async fn settled(
    app: &Arc<App>,
    call: &Call,
    id: &OrderId,
    leaves: bool,
    began: Mark,
) -> Result<Settled, Box<ToolError>> {
    let store = |error| App::store_error(&error, &call.correlation);
    let Some((version, order)) = app.order(id).await.map_err(store)? else { return Ok(Settled::Yes) };
    match standing(&order) {
        Standing::Success if leaves && !app.known_paid.was_told(id, began) => return Err(paid_meanwhile(call, &order)),
        Standing::Success | Standing::Failed(_) | Standing::Cancelled => return Ok(Settled::Yes),
        Standing::Pending(..) => {}
    }
    let Some(order) = leave(app, version, order, call.deadline).await.map_err(store)? else {
        return Ok(Settled::ByThis);
    };
    match standing(&order) {
        Standing::Pending(effects, _) => {
            let message = "the payment is not settled yet, so the step cannot be left now; nothing was changed";
            Err(call.fail(Code::OrderInProgress, message).about(&order.id, effects))
        }
        Standing::Success if leaves => Err(paid_meanwhile(call, &order)),
        Standing::Success | Standing::Failed(_) | Standing::Cancelled => Ok(Settled::ByThis),
    }
}

/// The person leaves a price that was paid without their knowing: what they see is not what they leave. Now they know, and
/// the next move is their own.
fn paid_meanwhile(call: &Call, order: &Order) -> Box<ToolError> {
    let message = format!(
        "order {} was paid in the meantime, so the step was not left; cancel_order takes it back, and the same move \
         again leaves the paid gift as it is",
        order.id
    );
    call.fail(Code::OrderPaid, message).about(&order.id, Effects::Charged)
}
