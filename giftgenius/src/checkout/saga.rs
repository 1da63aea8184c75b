//! The engine: drives one order from its record to its ending.
//!
//! Each turn reads the next action from the record, journals the intent, carries out one round, and takes the outcome.
//! The journal write before each request is the fence as well: an owner whose write conflicts has lost the order, or has
//! been asked to cancel it, and looks again before it sends anything.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::Instant;

use super::answer;
use super::order::Order;
use super::state::{Action, Cause, Charge, Commit, Direction, Ending, Outcome, Reserve};
use super::steps::{Round, RoundContext, background_delay, perform};
use super::waiters::{Driver, Phase};
use crate::app::{App, Took};
use crate::error::Code;
use crate::journal::{Batch, CommitError, JournalError, Key, Record, Version};
use crate::operations::parked;
use crate::resting::{rest, rest_for};
use crate::retry::Urgency;
use crate::step_log::{AlertKind, StepStatus};

/// An order in the hands of its owner.
pub struct Held {
    /// The version it was read or written at.
    pub version: Version,
    /// The order; boxed, because it is handed on from future to future.
    pub order: Box<Order>,
}

/// The result of a turn's journal write.
enum Written {
    Yes,
    /// A cancellation or an event was added; the turn starts over.
    Again,
    /// Another process owns the order now, or it has ended.
    Lost,
    /// The store failed.
    Failed(JournalError),
}

/// Drives an order to its ending. `deadline`: a caller waits until then, and what begins later is background work; `None`
/// works in the background from the start.
pub async fn drive(app: &App, mut held: Held, deadline: Option<Instant>, driver: &Driver) {
    let mut background = deadline.is_none();
    let mut store_failures = 0;
    // The previous owner has been silent for its lease, so none of its requests leaves after this.
    let mut quiet_since = app.ports().clock.instant();
    let mut stopped = None;
    // Whether a refund may have been asked for, in this life or before; and whether one was in this.
    let (mut refunded, mut refunded_here) = (held.order.saga.refund_begun > 0, false);
    // An order that has ended is driven again when an event asks for a look at its charges; its ending is announced once.
    let mut told = held.order.saga.ending.clone();
    let (mut heard, mut heard_at) = (held.order.heard, Instant::now());
    let sent = app.caller().counts.watch(&held.order.correlation_id);
    loop {
        let order = &mut held.order;
        turn_back(order, app.now());
        let action = stopped.clone().map_or_else(|| order.next(app.policy().payment_profile), Action::End);
        let before = order.saga.clone();
        let repeated = match &action {
            Action::Reserve { .. } => matches!(order.saga.reserve, Reserve::Sending { .. }),
            Action::Commit { .. } => order.saga.commit == Commit::Sending,
            Action::UndoCharge => refunded && order.saga.refund_begun == order.saga.refund_epoch,
            Action::Charge
            | Action::Settle
            | Action::Sweep
            | Action::Recheck
            | Action::Restock { .. }
            | Action::Release { .. }
            | Action::ConfirmRefund
            | Action::End(_) => false,
        };
        order.begin(&action, app.now());
        order.lease_until = app.ports().after(app.policy().lease);
        let ending = match &action {
            Action::End(ending) if told.as_ref() != Some(ending) => Some(ending.clone()),
            _ => None,
        };
        match write(app, &mut held, ending.as_ref()).await {
            Written::Yes => store_failures = 0,
            Written::Again => {
                held.order.saga = before;
                continue;
            }
            Written::Lost => return,
            Written::Failed(error) => {
                tracing::error!(%error, order = %held.order.id, "the journal failed under a sale");
                held.order.saga = before;
                store_failures += 1;
                if store_failures > app.policy().background.attempts_max {
                    // The lease runs out, and recovery resumes the order from its last record.
                    driver.tell(Phase::Background);
                    return;
                }
                rest_for(background_delay(app.policy(), store_failures, None)).await;
                continue;
            }
        }
        let order = &mut held.order;
        if let Action::End(_) = action {
            if let Some(ending) = ending {
                log_ending(app, order, &ending, sent.sent());
                told = Some(ending);
            }
            driver.tell(Phase::Ended);
            if order.has_work() {
                background = true;
                continue;
            }
            if order.is_parked() && !order.alerted {
                parked::call_a_person(app, held.version, &held.order).await;
            }
            return;
        }
        if order.heard != heard {
            (heard, heard_at) = (order.heard, Instant::now());
        }
        let asks = AtomicBool::new(false);
        let (noticed, refunded_before) = (order.is_due(), refunded);
        let clock = &app.ports().clock;
        let (begun, sent_before) = (clock.instant(), sent.sent());
        let urgency = match deadline {
            // The store may have taken longer than the caller could wait.
            Some(deadline) if !background && begun < deadline => Urgency::Caller { deadline },
            _ => Urgency::Round,
        };
        let context = RoundContext { urgency, quiet_since, repeated, refunded_before, asks: &asks, noticed, heard_at };
        let round = perform(app.caller(), order, &action, context).await;
        let over = clock.instant();
        let cost = Took { duration: over.duration_since(begun), attempts: sent.sent() - sent_before, wait: None };
        // Requests of this round that moved money may have left as late as now.
        let gave_back = matches!(round, Round::Came(Outcome::GivenBack { .. }));
        let asked_back = asks.into_inner();
        (refunded, refunded_here) = (refunded || asked_back, refunded_here || asked_back);
        if action == Action::Charge || gave_back || asked_back {
            quiet_since = over;
        }
        if let Round::CameAsking(_, asked) = &round {
            order.retry_after_ms = u64::try_from(crate::retry::told(*asked).as_millis()).ok();
        }
        match took(app, &mut held, driver, (&action, refunded_here), round, cost).await {
            Next::Now(ending) => stopped = ending,
            Next::Background => background = true,
            Next::Lost => return,
        }
    }
}

