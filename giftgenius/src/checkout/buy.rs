//! Buying: binds a caller's key to an order, begins its saga, and waits for a result.
//!
//! Check and set are one journal batch: key, session and order are bound together or not at all, so two calls at once
//! begin one sale. The sale itself runs as a task of its own: a caller that goes away aborts nothing.

use std::sync::Arc;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::answer::{Asked, Standing, entry_state, failed_reply, order_of, replayed, sale_reply, standing};
use super::driving::{begin_driving, wait};
use super::entry::{Entry, EntryKey, EntryState, SavedReply};
use super::idempotency::{Claim, claim, ended};
use super::order::{KeptOrder, Order, Page};
use super::saga::Held;
use super::session::{Session, SessionState};
use super::state::{Cause, Saga};
use crate::app::App;
use crate::error::{Code, Effects, ToolError};
use crate::ids::{CorrelationId, OrderId, SessionId, UserId};
use crate::journal::{Batch, CommitError, JournalError, Key, Record, Stored, Version};
use crate::step_log::Notes;
use crate::workflow::Step;

/// What a caller asks to buy.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Who asks.
    pub user: UserId,
    /// Under which key.
    pub entry: EntryKey,
    /// The parameters' canonical hash.
    pub parameters: SmolStr,
    /// Which session is to be paid.
    pub session: SessionId,
    /// With what.
    pub payment_method_id: SmolStr,
    /// Of the call.
    pub correlation: CorrelationId,
    /// When the call must have been answered.
    pub deadline: Instant,
    /// What the call's line is to say.
    pub notes: Arc<Notes>,
    /// With what the identical purchase has failed too often to be tried again (F14).
    pub exhausted: Option<Code>,
}

/// How often a lost race is run again. Each time another batch was committed, so the next look finds more decided.
const RACES_MAX: u32 = 8;

/// Buys, or answers what has become of an earlier call under the same key or for the same session.
pub async fn buy(app: &Arc<App>, purchase: &Purchase) -> SavedReply {
    for _ in 0..RACES_MAX {
        match attempt(app, purchase).await {
            Ok(Some(reply)) => return reply,
            Ok(None) => {}
            Err(error) => return failed_reply(&outcome_unread(&error, &purchase.correlation)),
        }
    }
    failed_reply(&in_progress(app, None, &purchase.correlation))
}

/// One look at the journal and what follows from it; `None` if another writer was faster.
async fn attempt(app: &Arc<App>, purchase: &Purchase) -> Result<Option<SavedReply>, JournalError> {
    let stored = app.entry(&purchase.entry).await?;
    let expected = stored.as_ref().map(|(version, _)| *version);
    match claim(stored.as_ref().map(|(_, entry)| entry), &purchase.parameters, app.now()) {
        Claim::Conflict => {
            // For its line only.
            let session = app.session(&purchase.session).await?;
            let own = session.as_ref().filter(|(_, session)| session.user == purchase.user);
            purchase.notes.in_workflow(own.and_then(|(_, session)| session.workflow_id.as_ref()));
            Ok(Some(failed_reply(&key_conflict(&purchase.correlation))))
        }
        Claim::Replay(reply) => replay(app, reply, &purchase.notes).await.map(Some),
        Claim::Joined(order) if failed_clean(app, &order, purchase).await? => begin(app, purchase, expected).await,
        Claim::Joined(order) => match tell(app, &order, purchase).await? {
            Some(reply) => Ok(Some(reply)),
            None => begin(app, purchase, expected).await,
        },
        Claim::Free => begin(app, purchase, expected).await,
    }
}

/// Whether the order that a key had joined has failed and may be tried again: the key was not bound to that ending when it
/// was answered, and this call is another try. An order that is driven here still has to answer.
async fn failed_clean(app: &App, order: &OrderId, purchase: &Purchase) -> Result<bool, JournalError> {
    if app.waiters.wait(order).is_some() {
        return Ok(false);
    }
    let order = app.order(order).await?;
    Ok(order.is_some_and(|(_, order)| {
        let state = entry_state(&purchase.entry, &order, app.now());
        matches!(state, Some(EntryState::FailedClean { .. }))
    }))
}

