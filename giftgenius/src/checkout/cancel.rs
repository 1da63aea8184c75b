//! Taking an order back: before the charge was sent it compensates, after it was paid it is a refund saga, and in between
//! it is refused, because nothing can be promised then.

use std::sync::Arc;

use smol_str::SmolStr;

use tokio::time::Instant;

use super::answer::{Standing, cancel_reply, failed_reply, order_of, replayed, standing};
use super::buy::{bind_to_ending, in_progress, key_conflict, outcome_unread, record_gone};
use super::driving::{begin_driving, wait};
use super::entry::{Entry, EntryKey, EntryState, SavedReply};
use super::idempotency::{Claim, claim};
use super::order::{KeptOrder, Order};
use super::saga::Held;
use super::state::{Cause, Charge, Direction};
use crate::app::App;
use crate::error::{Code, Effects, ToolError};
use crate::ids::{CorrelationId, OrderId, UserId};
use crate::journal::{Batch, CommitError, JournalError, Record, Version};
use crate::step_log::Notes;

/// What a caller asks to take back.
#[derive(Clone, Debug)]
pub struct Cancellation {
    /// Who asks.
    pub user: UserId,
    /// Under which key.
    pub entry: EntryKey,
    /// The parameters' canonical hash.
    pub parameters: SmolStr,
    /// Which order.
    pub order: OrderId,
    /// Of the call.
    pub correlation: CorrelationId,
    /// What the call's line is to say.
    pub notes: Arc<Notes>,
    /// When the call must have been answered.
    pub deadline: Instant,
}

/// How often a lost race is run again.
const RACES_MAX: u32 = 8;

/// Takes an order back, or answers what has become of an earlier call under the same key.
pub async fn cancel(app: &Arc<App>, cancellation: &Cancellation) -> SavedReply {
    for _ in 0..RACES_MAX {
        match attempt(app, cancellation).await {
            Ok(Some(reply)) => return reply,
            Ok(None) => {}
            Err(error) => return failed_reply(&outcome_unread(&error, &cancellation.correlation)),
        }
    }
    failed_reply(&in_progress(app, None, &cancellation.correlation))
}

async fn attempt(app: &Arc<App>, cancellation: &Cancellation) -> Result<Option<SavedReply>, JournalError> {
    let stored = app.entry(&cancellation.entry).await?;
    let entry_version = stored.as_ref().map(|(version, _)| *version);
    match claim(stored.as_ref().map(|(_, entry)| entry), &cancellation.parameters, app.now()) {
        Claim::Conflict => return Ok(Some(failed_reply(&key_conflict(&cancellation.correlation)))),
        Claim::Replay(reply) => return replay(app, reply, &cancellation.notes).await.map(Some),
        Claim::Joined(order) => return tell(app, &order, cancellation).await.map(Some),
        Claim::Free => {}
    }
    let Some((version, order)) =
        app.order(&cancellation.order).await?.filter(|(_, order)| order.user == cancellation.user)
    else {
        let id = cancellation.order.as_str();
        let error =
            ToolError::unknown_id(Code::OrderNotFound, "/order_id", id, "create_order", &cancellation.correlation);
        return Ok(Some(failed_reply(&error)));
    };
    cancellation.notes.in_workflow(order.workflow_id.as_ref());
    match standing(&order) {
        // Nothing stands: there is nothing to take back, and saying so is the answer.
        Standing::Failed(_) | Standing::Cancelled => {
            keep(app, cancellation, entry_version, cancel_reply(&order, app.asked())).await
        }
        // The operator has it, whatever was answered about the sale.
        Standing::Success if order.is_parked() => {
            Ok(Some(failed_reply(&parked(&order, Effects::Charged, &cancellation.correlation))))
        }
        Standing::Pending(effects, true) => Ok(Some(failed_reply(&parked(&order, effects, &cancellation.correlation)))),
        Standing::Success if !order.is_open() => {
            refund(app, cancellation, entry_version, version, order.to_order()).await
        }
        // That was requested already.
        Standing::Pending(_, false) if is_before_charge(&order) && order.cancel_entry.is_some() => {
            join(app, cancellation, entry_version, &order.id).await
        }
        Standing::Pending(_, false) if is_before_charge(&order) => {
            request(app, cancellation, entry_version, version, order.to_order()).await
        }
        // Unsettled, or about to be booked: refused, and nothing has changed.
        Standing::Pending(effects, false) => {
            Ok(Some(failed_reply(&unsettled(app, &order, effects, &cancellation.correlation))))
        }
        // Paid and booked, and copies of its charge are still looked for: that search becomes part of the undo.
        Standing::Success => request(app, cancellation, entry_version, version, order.to_order()).await,
    }
}

