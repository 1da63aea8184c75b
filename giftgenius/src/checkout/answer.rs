//! The answer about a sale: exactly one of `success`, `failed` with `effects: none`, `pending`, or `cancelled`; derived from
//! the order as it is now ([`Live`]), so that every way of asking, a replay included, gets the same answer.

use std::time::Duration;

use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use super::entry::{EntryKey, EntryState, SavedReply};
use super::order::Order;
use super::state::{Cause, Charge, Commit, Direction, Ending};
use crate::error::{Code, Effects, Next, ToolError};
use crate::ids::{CorrelationId, OrderId, SessionId};
use crate::money::Money;
use crate::step_log::CheckoutStatus;
use crate::validate::is_harmless;

/// How a sale stands, for those who ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Paid and committed.
    Success,
    /// Nothing stands, for this cause.
    Failed(Cause),
    /// It was paid, and the person took it back.
    Cancelled,
    /// Not settled; what is known to stand, and whether a person has to look.
    Pending(Effects, bool),
}

/// How an order stands.
pub fn standing(order: &Order) -> Standing {
    let saga = &order.saga;
    match (&saga.ending, &saga.direction) {
        (Some(Ending::Paid), _) => Standing::Success,
        (Some(Ending::Parked { .. }), Direction::Forward) if saga.overtaken.is_some() => {
            Standing::Pending(Effects::Unknown, true)
        }
        (None, Direction::Forward) if order.is_asked_back() => Standing::Pending(Effects::Charged, false),
        // Late copies are still looked for, by us or by a person, but the sale is done and stays so.
        (None | Some(Ending::Parked { .. }), Direction::Forward) if saga.commit == Commit::Done => Standing::Success,
        (Some(Ending::Cancelled), direction) => cancelled(direction, saga.commit),
        // The earlier answer still holds as far as is known; the operator checks whether anything came on top.
        (Some(Ending::Parked { .. }), direction @ Direction::Back(_)) if !saga.is_stuck() => {
            cancelled(direction, saga.commit)
        }
        (Some(Ending::Parked { .. }), _) if saga.overtaken.is_some() => Standing::Pending(Effects::Unknown, true),
        (Some(Ending::Parked { .. }), _) => Standing::Pending(money(&saga.charge), true),
        // Only a refund that fails could change it, which is watched for; what may be tried again waits for certainty.
        (None, Direction::Back(cause)) if saga.is_undone() && !cause.code().retryable() => {
            if *cause == Cause::CancelledByUser && saga.commit == Commit::Restocked {
                Standing::Cancelled
            } else {
                Standing::Failed(cause.clone())
            }
        }
        // On the way back the money may have been given back already.
        (None, Direction::Back(_)) => Standing::Pending(Effects::Unknown, false),
        (None, Direction::Forward) => Standing::Pending(money(&saga.charge), false),
    }
}

fn cancelled(direction: &Direction, commit: Commit) -> Standing {
    match direction {
        Direction::Back(Cause::CancelledByUser) if commit == Commit::Restocked => Standing::Cancelled,
        Direction::Back(cause) => Standing::Failed(cause.clone()),
        Direction::Forward => Standing::Failed(Cause::CancelledByUser),
    }
}

/// What is known to stand while it is not settled: never `none`, which would promise something.
const fn money(charge: &Charge) -> Effects {
    match charge {
        Charge::Captured { .. } | Charge::Stuck { captured: true } => Effects::Charged,
        Charge::NotSent
        | Charge::Sending
        | Charge::GivenBack { .. }
        | Charge::Void
        | Charge::Stuck { captured: false } => Effects::Unknown,
    }
}

/// The answer of a sale that is not an error, as `create_order` and `cancel_order` give it.
#[derive(Serialize, schemars::JsonSchema)]
pub struct SaleAnswer<'a> {
    /// `success`, `pending` or `cancelled`.
    pub status: &'static str,
    /// To ask `get_order` about.
    #[schemars(with = "String")]
    pub order_id: &'a OrderId,
    /// Which session it pays.
    #[schemars(with = "String")]
    pub checkout_session_id: &'a SessionId,
    /// What is paid: `minor_units` of `currency`.
    #[schemars(with = "Value")]
    pub amount: Money,
    /// What stands of the person's money.
    pub effects: Effects,
    /// Whether a person has to look at it.
    pub needs_attention: bool,
    /// How much of a paid order the payment provider has given back on its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub refunded: Option<Money>,
    /// When to ask again, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// One plain sentence for the person.
    pub user_message: &'static str,
    /// What can be done.
    #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
    pub next: &'a [Next],
    /// Whether an earlier call with this key was answered already: nothing was done for this one.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub replayed: bool,
    /// Of a replay: when the order stood as it is told here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub as_of: Option<jiff::Timestamp>,
}