/// How a drive goes on after a round.
enum Next {
    /// At once. An ending is given if nothing else may be done.
    Now(Option<Ending>),
    /// At once, and no caller waits for it any more.
    Background,
    /// Another process owns the order now.
    Lost,
}

/// Applies a round's result, and waits if another round is due. `refunded`: this driver has asked for a refund.
async fn took(
    app: &App,
    held: &mut Held,
    driver: &Driver,
    (action, refunded): (&Action, bool),
    round: Round,
    cost: Took,
) -> Next {
    let order = &mut held.order;
    match round {
        Round::Came(outcome) | Round::CameAsking(outcome, _) => {
            log_outcome(app, order, action, &outcome, cost);
            // Without the closing the same refunds go on, and that it was refused is no reason to ask for them sooner.
            if !(refunded && outcome == Outcome::CloseRefused) {
                order.background_rounds = 0;
            }
            if outcome == Outcome::Committed {
                order.paid_at = Some(app.now());
            }
            if has_looked(action, &outcome) {
                order.looked = order.heard;
                order.heard_of_money_back = false;
            }
            if (action, &outcome) == (&Action::Recheck, &Outcome::RefundFailed) {
                // No event reports that, only this look: the charge has to be refunded again.
                order.heard = order.heard.saturating_add(1);
            }
            Next::Now(taken(order, action, outcome))
        }
        Round::Spent(wait) => {
            if !order.saga.spend_refund_key() {
                log_outcome(app, order, action, &Outcome::GaveUp, cost);
                order.background_rounds = 0;
                return Next::Now(taken(order, action, Outcome::GaveUp));
            }
            order.looked = order.heard;
            try_later(app, held, driver, action, Some(wait), cost).await
        }
        Round::NotYet(asked) => try_later(app, held, driver, action, asked, cost).await,
        Round::InPart { refunded, wait } => {
            order.saga.refunded = refunded;
            look_later(app, held, driver, action, wait, cost).await
        }
        Round::TooEarly { wait, looked } => {
            if looked {
                order.looked = order.heard;
            }
            look_later(app, held, driver, action, wait, cost).await
        }
    }
}