/// Binds the key to an answer that needs no work.
async fn keep(
    app: &App,
    cancellation: &Cancellation,
    entry_version: Option<Version>,
    reply: SavedReply,
) -> Result<Option<SavedReply>, JournalError> {
    let now = app.now();
    let entry = Entry {
        key: cancellation.entry.clone(),
        parameters: cancellation.parameters.clone(),
        state: EntryState::Done { reply: reply.clone(), ended_at: now },
        drop_after: Some(crate::time::add(now, app.policy().entry_retention)),
    };
    let batch = Batch::default().put(entry_version, Record::Entry(entry)).until(cancellation.deadline);
    match app.commit(batch).await {
        Ok(()) => Ok(Some(reply)),
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// The person left the checkout while `order` is open: goes back if its charge has not been sent, and answers the order as
/// it then stands; `None` if another writer changed it meanwhile.
pub async fn leave(
    app: &Arc<App>,
    version: Version,
    order: KeptOrder,
    deadline: Instant,
) -> Result<Option<KeptOrder>, JournalError> {
    if !is_before_charge(&order) {
        return Ok(Some(order));
    }
    if order.cancel_entry.is_none() {
        // No caller's key asks for this, so no entry is bound: the order's own name marks who did.
        let tool = "user_navigated_to_step".into();
        let mut asked = order.to_order();
        asked.cancel_entry = Some(EntryKey { user: order.user.clone(), tool, key: order.id.as_str().into() });
        let batch = Batch::default().put(Some(version), Record::Order(asked)).until(deadline);
        match app.commit(batch).await {
            Ok(()) => {}
            Err(CommitError::Conflict(_)) => return Ok(None),
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    wait(app, &order.id, app.answer_by(deadline)).await
}

fn is_before_charge(order: &Order) -> bool {
    order.saga.direction == Direction::Forward && order.saga.charge == Charge::NotSent
}

fn parked(order: &Order, effects: Effects, correlation: &CorrelationId) -> Box<ToolError> {
    let message = "the order waits for a person; it cannot be cancelled by a tool";
    ToolError::new(Code::OrderNeedsAttention, message, correlation).about(&order.id, effects)
}

fn unsettled(app: &App, order: &Order, effects: Effects, correlation: &CorrelationId) -> Box<ToolError> {
    let message = "the order's payment is not settled yet, so it cannot be cancelled now; nothing was changed";
    ToolError::new(Code::OrderInProgress, message, correlation)
        .about(&order.id, effects)
        .retry_after(Some(app.policy().background.delay_base))
}

/// A paid order goes back: a saga of its own over the same record.
async fn refund(
    app: &Arc<App>,
    cancellation: &Cancellation,
    entry_version: Option<Version>,
    version: Version,
    mut order: Order,
) -> Result<Option<SavedReply>, JournalError> {
    order.saga.ending = None;
    order.saga.direction = Direction::Back(Cause::CancelledByUser);
    order.cancel_entry = Some(cancellation.entry.clone());
    order.background_rounds = 0;
    order.fence += 1;
    order.lease_until = app.ports().after(app.policy().lease);
    let id = order.id.clone();
    let batch = bind(cancellation, entry_version, version, &order);
    let deadline = Some(app.answer_by(cancellation.deadline));
    match begin_driving(app, batch, Held { version: version + 1, order: Box::new(order) }, deadline).await {
        Ok(()) => tell(app, &id, cancellation).await.map(Some),
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// An order whose charge has not been sent is asked to go back; its owner finds the request at its next write.
async fn request(
    app: &Arc<App>,
    cancellation: &Cancellation,
    entry_version: Option<Version>,
    version: Version,
    mut order: Order,
) -> Result<Option<SavedReply>, JournalError> {
    order.cancel_entry = Some(cancellation.entry.clone());
    match app.commit(bind(cancellation, entry_version, version, &order)).await {
        Ok(()) => {
            if order.is_asked_back() {
                // It waits to look for copies; its lease says to others when it goes on.
                app.waiters.wake(&order.id);
            }
            tell(app, &order.id, cancellation).await.map(Some)
        }
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// An order that is going back already is joined: its cancellation is this key's too, and no other order's.
async fn join(
    app: &Arc<App>,
    cancellation: &Cancellation,
    entry_version: Option<Version>,
    order: &OrderId,
) -> Result<Option<SavedReply>, JournalError> {
    let entry = Record::Entry(in_progress_entry(cancellation, order));
    let entry = Batch::default().put(entry_version, entry).until(cancellation.deadline);
    match app.commit(entry).await {
        Ok(()) => tell(app, order, cancellation).await.map(Some),
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// Binds the key and changes the order, in one batch.
fn bind(cancellation: &Cancellation, entry_version: Option<Version>, version: Version, order: &Order) -> Batch {
    let entry = in_progress_entry(cancellation, &order.id);
    let batch = Batch::default().put(entry_version, Record::Entry(entry));
    batch.put(Some(version), Record::Order(order.clone())).until(cancellation.deadline)
}

fn in_progress_entry(cancellation: &Cancellation, order: &OrderId) -> Entry {
    Entry {
        key: cancellation.entry.clone(),
        parameters: cancellation.parameters.clone(),
        state: EntryState::InProgress { order: order.clone() },
        drop_after: None,
    }
}

/// Waits for an order as long as the caller can, then says how it stands.
async fn tell(app: &Arc<App>, order: &OrderId, cancellation: &Cancellation) -> Result<SavedReply, JournalError> {
    let Some(order) = wait(app, order, app.answer_by(cancellation.deadline)).await? else {
        return Ok(failed_reply(&record_gone(&cancellation.correlation)));
    };
    cancellation.notes.in_workflow(order.workflow_id.as_ref());
    // The key of the cancellation itself was bound together with the order's ending.
    if !order.is_open()
        && order.cancel_entry.as_ref() != Some(&cancellation.entry)
        && let Err(error) = bind_to_ending(app, &order, &cancellation.entry, cancellation.deadline).await
    {
        // The key still leads to the order, which is answered from all the same.
        tracing::warn!(%error, order = %order.id, "a key was not bound to its order's answer");
    }
    Ok(match standing(&order) {
        // Found out on the way back, and refused as it would have been before.
        Standing::Pending(effects, true) if order.saga.overtaken.is_some() => {
            failed_reply(&parked(&order, effects, &cancellation.correlation))
        }
        Standing::Success | Standing::Failed(_) | Standing::Cancelled | Standing::Pending(..) => {
            cancel_reply(&order, app.asked())
        }
    })
}

/// The answer for a key with a final answer: that answer, and the order's current status.
async fn replay(app: &App, saved: SavedReply, notes: &Notes) -> Result<SavedReply, JournalError> {
    let Some(id) = order_of(&saved) else { return Ok(saved) };
    let asked = app.asked();
    let reply = app.order(&id).await?.map_or(saved, |(_, order)| {
        notes.in_workflow(order.workflow_id.as_ref());
        cancel_reply(&order, asked)
    });
    Ok(replayed(reply, asked.at))
}