/// How an order stands now: all of its answer that may change after it was first given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    /// `success`, `pending`, `failed` or `cancelled`.
    pub status: &'static str,
    /// What stands of the person's money.
    pub effects: Effects,
    /// Whether a person has to look at it.
    pub needs_attention: bool,
    /// Why it failed, or what has to be seen to.
    pub error_code: Option<Code>,
    /// One plain sentence for the person.
    pub user_message: &'static str,
    /// What can be done.
    pub next: &'static [Next],
    /// How much of a paid order the payment provider has given back on its own.
    pub refunded: Option<Money>,
    /// When to ask again, while it is pending.
    pub retry_after_ms: Option<u64>,
}

/// When an order is asked about, and what its lease lasts: together they say when its next round is due.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Now.
    pub at: jiff::Timestamp,
    /// The policy's lease.
    pub lease: Duration,
}

/// How soon asking about a pending order again can make sense.
const ASK_AGAIN: Duration = Duration::from_secs(5);

const SUCCESS: &str = "Your order is paid and on its way.";
const CANCELLED: &str = "The order was cancelled and your money was given back.";
const PENDING: &str = "Your payment is still being confirmed; do not pay again, ask about the order in a moment.";

/// When the order's next round is due, in whole seconds. A driver that waits holds a lease that covers its wait, so that
/// the record says when it goes on.
fn ask_again(order: &Order, asked: Asked) -> Duration {
    let covered = order.lease_until.duration_since(asked.at);
    let wait = Duration::try_from(covered).unwrap_or_default().saturating_sub(asked.lease);
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(whole).max(ASK_AGAIN)
}

/// The current status of an order.
pub fn live(order: &Order, asked: Asked) -> Live {
    let settled = |status, effects, error_code, user_message, next| Live {
        status,
        effects,
        needs_attention: false,
        error_code,
        user_message,
        next,
        refunded: None,
        retry_after_ms: None,
    };
    match standing(order) {
        Standing::Success => Live {
            refunded: (order.saga.refunded > 0).then(|| Money::new(order.saga.refunded, order.amount.currency)),
            ..settled("success", Effects::Charged, None, SUCCESS, &[])
        },
        Standing::Cancelled => settled("cancelled", Effects::None, None, CANCELLED, &[]),
        Standing::Failed(cause) => {
            let code = cause.code();
            settled("failed", Effects::None, Some(code), code.sentence(), code.next())
        }
        Standing::Pending(effects, needs_attention) => {
            let code = needs_attention.then_some(Code::OrderNeedsAttention);
            let asking: &[Next] = &[Next::AskGetOrder];
            let wait = ask_again(order, asked).min(TOLD_WAIT_MAX);
            Live {
                needs_attention,
                retry_after_ms: u64::try_from(wait.as_millis()).ok(),
                ..settled(
                    "pending",
                    effects,
                    code,
                    code.map_or(PENDING, Code::sentence),
                    code.map_or(asking, Code::next),
                )
            }
        }
    }
}

/// The longest wait returned to a caller.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(60 * 60);

fn sale_answer<'a>(order: &'a Order, live: &Live) -> SaleAnswer<'a> {
    SaleAnswer {
        status: live.status,
        order_id: &order.id,
        checkout_session_id: &order.session_id,
        amount: order.amount,
        effects: live.effects,
        needs_attention: live.needs_attention,
        refunded: live.refunded,
        retry_after_ms: live.retry_after_ms,
        user_message: live.user_message,
        next: live.next,
        replayed: false,
        as_of: None,
    }
}

/// The answer to a caller of `cancel_order`: that nothing stands any more, however that came about, or how it stands.
pub fn cancel_reply(order: &Order, asked: Asked) -> SavedReply {
    let live = live(order, asked);
    let live = match standing(order) {
        Standing::Failed(_) => Live {
            status: "cancelled",
            user_message: if order.saga.commit == Commit::Restocked {
                CANCELLED
            } else {
                Code::OrderCancelled.sentence()
            },
            next: &[],
            ..live
        },
        Standing::Cancelled | Standing::Success | Standing::Pending(..) => live,
    };
    SavedReply { structured: json!(sale_answer(order, &live)), is_error: false }
}

/// The answer to a caller of `create_order`.
pub fn sale_reply(order: &Order, asked: Asked) -> SavedReply {
    match standing(order) {
        Standing::Failed(cause) => failed_reply(&failure(order, &cause, &order.correlation_id)),
        Standing::Success | Standing::Cancelled | Standing::Pending(..) => {
            SavedReply { structured: json!(sale_answer(order, &live(order, asked))), is_error: false }
        }
    }
}

/// The order that a saved answer is about; `None` where it names none.
pub fn order_of(reply: &SavedReply) -> Option<OrderId> {
    let pointer = if reply.is_error { "/error/order_id" } else { "/order_id" };
    reply.structured.pointer(pointer).and_then(Value::as_str).map(OrderId::from)
}

/// Marks an answer as a replay: how its order stood at this time.
pub fn replayed(mut reply: SavedReply, as_of: jiff::Timestamp) -> SavedReply {
    let body = if reply.is_error { reply.structured.get_mut("error") } else { Some(&mut reply.structured) };
    if let Some(Value::Object(body)) = body {
        body.insert(String::from("replayed"), Value::Bool(true));
        body.insert(String::from("as_of"), json!(as_of));
    }
    reply
}

