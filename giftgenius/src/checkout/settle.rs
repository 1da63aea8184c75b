//! Unknown charges (F7): asked first, then at most repeated with the same key, never charged a second time.
//!
//! Between two charge requests of which the first may have landed stands a look-up. A look-up that finds nothing proves
//! nothing while requests may still be on their way; what proves is a closed reference, or the provider's declared
//! bound on late effects having passed. A refusal proves nothing about an earlier request either: it may speak of the
//! repeat only.

use super::order::Order;
use super::state::{Cause, Charge, Direction, Outcome};
use super::steps::{Round, RoundContext, came, not_yet};
use crate::money::Money;
use crate::ports::Provider;
use crate::providers::payment::ChargeRecord;
use crate::providers::{Caller, provider_key};
use crate::retry::{CallFailed, Failure, Refusal, Urgency};

/// The key under which an order is charged: one for its whole life, since an order has one charge.
fn charge_key(order: &Order) -> String {
    provider_key(order.id.as_str(), "payment.charge", 1)
}

fn cause_of(refusal: Refusal) -> Cause {
    match (refusal.status, refusal.code.as_str()) {
        (402, _) => Cause::Declined(refusal.detail.unwrap_or(refusal.code)),
        (404, "unknown_payment_method") => Cause::UnknownPaymentMethod,
        _ => Cause::PaymentRefused,
    }
}

/// A charge that stands, as agreed or not.
fn standing(order: &Order, record: &ChargeRecord) -> Outcome {
    let (charge_id, minor_units) = (record.id.clone(), record.amount);
    if Money::new(record.amount, record.currency) == order.amount {
        Outcome::Captured { charge_id, minor_units }
    } else {
        Outcome::WrongAmount { charge_id, minor_units }
    }
}

fn first_standing(records: &[ChargeRecord]) -> Option<&ChargeRecord> {
    records.iter().find(|record| record.standing() > 0)
}

/// What is charged under an order. Every listing is looked at for a second charge: a person must know of it, even where
/// it is given back at once.
async fn look_up(caller: &Caller, order: &Order) -> Result<Vec<ChargeRecord>, Failure> {
    let charges = caller.look_up_once(&order.id, &order.correlation_id).await?;
    caller.alert_of_charges(order, &charges);
    Ok(charges)
}

/// Closes an order's reference; the same listing.
async fn close(caller: &Caller, order: &Order) -> Result<Vec<ChargeRecord>, Failure> {
    let key = provider_key(order.id.as_str(), "payment.cancel", 1);
    let charges = caller.cancel_once(&order.id, &key, &order.correlation_id).await?;
    caller.alert_of_charges(order, &charges);
    Ok(charges)
}

/// Charges for the first time.
pub async fn charge(caller: &Caller, order: &Order, context: RoundContext) -> Round {
    let key = charge_key(order);
    let mut retry = caller.retry(Provider::Payment, context.urgency);
    loop {
        if retry.maybe_applied() {
            match look_up(caller, order).await {
                Ok(records) => {
                    if let Some(record) = first_standing(&records) {
                        return Round::Came(confirmed(caller, order, record).await.unwrap_or(Outcome::Unsettled));
                    }
                }
                Err(failure) => match retry.again(failure).await {
                    Ok(()) => continue,
                    Err(_) => return Round::Came(Outcome::Unsettled),
                },
            }
        }
        let charged =
            caller.charge_once(&order.id, &key, order.amount, &order.payment_method_id, &order.correlation_id);
        let failure = match charged.await {
            Ok((charge_id, amount)) if amount == order.amount => {
                return Round::Came(Outcome::Captured { charge_id, minor_units: amount.minor_units });
            }
            // Not the agreed amount, if the reply is to be believed: the look-up tells.
            Ok(_) => return Round::Came(Outcome::Unsettled),
            Err(failure) => failure,
        };
        // Without deduplication a request that was sent stays the only one, whatever it was answered.
        let sent = matches!(failure, Failure::Unclear { .. } | Failure::NotNow { .. });
        if sent && !caller.policy.payment_profile.deduplicates() {
            return Round::Came(Outcome::Unsettled);
        }
        if let Err(failed) = retry.again(failure).await {
            let asked = failed.retry_after();
            let CallFailed { last, maybe_applied } = failed;
            let outcome = match last {
                Failure::Refused(refusal) if maybe_applied => Outcome::UnsettledGoBack(cause_of(refusal)),
                Failure::Refused(refusal) => Outcome::NotCaptured(cause_of(refusal)),
                Failure::NotNow { .. } | Failure::NotSent | Failure::Unclear { .. } if maybe_applied => {
                    Outcome::Unsettled
                }
                Failure::NotNow { .. } | Failure::NotSent | Failure::Unclear { .. } => {
                    Outcome::NotCaptured(Cause::PaymentUnavailable)
                }
            };
            return came(outcome, asked);
        }
    }
}