/// Begins a sale, or joins the one that has the session.
async fn begin(
    app: &Arc<App>,
    purchase: &Purchase,
    entry_version: Option<Version>,
) -> Result<Option<SavedReply>, JournalError> {
    let refuse =
        |code: Code, message: String| Ok(Some(failed_reply(&ToolError::new(code, message, &purchase.correlation))));
    let Some((session_version, session)) =
        app.session(&purchase.session).await?.filter(|(_, session)| session.user == purchase.user)
    else {
        let (id, from) = (purchase.session.as_str(), "create_checkout_session");
        let error =
            ToolError::unknown_id(Code::SessionNotFound, "/checkout_session_id", id, from, &purchase.correlation);
        return Ok(Some(failed_reply(&error)));
    };
    purchase.notes.in_workflow(session.workflow_id.as_ref());
    let joined = match &session.state {
        SessionState::Open => None,
        // An order that is paid, or being paid, is returned; one that failed ended with the price that was left.
        SessionState::Left(order) if failed(app, order).await? => {
            return out_of_step(app, purchase, &session).await.map(Some);
        }
        SessionState::Taken(order) | SessionState::Left(order) => Some(order.clone()),
        SessionState::Closed(_) => {
            return refuse(Code::SessionExpired, format!("checkout session {} is closed", session.id));
        }
        SessionState::Abandoned => return out_of_step(app, purchase, &session).await.map(Some),
    };
    if joined.is_none() && session.expires_at <= app.now() {
        return refuse(Code::SessionExpired, format!("the quote of checkout session {} has expired", session.id));
    }
    // No quote of 0 is frozen; a charge of 0 is not sent for one that was.
    if joined.is_none() && session.amount.minor_units <= 0 {
        return refuse(Code::SessionExpired, format!("checkout session {} holds no amount to pay", session.id));
    }
    // Read as late as possible before the key is bound; saved answers and sales in flight go on without it.
    if joined.is_none() && !app.checkout_on().await? {
        return refuse(Code::CheckoutDisabled, String::from("checkout is switched off; nothing was begun"));
    }
    // An existing order is returned, however often; only another attempt is refused.
    if let Some(code) = purchase.exhausted.filter(|_| joined.is_none()) {
        return Ok(Some(failed_reply(&crate::loops::instead(code, &purchase.correlation))));
    }
    let order_id = joined.clone().unwrap_or_else(|| OrderId::from(app.ports().new_id("ord_")));
    let entry = Entry {
        key: purchase.entry.clone(),
        parameters: purchase.parameters.clone(),
        state: EntryState::InProgress { order: order_id.clone() },
        drop_after: None,
    };
    let mut batch = Batch::default().put(entry_version, Record::Entry(entry)).until(purchase.deadline);
    let written = if joined.is_none() {
        app.known_paid.begin(&order_id);
        let order = new_order(app, purchase, &session, order_id.clone());
        let session = Session { state: SessionState::Taken(order_id.clone()), declined: false, ..session };
        batch = batch.put(Some(session_version), Record::Session(session)).put(None, Record::Order(order.clone()));
        begin_driving(app, batch, Held { version: 1, order: Box::new(order) }, Some(app.answer_by(purchase.deadline)))
            .await
    } else {
        app.commit(batch).await
    };
    match written {
        Ok(()) => tell(app, &order_id, purchase).await,
        Err(CommitError::Conflict(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error),
    }
}

/// Whether an order has failed, whatever is still looked after for it.
async fn failed(app: &App, order: &OrderId) -> Result<bool, JournalError> {
    let order = app.order(order).await?;
    Ok(order.is_some_and(|(_, order)| matches!(standing(&order), Standing::Failed(_) | Standing::Cancelled)))
}

/// The session was left behind: says where the workflow is instead.
async fn out_of_step(app: &App, purchase: &Purchase, session: &Session) -> Result<SavedReply, JournalError> {
    let step = app.standing_step(session.workflow_id.as_ref()).await?.unwrap_or(Step::ChooseGift);
    let why = format!(" and checkout session {} was left", session.id);
    Ok(failed_reply(&ToolError::out_of_step("create_order", step, &why, &purchase.correlation)))
}

fn new_order(app: &App, purchase: &Purchase, session: &Session, id: OrderId) -> Order {
    Order {
        id,
        session_id: session.id.clone(),
        user: purchase.user.clone(),
        workflow_id: session.workflow_id.clone(),
        correlation_id: purchase.correlation.clone(),
        entry: purchase.entry.clone(),
        cancel_entry: None,
        retry_after_ms: None,
        amount: session.amount,
        items: session.items.clone(),
        payment_method_id: purchase.payment_method_id.clone(),
        created_at: app.now(),
        pay_by: session.expires_at,
        saga: Saga::new(),
        paid_at: None,
        background_rounds: 0,
        release_rounds: None,
        lease_until: app.ports().after(app.policy().lease),
        alerted: false,
        unsold_since: None,
        page: Page::None,
        fence: 1,
        heard: 0,
        looked: 0,
        heard_of_money_back: false,
    }
}

/// Waits for an order as long as the caller can, then returns its status; `None` if it is over and the session can be paid
/// in another way.
async fn tell(app: &Arc<App>, order: &OrderId, purchase: &Purchase) -> Result<Option<SavedReply>, JournalError> {
    let found = wait(app, order, app.answer_by(purchase.deadline)).await?;
    purchase.notes.in_workflow(found.as_ref().and_then(|order| order.workflow_id.as_ref()));
    match found {
        Some(found) if found.is_open() => Ok(Some(open_reply(app, &found, purchase))),
        // One that a person has to look at may keep the session.
        Some(found) if failed_otherwise(&found, purchase) && !keeps_session(app, &found).await? => Ok(None),
        Some(found) => Ok(Some(finished(app, &found, purchase).await)),
        None => Ok(Some(failed_reply(&record_gone(&purchase.correlation)))),
    }
}

/// Whether an order still has its session.
async fn keeps_session(app: &App, order: &Order) -> Result<bool, JournalError> {
    let session = app.session(&order.session_id).await?;
    Ok(session.is_none_or(|(_, session)| session.state.is_kept_by(&order.id)))
}

/// Whether a purchase is to be paid with something else than an order of its session that has failed. That order's
/// failure says nothing of it: a card that was never tried was not declined.
fn failed_otherwise(order: &Order, purchase: &Purchase) -> bool {
    order.payment_method_id != purchase.payment_method_id
        && matches!(standing(order), Standing::Failed(cause) if cause != Cause::CancelledByUser)
}

/// The answer while an order is open: how it stands, or, where nothing is known yet, that it is being worked on.
fn open_reply(app: &App, order: &Order, purchase: &Purchase) -> SavedReply {
    let nothing_known = matches!(standing(order), Standing::Pending(..)) && !order.saga.is_unsettled();
    let is_anothers = order.entry != purchase.entry;
    if is_anothers && ((nothing_known && order.background_rounds == 0) || failed_otherwise(order, purchase)) {
        return failed_reply(&in_progress(app, Some(order), &purchase.correlation));
    }
    sale_reply(order, app.asked())
}

/// The answer for a key with a final answer: that answer, and the order's current status. Nothing is begun, sent or
/// changed for it, and the call is not checked again.
async fn replay(app: &App, saved: SavedReply, notes: &Notes) -> Result<SavedReply, JournalError> {
    let Some(id) = order_of(&saved) else { return Ok(saved) };
    let asked = app.asked();
    let reply = app.order(&id).await?.map_or(saved, |(_, order)| {
        notes.in_workflow(order.workflow_id.as_ref());
        sale_reply(&order, asked)
    });
    Ok(replayed(reply, asked.at))
}

/// The answer of an order that has ended; a key that joined it is bound to that answer too.
async fn finished(app: &App, order: &Order, purchase: &Purchase) -> SavedReply {
    // The order's own key was bound to this very answer together with its ending.
    if order.entry == purchase.entry {
        return sale_reply(order, app.asked());
    }
    if let Err(error) = bind_to_ending(app, order, &purchase.entry, purchase.deadline).await {
        // The key still leads to the order, which is answered from all the same.
        tracing::warn!(%error, order = %order.id, "a key was not bound to its order's answer");
    }
    // The sale may have changed during the write: a refund by the provider, for instance.
    match app.order(&order.id).await {
        Ok(Some((_, order))) => sale_reply(&order, app.asked()),
        Ok(None) => sale_reply(order, app.asked()),
        Err(error) => failed_reply(&outcome_unread(&error, &purchase.correlation)),
    }
}

/// Binds a key that joined an order to what that order has ended in.
pub async fn bind_to_ending(app: &App, order: &Order, key: &EntryKey, deadline: Instant) -> Result<(), CommitError> {
    let Some((version, entry)) = app.entry(key).await? else { return Ok(()) };
    let Some(entry) = ended(&entry, order, app.now(), app.policy().entry_retention) else { return Ok(()) };
    match app.commit(Batch::default().put(Some(version), Record::Entry(entry)).until(deadline)).await {
        // Another call bound it to the same answer first.
        Err(CommitError::Conflict(_)) => Ok(()),
        written => written,
    }
}

/// The same key stands for other parameters.
pub fn key_conflict(correlation: &CorrelationId) -> Box<ToolError> {
    let message = "this idempotency_key was used with other arguments, so nothing was done; send the original arguments \
                   with it, or these with a new key";
    ToolError::new(Code::KeyConflict, message, correlation)
}

/// The sale is being worked on by an earlier call, which may have charged.
pub fn in_progress(app: &App, order: Option<&Order>, correlation: &CorrelationId) -> Box<ToolError> {
    let error = ToolError::new(Code::OrderInProgress, "an earlier call is still working on this purchase", correlation)
        .retry_after(Some(app.policy().retry.attempt_timeout));
    match order {
        Some(order) => error.about(&order.id, Effects::Unknown),
        None => error.with_effects(Effects::Unknown),
    }
}

/// The store failed before the purchase could be read: an earlier call, or the write that failed, may have begun it.
pub fn outcome_unread(error: &JournalError, correlation: &CorrelationId) -> Box<ToolError> {
    App::store_error(error, correlation).with_effects(Effects::Unknown)
}

/// An idempotency entry names an order that is not there.
pub fn record_gone(correlation: &CorrelationId) -> Box<ToolError> {
    ToolError::new(Code::Internal, "the order's record is gone", correlation).with_effects(Effects::Unknown)
}

/// Reads a record of a kind.
macro_rules! reader {
    ($(#[$doc:meta])* $name:ident, $id:ty, $key:ident, $kind:ty) => {
        $(#[$doc])*
        pub async fn $name(&self, id: &$id) -> Result<Option<(Version, $kind)>, JournalError> {
            let key = Key::$key(id.clone());
            let Some(stored) = self.ports().journal.get(&key).await? else { return Ok(None) };
            match &*stored.record {
                Record::$key(record) => Ok(Some((stored.version, record.clone()))),
                _ => Err(JournalError::Corrupt(key.to_string())),
            }
        }
    };
}

impl App {
    /// An order.
    pub async fn order(&self, id: &OrderId) -> Result<Option<(Version, KeptOrder)>, JournalError> {
        let key = Key::Order(id.clone());
        let Some(Stored { version, record }) = self.ports().journal.get(&key).await? else { return Ok(None) };
        let order = KeptOrder::of(record).ok_or_else(|| JournalError::Corrupt(key.to_string()))?;
        Ok(Some((version, order)))
    }

    reader! {
        /// A checkout session.
        session, SessionId, Session, Session
    }
    reader! {
        /// An idempotency entry.
        entry, EntryKey, Entry, Entry
    }
    reader! {
        /// A workflow.
        workflow, crate::ids::WorkflowId, Workflow, crate::workflow::Workflow
    }

    /// That an order is asked about now.
    pub fn asked(&self) -> Asked {
        Asked { at: self.now(), lease: self.policy().lease }
    }

    /// A little before a call's deadline: what is begun to answer then arrives in time.
    pub fn answer_by(&self, deadline: Instant) -> Instant {
        deadline.checked_sub(self.policy().tool_deadline / 50).unwrap_or(deadline)
    }
}