/// The error for a failed sale.
pub fn failure(order: &Order, cause: &Cause, correlation: &CorrelationId) -> Box<ToolError> {
    let message = match cause {
        Cause::Declined(code) => match told_decline(code) {
            Some(code) => format!("the card was declined ({code}); nothing is charged"),
            None => String::from("the card was declined; nothing is charged"),
        },
        Cause::OutOfStock(sku) => format!("{sku} is not in stock in the quantity wanted; nothing is charged"),
        Cause::PaymentUnavailable => String::from("the payment provider did not answer; nothing is charged"),
        Cause::PaymentRefused => String::from("the payment provider refused the charge; nothing is charged"),
        Cause::UnknownPaymentMethod if is_harmless(&order.payment_method_id) => {
            format!("payment method {} is not on file", order.payment_method_id)
        }
        // Models send the card's number in its place.
        Cause::UnknownPaymentMethod => String::from(
            "this payment method is not on file; payment_method_id is an id that get_payment_methods answered",
        ),
        Cause::InventoryUnavailable => String::from("the inventory did not answer; nothing is charged or reserved"),
        Cause::InventoryRefused => String::from("the inventory refused the order; nothing is charged or reserved"),
        Cause::AmountMismatch => String::from("another amount than the quote was taken; it was given back"),
        Cause::ReservationLost => String::from("the reservation was lost after the charge; the charge was given back"),
        Cause::CancelledByUser => String::from("the order was cancelled; nothing is charged"),
        Cause::CheckoutDisabled => String::from("checkout was switched off before the charge; nothing is charged"),
        Cause::GivenBack => String::from("the payment provider gave the charge back; nothing is charged"),
        Cause::QuoteExpired => String::from("the quote expired before the card could be charged; nothing is charged"),
    };
    let asked = order.retry_after_ms.filter(|_| cause.code().retryable()).map(Duration::from_millis);
    ToolError::new(cause.code(), message, correlation).about(&order.id, Effects::None).retry_after(asked)
}

/// The decline code where it helps to choose what to do next. Others stay in the record: providers demand that a card's
/// holder does not learn that it is reported stolen, or that the payment looks fraudulent.
fn told_decline(code: &str) -> Option<&str> {
    const TOLD: [&str; 11] = [
        "authentication_required",
        "card_not_supported",
        "card_velocity_exceeded",
        "currency_not_supported",
        "expired_card",
        "incorrect_cvc",
        "incorrect_number",
        "insufficient_funds",
        "invalid_expiry",
        "issuer_not_available",
        "withdrawal_count_limit_exceeded",
    ];
    TOLD.into_iter().find(|told| *told == code)
}

/// A tool error as the structured content that carries it.
pub fn failed_reply(error: &ToolError) -> SavedReply {
    SavedReply { structured: json!({ "error": error }), is_error: true }
}

/// The terminal state of a key's idempotency entry for an order that has ended; `None` while it has not.
pub fn entry_state(key: &EntryKey, order: &Order, now: jiff::Timestamp) -> Option<EntryState> {
    // An order that has ended is answered without a wait.
    let asked = Asked { at: now, lease: Duration::ZERO };
    // A parked order's entry stays open (it is never dropped while a person is to look); its answer is read from the order.
    if order.is_open() || order.is_parked() {
        return None;
    }
    // A key that took the order back is answered otherwise than one that bought it.
    if key.is_of_a_cancellation()
        && let Standing::Failed(_) | Standing::Cancelled = standing(order)
    {
        return Some(EntryState::Done { reply: cancel_reply(order, asked), ended_at: now });
    }
    let reply = sale_reply(order, asked);
    Some(match standing(order) {
        Standing::Failed(cause) if cause.code().retryable() => EntryState::FailedClean { ended_at: now },
        Standing::Failed(_) => EntryState::FailedFinal { reply, ended_at: now },
        Standing::Pending(..) => return None,
        Standing::Success | Standing::Cancelled => EntryState::Done { reply, ended_at: now },
    })
}

/// The code of an answer that is an error.
pub fn error_code(reply: &SavedReply) -> Option<Code> {
    reply.is_error.then(|| Code::deserialize(reply.structured.pointer("/error/code")?).ok())?
}

/// The status and code of a `checkout_result` event for an answer.
pub fn told(reply: &SavedReply) -> (CheckoutStatus, Option<Code>) {
    if reply.is_error {
        return (CheckoutStatus::Failed, error_code(reply));
    }
    match reply.structured.get("status").and_then(Value::as_str) {
        Some("pending") => (CheckoutStatus::Pending, None),
        Some("cancelled") => (CheckoutStatus::Cancelled, None),
        _ => (CheckoutStatus::Success, None),
    }
}

#[cfg(test)]
pub(crate) mod tests;