/// A look-up that tells another amount than was agreed is looked up once more before it is believed: giving back an
/// amount that was only told wrong would undo a good sale. `None`: it could not be confirmed.
async fn confirmed(caller: &Caller, order: &Order, record: &ChargeRecord) -> Option<Outcome> {
    match standing(order, record) {
        Outcome::WrongAmount { .. } => {
            let again = look_up(caller, order).await.ok()?;
            first_standing(&again).map(|record| standing(order, record))
        }
        agreed => Some(agreed),
    }
}

/// Finds out whether the money was taken. Nothing is ever charged here: what has not landed by now is called off.
pub async fn settle(caller: &Caller, order: &Order, context: RoundContext) -> Round {
    let mut retry = caller.retry(Provider::Payment, context.urgency);
    let records = loop {
        match look_up(caller, order).await {
            Ok(records) => break records,
            Err(failure) => {
                if let Err(failed) = retry.again(failure).await {
                    return not_yet(caller, &failed);
                }
            }
        }
    };
    match first_standing(&records) {
        Some(record) => confirmed(caller, order, record).await.map_or(Round::NotYet(None), Round::Came),
        None => Round::Came(Outcome::UnsettledGoBack(Cause::PaymentUnavailable)),
    }
}

/// Makes sure that no money stands: closes the reference where that can be done, and gives back what is under it.
pub async fn undo_charge(caller: &Caller, order: &Order, context: RoundContext, urgency: Urgency) -> Round {
    if let (Charge::GivenBack { .. }, Some(wait), false) =
        (&order.saga.charge, still_late(caller, context), context.noticed)
    {
        return Round::TooEarly { wait, looked: false };
    }
    let closing = caller.policy.payment_profile.can_close_reference() && !order.saga.close_refused;
    let mut retry = caller.retry(Provider::Payment, urgency);
    loop {
        let listed = if closing { close(caller, order).await } else { look_up(caller, order).await };
        let failure = match sure(caller, order, listed).await {
            Ok(records) => match give_back(caller, order, &records).await {
                Ok(()) if closing || cannot_come_late(caller, order) => return Round::Came(Outcome::Undone),
                // Nothing stands now, but a request may still be on its way.
                Ok(()) => return given_back(caller, order, context),
                Err(Failure::Refused(_)) => return refund_refused(caller, order, context).await,
                Err(failure) => failure,
            },
            // Not to be asked again; looking up and giving back remain, and time proves the rest.
            Err(Failure::Refused(_)) if closing => return Round::Came(Outcome::CloseRefused),
            // A look-up changes nothing: a later round may ask anew.
            Err(Failure::Refused(_)) => return Round::NotYet(None),
            Err(failure) => failure,
        };
        if let Err(failed) = retry.again(failure).await {
            return not_yet(caller, &failed);
        }
    }
}

/// A refund that is refused is not asked for again; but an earlier request for it may have been done.
async fn refund_refused(caller: &Caller, order: &Order, context: RoundContext) -> Round {
    let listed = look_up(caller, order).await;
    match sure(caller, order, listed).await {
        Ok(records) if first_standing(&records).is_none() => given_back(caller, order, context),
        Ok(_) => Round::Came(Outcome::GaveUp),
        Err(_) => Round::Came(Outcome::LostTrack),
    }
}

/// Nothing stands now; whether that is the end of it is a matter of time.
fn given_back(caller: &Caller, order: &Order, context: RoundContext) -> Round {
    match (still_late(caller, context), &order.saga.charge) {
        (None, _) => Round::Came(Outcome::Undone),
        (Some(_), Charge::Captured { .. }) => Round::Came(Outcome::GivenBack),
        (Some(wait), _) => Round::TooEarly { wait, looked: true },
    }
}

/// Whether nothing of the charge can still be on its way: its outcome is known, and a copy of it has no effect.
const fn cannot_come_late(caller: &Caller, order: &Order) -> bool {
    matches!(order.saga.charge, Charge::Captured { .. }) && caller.policy.payment_profile.deduplicates()
}

/// How long a charge request can still take effect; `None` once it cannot.
fn still_late(caller: &Caller, context: RoundContext) -> Option<std::time::Duration> {
    let safe_at = crate::time::add(context.sent_at, caller.policy.late_max);
    let wait = crate::time::until(caller.ports.clock.now(), safe_at);
    (!wait.is_zero()).then_some(wait)
}