/// Counts a round that did not finish its action, and waits until the next one is due: not before the provider asked for,
/// if it did. After the last round the action is given up.
async fn try_later(
    app: &App,
    held: &mut Held,
    driver: &Driver,
    action: &Action,
    asked: Option<Duration>,
    cost: Took,
) -> Next {
    let order = &mut held.order;
    order.background_rounds += 1;
    if order.background_rounds > app.policy().background.attempts_max {
        app.log_step(order, step_id(action), StepStatus::Failed, Some(Code::OrderNeedsAttention), cost);
        order.background_rounds = 0;
        return Next::Now(taken(order, action, given_up(action)));
    }
    let delay = background_delay(app.policy(), order.background_rounds, asked);
    app.log_step(order, step_id(action), StepStatus::Retry, None, Took { wait: Some(delay), ..cost });
    // A look is hastened by an event, unless the provider asked to be left alone; a repeated undo is not.
    let hastened = *action == Action::Settle && asked.is_none();
    match pause(app, held, driver, delay, hastened).await {
        Paused::Through => Next::Background,
        Paused::Hastened => {
            // A round that an event asked for is none of those that are counted.
            held.order.background_rounds = held.order.background_rounds.saturating_sub(1);
            Next::Background
        }
        Paused::Lost => Next::Lost,
    }
}

/// Waits until a look can prove something, or until an event asks for one. Nothing failed, so no round is counted.
async fn look_later(app: &App, held: &mut Held, driver: &Driver, action: &Action, wait: Duration, cost: Took) -> Next {
    let order = &mut held.order;
    order.background_rounds = 0;
    let delay = background_delay(app.policy(), 1, Some(wait));
    app.log_step(order, step_id(action), StepStatus::Retry, None, Took { wait: Some(delay), ..cost });
    match pause(app, held, driver, delay, true).await {
        Paused::Through | Paused::Hastened => Next::Background,
        Paused::Lost => Next::Lost,
    }
}

/// The outcome of an action that its last round did not finish.
const fn given_up(action: &Action) -> Outcome {
    match action {
        // Unknown then: whether a charge arrived after the ending, or whether an unanswered refund was made.
        Action::Recheck | Action::UndoCharge => Outcome::LostTrack,
        // The record of what was begun says what may stand.
        Action::Reserve { .. }
        | Action::Charge
        | Action::Settle
        | Action::Commit { .. }
        | Action::Sweep
        | Action::Restock { .. }
        | Action::Release { .. }
        | Action::ConfirmRefund
        | Action::End(_) => Outcome::GaveUp,
    }
}

/// How often a lost race is run again before a pause. Each time another batch was committed.
const RACES_MAX: u32 = 8;

/// How a pause between two rounds ended.
enum Paused {
    /// It was waited through.
    Through,
    /// An event came.
    Hastened,
    /// Another process owns the order now.
    Lost,
}

/// Waits for the next round with a lease that covers it; where an event may hasten that, not longer than until one comes.
async fn pause(app: &App, held: &mut Held, driver: &Driver, delay: Duration, may_be_hastened: bool) -> Paused {
    held.order.lease_until = app.ports().after(delay + app.policy().lease);
    // Before the write, which shows what was heard until then: nothing that is heard falls between.
    let woken = driver.woken();
    let heard = held.order.heard;
    for _ in 0..RACES_MAX {
        match write(app, held, None).await {
            // Something was heard meanwhile: the rounds that were had are written all the same.
            Written::Again => {}
            Written::Yes | Written::Failed(_) => break,
            Written::Lost => return Paused::Lost,
        }
    }
    driver.tell(Phase::Background);
    if !may_be_hastened {
        rest_for(delay).await;
        return Paused::Through;
    }
    if held.order.heard > heard {
        return Paused::Hastened;
    }
    let round = async {
        tokio::select! {
            biased;
            () = woken => Paused::Hastened,
            () = tokio::time::sleep(delay) => Paused::Through,
        }
    };
    rest(round).await
}

