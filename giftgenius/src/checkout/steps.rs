//! The steps and their undos: how each action of the saga is carried out at the providers, and its outcome.
//!
//! Every function makes one round: a paced loop of attempts while a caller waits or for an undo, a single attempt in the
//! background. Charges have their own rules in [`super::settle`], refunds in [`super::refund`].

use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::order::Order;
use super::refund;
use super::settle;
use super::state::{Action, Cause, Outcome};
use crate::policy::Policy;
use crate::providers::Caller;
use crate::providers::inventory::Reserved;
use crate::retry::{CallFailed, Failure, Urgency};

/// The result of a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Round {
    /// An outcome the state machine takes.
    Came(Outcome),
    /// The same, and the provider asked to be left alone for so long.
    CameAsking(Outcome, Duration),
    /// Not yet: another round is due, not before this long if the provider says so.
    NotYet(Option<Duration>),
    /// A refund was refused, and its key would be answered with the refusal for ever: the next one has another, not before
    /// a listing made after this long shows that it is due.
    Spent(Duration),
    /// A charge that stays was given back in part, and the listing that shows it may be an old one: the next look is due
    /// after this long.
    InPart {
        /// How much, in minor units.
        refunded: i64,
        /// How long.
        wait: Duration,
    },
    /// Nothing failed, and it is too early to be sure: the last look is due after this long.
    TooEarly {
        /// How long.
        wait: Duration,
        /// Whether the charges were looked at in this round.
        looked: bool,
    },
}

/// Which of the saga's own facts a round may lean on.
#[derive(Clone, Copy, Debug)]
pub struct RoundContext<'a> {
    /// How urgent the forward steps are.
    pub urgency: Urgency,
    /// Since when no request of the order that moves money can have left: this driver sent the last one then, or took the
    /// order up from one that had been silent for its lease. On the monotonic clock.
    pub quiet_since: tokio::time::Instant,
    /// Whether this action may have been sent by an earlier round or life; of an undo of the charge, its refund.
    pub repeated: bool,
    /// Whether any refund may have been asked for by an earlier round or life: a closing that is repeated under its key is
    /// answered with the listing of the time before.
    pub refunded_before: bool,
    /// Set once a refund is asked for in this round.
    pub asks: &'a AtomicBool,
    /// Whether an event asks for a look at the charges now, even where it is too early for the last one.
    pub noticed: bool,
    /// When the latest event was heard, or this driver took the order up. On the monotonic clock.
    pub heard_at: tokio::time::Instant,
}

/// Carries out one round of an action.
pub async fn perform(caller: &Caller, order: &Order, action: &Action, context: RoundContext<'_>) -> Round {
    let undo = match context.urgency {
        Urgency::Caller { deadline } => Urgency::Undo { until: deadline },
        other @ (Urgency::Undo { .. } | Urgency::Round) => other,
    };
    // Pinned where it is made: a future of some kilobytes is not carried into the span around it.
    let round = pin!(act(caller, order, action, context, undo));
    crate::attempts::span(context.urgency, round).await
}

async fn act(caller: &Caller, order: &Order, action: &Action, context: RoundContext<'_>, undo: Urgency) -> Round {
    match action {
        Action::Reserve { epoch } => {
            let reserved = caller.reserve(order, *epoch, caller.policy.reservation_ttl, context.urgency).await;
            reserve_outcome(order, reserved, context.repeated)
        }
        Action::Charge => settle::charge(caller, order, context).await,
        Action::Settle => settle::settle(caller, order, context).await,
        Action::Sweep => refund::sweep(caller, order, context, undo).await,
        Action::Recheck => refund::recheck(caller, order, context, undo).await,
        Action::UndoCharge => refund::undo_charge(caller, order, context, undo).await,
        Action::ConfirmRefund => refund::confirm(caller, order, context, undo).await,
        Action::Commit { epoch } => {
            let committed = caller.commit(order, *epoch, context.urgency).await;
            commit_outcome(caller, committed, context.repeated)
        }
        Action::Restock { epoch } => undo_outcome(caller, caller.restock(order, *epoch, undo).await),
        Action::Release { epoch } => undo_outcome(caller, caller.release(order, *epoch, undo).await),
        Action::End(_) => Round::NotYet(None),
    }
}

/// An outcome, with what the provider asked for.
pub(super) fn came(outcome: Outcome, asked: Option<Duration>) -> Round {
    match asked {
        Some(asked) => Round::CameAsking(outcome, asked),
        None => Round::Came(outcome),
    }
}

/// Another round is due, not before the provider's Retry-After (capped as for any retry).
pub(super) fn not_yet(caller: &Caller, failed: &CallFailed) -> Round {
    Round::NotYet(failed.retry_after().map(|asked| asked.min(caller.policy.retry.retry_after_cap)))
}

fn reserve_outcome(order: &Order, reserved: Result<Reserved, CallFailed>, repeated: bool) -> Round {
    let first_sku = || order.items.first().map_or_else(String::new, |item| item.sku.to_string());
    match reserved {
        Ok(Reserved::Whole) => Round::Came(Outcome::Held),
        // Less than was asked for is held: it has to be released.
        Ok(Reserved::Partly) => Round::Came(Outcome::HoldUnknown(Cause::OutOfStock(first_sku()))),
        Err(failed) => {
            let asked = failed.retry_after();
            let maybe_held = failed.maybe_applied || repeated;
            let cause = match failed.last {
                Failure::Refused(refusal) if refusal.code == "out_of_stock" => {
                    // Only what we asked for is named to others.
                    let named = refusal.detail.filter(|sku| order.items.iter().any(|item| item.sku == *sku));
                    Cause::OutOfStock(named.unwrap_or_else(first_sku))
                }
                Failure::Refused(_) => Cause::InventoryRefused,
                Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. } => {
                    Cause::InventoryUnavailable
                }
            };
            came(if maybe_held { Outcome::HoldUnknown(cause) } else { Outcome::NotHeld(cause) }, asked)
        }
    }
}

fn commit_outcome(caller: &Caller, committed: Result<(), CallFailed>, repeated: bool) -> Round {
    match committed {
        Ok(()) => Round::Came(Outcome::Committed),
        Err(failed) => match &failed.last {
            // Said of the reservation, not of this request: one that was sold does not run out.
            Failure::Refused(refusal) if refusal.code == "reservation_gone" => Round::Came(Outcome::ReservationGone),
            // Any other refusal proves something only if no earlier request can have been applied.
            Failure::Refused(_) if failed.maybe_applied || repeated => {
                Round::Came(Outcome::CommitUnclear(Cause::InventoryRefused))
            }
            Failure::Refused(_) => Round::Came(Outcome::CommitRefused(Cause::InventoryRefused)),
            // After the pivot the sale goes forward: the next round is in the background.
            Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. } => {
                not_yet(caller, &failed)
            }
        },
    }
}

/// An undo that is refused for good is not repeated (F2): a person has to look.
fn undo_outcome(caller: &Caller, undone: Result<(), CallFailed>) -> Round {
    match undone {
        Ok(()) => Round::Came(Outcome::Undone),
        Err(CallFailed { last: Failure::Refused(_), .. }) => Round::Came(Outcome::GaveUp),
        Err(failed) => not_yet(caller, &failed),
    }
}

/// How long until the next background round: the policy's delay, or longer if that was asked for.
pub fn background_delay(policy: &Policy, rounds: u32, asked: Option<Duration>) -> Duration {
    let delay = crate::retry::backoff(policy.background.delay_base, policy.background.delay_cap, rounds);
    asked.map_or(delay, |asked| delay.max(asked))
}