/// Looks for copies of the charge that landed late, where the provider does not deduplicate, and gives them back. What an
/// event tells of is given back at once; that nothing else comes is known only when it is too late for it.
pub async fn sweep(caller: &Caller, order: &Order, context: RoundContext, urgency: Urgency) -> Round {
    match still_late(caller, context) {
        None => recheck(caller, order, urgency).await,
        Some(wait) if !context.noticed => Round::TooEarly { wait, looked: false },
        Some(wait) => match recheck(caller, order, urgency).await {
            Round::Came(Outcome::Swept) => Round::TooEarly { wait, looked: true },
            other @ (Round::Came(_) | Round::CameAsking(..) | Round::NotYet(_) | Round::TooEarly { .. }) => other,
        },
    }
}

/// Gives back what should not stand: every charge but the one that a paid order keeps.
pub async fn recheck(caller: &Caller, order: &Order, urgency: Urgency) -> Round {
    let mut retry = caller.retry(Provider::Payment, urgency);
    loop {
        let listed = look_up(caller, order).await;
        let failure = match sure(caller, order, listed).await {
            Ok(records) => match give_back(caller, order, &records).await {
                Ok(()) => return Round::Came(Outcome::Swept),
                Err(Failure::Refused(_)) => return Round::Came(Outcome::GaveUp),
                Err(failure) => failure,
            },
            Err(Failure::Refused(_)) => return Round::NotYet(None),
            Err(failure) => failure,
        };
        if let Err(failed) = retry.again(failure).await {
            return not_yet(caller, &failed);
        }
    }
}

/// A listing that can be acted on. One that tells amounts which are not the agreed ones, or a charge given back in part
/// (which nobody does here), is looked up once more: refunding what was only told wrong would send a second refund while
/// the first is in doubt.
async fn sure(
    caller: &Caller,
    order: &Order,
    listed: Result<Vec<ChargeRecord>, Failure>,
) -> Result<Vec<ChargeRecord>, Failure> {
    let records = listed?;
    if !records.iter().any(|record| is_odd(order, record)) {
        return Ok(records);
    }
    match look_up(caller, order).await? {
        again if again == records => Ok(records),
        _ => Err(Failure::Unclear { retry_after: None }),
    }
}

fn is_odd(order: &Order, record: &ChargeRecord) -> bool {
    let known = match &order.saga.charge {
        Charge::Captured { charge_id, minor_units, .. } if *charge_id == record.id => *minor_units,
        Charge::Captured { .. }
        | Charge::GivenBack { .. }
        | Charge::NotSent
        | Charge::Sending { .. }
        | Charge::Void
        | Charge::Stuck { .. } => order.amount.minor_units,
    };
    Money::new(record.amount, record.currency) != Money::new(known, order.amount.currency)
        || (record.refunded != 0 && record.refunded != record.amount)
}

/// Refunds what stands of each charge but the one that is to stay: going forward that is the order's own charge. Every
/// refund's key names charge and amount, so that a repeat is one.
async fn give_back(caller: &Caller, order: &Order, records: &[ChargeRecord]) -> Result<(), Failure> {
    let forward = order.saga.direction == Direction::Forward;
    for record in records.iter().filter(|record| record.standing() > 0) {
        let standing = match &order.saga.charge {
            Charge::Captured { charge_id, .. } if *charge_id == record.id && forward => continue,
            // Known to be given back, whatever this listing tells of it.
            Charge::GivenBack { charge_id, .. } if *charge_id == record.id => continue,
            // Never more than was taken, whatever this listing tells of it.
            Charge::Captured { charge_id, minor_units, .. } if *charge_id == record.id => {
                record.standing().min(*minor_units)
            }
            Charge::Captured { .. }
            | Charge::GivenBack { .. }
            | Charge::NotSent
            | Charge::Sending { .. }
            | Charge::Void
            | Charge::Stuck { .. } => record.standing(),
        };
        let amount = Money::new(standing, record.currency);
        let step = format!("payment.refund/{}/{}", record.id, amount.minor_units);
        let key = provider_key(order.id.as_str(), &step, 1);
        match caller.refund_once(&order.id, &record.id, amount, &key, &order.correlation_id).await {
            Ok(()) => {}
            // Less stands than the listing told: list again.
            Err(Failure::Refused(refusal)) if refusal.code == "exceeds_charge" => {
                return Err(Failure::Unclear { retry_after: None });
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