/// Whether an action has looked at the charges, and so covers every event received before it began.
const fn has_looked(action: &Action, outcome: &Outcome) -> bool {
    matches!(action, Action::Settle | Action::Sweep | Action::Recheck | Action::UndoCharge | Action::ConfirmRefund)
        && !matches!(outcome, Outcome::CloseRefused | Outcome::LostTrack)
}

/// What turns a sale back before its charge is sent: the person, and the end of the quote, however long it took to get
/// here. Afterwards only the person does, once it is paid and booked: the search for copies becomes part of the undo.
fn turn_back(order: &mut Order, now: jiff::Timestamp) {
    if order.is_asked_back() {
        order.saga.direction = Direction::Back(Cause::CancelledByUser);
        return;
    }
    if order.saga.direction != Direction::Forward || order.saga.charge != Charge::NotSent {
        return;
    }
    if order.cancel_entry.is_some() {
        order.saga.direction = Direction::Back(Cause::CancelledByUser);
    } else if order.pay_by <= now {
        order.saga.direction = Direction::Back(Cause::QuoteExpired);
    }
}

/// Applies an outcome. If the action cannot have it, the sale is parked instead of guessing; `perform` returns none such.
fn taken(order: &mut Order, action: &Action, outcome: Outcome) -> Option<Ending> {
    let illegal = order.saga.apply(action, outcome).err()?;
    tracing::error!(order = %order.id, %illegal, "saga stopped");
    Some(order.saga.stopped(&illegal))
}

/// Writes the order; with an ending also what hangs on it.
async fn write(app: &App, held: &mut Held, ending: Option<&Ending>) -> Written {
    let order = Arc::new(Record::Order(Order::clone(&held.order)));
    let mut batch = Batch::default().put(Some(held.version), order);
    if let Some(ending) = ending {
        batch = match with_ending(app, batch, &held.order, ending).await {
            Ok(batch) => batch,
            Err(error) => return Written::Failed(error),
        };
    }
    match app.ports().journal.commit(batch).await {
        Ok(()) => {
            held.version += 1;
            Written::Yes
        }
        Err(CommitError::Store(error)) => Written::Failed(error),
        Err(CommitError::Conflict(_)) => reload(app, held).await,
    }
}

/// Looks at who changed the order: ourselves, by a write that was reported as failed; a cancellation or an event, which
/// are taken over; anything else means that it is no longer ours.
async fn reload(app: &App, held: &mut Held) -> Written {
    match app.order(&held.order.id).await {
        Ok(Some((version, ours))) if ours.is_write_of(&held.order) => {
            held.version = version;
            Written::Yes
        }
        Ok(Some((version, theirs))) if theirs.fence == held.order.fence && theirs.has_work() => {
            held.version = version;
            held.order.cancel_entry.clone_from(&theirs.cancel_entry);
            held.order.heard = theirs.heard;
            held.order.heard_of_money_back |= theirs.heard_of_money_back;
            Written::Again
        }
        Ok(_) => Written::Lost,
        Err(error) => Written::Failed(error),
    }
}

/// Adds what an ending decides with it: the session's state and the callers' idempotency entries.
async fn with_ending(app: &App, mut batch: Batch, order: &Order, ending: &Ending) -> Result<Batch, JournalError> {
    let now = app.now();
    let by_the_person = order.saga.direction == Direction::Back(Cause::CancelledByUser);
    if *ending == Ending::Cancelled
        && let Some(stored) = app.ports().journal.get(&Key::Session(order.session_id.clone())).await?
        && let Record::Session(session) = &*stored.record
        && let Some(state) = session.state.after_cancellation(&order.id, by_the_person)
    {
        let mut session = session.clone();
        session.state = state;
        session.declined = wants_another_card(order);
        batch = batch.put(Some(stored.version), Record::Session(session));
    }
    for key in [Some(&order.entry), order.cancel_entry.as_ref()].into_iter().flatten() {
        let Some(stored) = app.ports().journal.get(&Key::Entry(key.clone())).await? else { continue };
        let Record::Entry(entry) = &*stored.record else { continue };
        if let Some(entry) = super::idempotency::ended(entry, order, now, app.policy().entry_retention) {
            batch = batch.put(Some(stored.version), Record::Entry(entry));
        }
    }
    Ok(batch)
}

/// Whether a sale failed at its payment method, so that another one could do.
fn wants_another_card(order: &Order) -> bool {
    match &order.saga.direction {
        Direction::Back(cause) => cause.code().next().contains(&crate::error::Next::OtherCard),
        Direction::Forward => false,
    }
}

/// The step's name in the log.
const fn step_id(action: &Action) -> &'static str {
    match action {
        Action::Reserve { .. } => "reserve",
        Action::Charge => "charge",
        Action::Settle | Action::Sweep | Action::Recheck => "settle",
        Action::Commit { .. } => "commit",
        Action::Restock { .. } => "restock",
        Action::UndoCharge | Action::ConfirmRefund => "refund",
        Action::Release { .. } => "release",
        Action::End(_) => "order",
    }
}

fn log_outcome(app: &App, order: &Order, action: &Action, outcome: &Outcome, cost: Took) {
    let (status, code) = match outcome {
        Outcome::Held | Outcome::Captured { .. } | Outcome::Committed | Outcome::Swept => (StepStatus::Success, None),
        Outcome::Undone
        | Outcome::StillBack
        | Outcome::GivenBack { .. }
        | Outcome::SweptInPart { .. }
        | Outcome::BackInPart { .. } => (StepStatus::RolledBack, None),
        Outcome::Unsettled | Outcome::CloseRefused | Outcome::Found { .. } | Outcome::RefundFailed => {
            (StepStatus::Retry, None)
        }
        Outcome::ReservationGone => (StepStatus::Retry, Some(Code::ReservationLost)),
        Outcome::WrongAmount { .. } => (StepStatus::Failed, Some(Code::AmountMismatch)),
        Outcome::NotHeld(cause)
        | Outcome::HoldUnknown(cause)
        | Outcome::NotCaptured(cause)
        | Outcome::UnsettledGoBack(cause)
        | Outcome::CommitRefused(cause)
        | Outcome::CommitUnclear(cause) => (StepStatus::Failed, Some(cause.code())),
        Outcome::GaveUp | Outcome::LostTrack | Outcome::Overtaken(_) => {
            (StepStatus::Failed, Some(Code::OrderNeedsAttention))
        }
    };
    app.log_step(order, step_id(action), status, code, cost);
    if matches!(outcome, Outcome::Captured { .. }) && app.webhook_secret().is_some() {
        app.caller().expect_event(&order.correlation_id);
    }
    if let Outcome::WrongAmount { taken, .. } = outcome {
        let message = format!("{taken} was taken instead of {}; it is being given back", order.amount);
        app.alert(AlertKind::AmountMismatch, order, message);
    }
}

fn log_ending(app: &App, order: &Order, ending: &Ending, attempts: u32) {
    // By the calendar: the sale may have begun in another process.
    let cost = Took { duration: crate::time::until(order.created_at, app.now()), attempts, wait: None };
    match ending {
        Ending::Paid => app.log_step(order, "order", StepStatus::Success, None, cost),
        Ending::Cancelled => {
            let code = match answer::standing(order) {
                answer::Standing::Failed(cause) => Some(cause.code()),
                answer::Standing::Success | answer::Standing::Cancelled | answer::Standing::Pending(..) => None,
            };
            app.log_step(order, "order", StepStatus::RolledBack, code, cost);
        }
        Ending::Parked { .. } => {
            app.log_step(order, "order", StepStatus::Failed, Some(Code::OrderNeedsAttention), cost);
        }
    }
}

#[cfg(test)]
mod tests;
