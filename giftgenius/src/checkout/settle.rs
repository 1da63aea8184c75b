//! Unknown charges (F7): asked first, then at most repeated with the same key, never charged a second time.
//!
//! Between two charge requests of which the first may have landed stands a look-up. A look-up that finds nothing proves
//! nothing while requests may still be on their way; what proves is a closed reference, or the provider's declared
//! bound on late effects having passed. A refusal proves nothing about an earlier request either: it may speak of the
//! repeat only.

use smol_str::SmolStr;

use super::listing::{bears_out, look_up};
use super::order::Order;
use super::state::{Cause, Outcome, Overtaken};
use super::steps::{Round, RoundContext, came, not_yet};
use crate::money::Money;
use crate::ports::Provider;
use crate::providers::payment::{ChargeRecord, ChargeStatus, Charged};
use crate::providers::{Caller, provider_key};
use crate::retry::{CallFailed, Failure, Refusal};

/// The key under which an order is charged: one for its whole life, since an order has one charge.
fn charge_key(order: &Order) -> SmolStr {
    provider_key(order.id.as_str(), "payment.charge", 1)
}

fn cause_of(refusal: Refusal) -> Cause {
    match (refusal.status, refusal.code.as_str()) {
        (402, _) => Cause::Declined(refusal.detail.unwrap_or(refusal.code)),
        (404, "unknown_payment_method") => Cause::UnknownPaymentMethod,
        _ => Cause::PaymentRefused,
    }
}

/// The bank wants the person to confirm the charge. They are asked for another card instead, and what was accepted is
/// cancelled, because a sale does not wait for them.
fn wants_the_person() -> Outcome {
    Outcome::UnsettledGoBack(Cause::Declined(String::from("authentication_required")))
}

/// The first charge that stands, in the agreed amount or not. A disputed charge does not count, because it must not be
/// refunded while the dispute is open.
fn standing(order: &Order, records: &[ChargeRecord]) -> Option<Outcome> {
    let mut standing = records.iter().filter(|record| record.standing() > 0 && !record.is_disputed());
    let record = standing.next()?;
    let (charge_id, taken) = (record.id.clone(), Money::new(record.amount, record.currency));
    // What the provider has accepted may be captured yet.
    let alone = standing.next().is_none() && !records.iter().any(ChargeRecord::is_pending);
    Some(if taken == order.amount {
        Outcome::Captured { charge_id, minor_units: taken.minor_units, alone, told: false, refunded: record.refunded }
    } else {
        Outcome::WrongAmount { charge_id, taken }
    })
}

/// No charge stands any more: the provider took it back on its own, since GiftGenius undoes nothing while a sale goes
/// forward. A replayed reply that says otherwise is older than the listing.
fn taken_back(records: &[ChargeRecord]) -> Option<Outcome> {
    if records.iter().any(ChargeRecord::is_disputed) {
        return Some(Outcome::Overtaken(Overtaken::Disputed));
    }
    records.iter().any(ChargeRecord::is_given_back).then_some(Outcome::UnsettledGoBack(Cause::GivenBack))
}

/// What a listing says became of the money, and whether that is certain. Another amount than agreed is not: where nothing of
/// it stands any more, it is no more to be believed than where it does.
fn found(order: &Order, records: &[ChargeRecord]) -> Option<(Outcome, bool)> {
    if let Some(outcome) = standing(order, records) {
        let is_certain = matches!(outcome, Outcome::Captured { .. });
        return Some((outcome, is_certain));
    }
    let is_as_agreed = |record: &ChargeRecord| Money::new(record.amount, record.currency) == order.amount;
    taken_back(records).map(|outcome| (outcome, records.iter().all(is_as_agreed)))
}

/// Whether a listing shows a charge in this state.
fn has(records: &[ChargeRecord], status: ChargeStatus) -> bool {
    records.iter().any(|record| record.status == status)
}

/// Charges for the first time.
pub async fn charge(caller: &Caller, order: &Order, context: RoundContext<'_>) -> Round {
    let key = charge_key(order);
    let mut retry = caller.retry(Provider::Payment, context.urgency);
    let mut unclear = 0;
    loop {
        if retry.maybe_applied() {
            match look_up(caller, order).await {
                Ok(records) => {
                    if let Some(found) = found(order, &records) {
                        let outcome = confirmed(caller, order, &records, found).await.unwrap_or(Outcome::Unsettled);
                        return Round::Came(or_with_copies(outcome, unclear));
                    }
                    // The first one is at work: another would be a second.
                    if records.iter().any(ChargeRecord::is_pending) {
                        return Round::Came(Outcome::Unsettled);
                    }
                }
                Err(failure) => match retry.again(failure).await {
                    Ok(()) => continue,
                    Err(_) => return Round::Came(Outcome::Unsettled),
                },
            }
        }
        let charged = caller.charge_once(
            &order.id,
            &order.user,
            &key,
            order.amount,
            &order.payment_method_id,
            &order.correlation_id,
        );
        let failure = match charged.await {
            Ok(Charged::Captured { charge_id, amount }) if amount == order.amount => {
                // A key protects only while it is remembered: an earlier request may have taken the money too.
                let alone = !retry.maybe_applied();
                return Round::Came(Outcome::Captured {
                    charge_id,
                    minor_units: amount.minor_units,
                    alone,
                    told: true,
                    refunded: 0,
                });
            }
            // Another amount than agreed, if the reply is right, or none yet: look it up.
            Ok(Charged::Captured { .. } | Charged::Processing) => return Round::Came(Outcome::Unsettled),
            Ok(Charged::RequiresAction) => return Round::Came(wants_the_person()),
            Err(failure) => failure,
        };
        // Without deduplication a request that may have been applied stays the only one.
        let sent = matches!(failure, Failure::Unclear { .. });
        unclear += u32::from(sent);
        if sent && !caller.policy.payment_profile.deduplicates() {
            return Round::Came(Outcome::Unsettled);
        }
        if let Err(failed) = retry.again(failure).await {
            let asked = failed.retry_after();
            let CallFailed { last, maybe_applied } = failed;
            let outcome = match last {
                Failure::Refused(refusal) if maybe_applied => Outcome::UnsettledGoBack(cause_of(refusal)),
                Failure::Refused(refusal) => Outcome::NotCaptured(cause_of(refusal)),
                Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. }
                    if maybe_applied =>
                {
                    Outcome::Unsettled
                }
                Failure::NotNow { .. } | Failure::Denied | Failure::NotSent | Failure::Unclear { .. } => {
                    Outcome::NotCaptured(Cause::PaymentUnavailable)
                }
            };
            return came(outcome, asked);
        }
    }
}

/// Looks up again before a listing with a wrong amount is acted on: acting on a garbled amount would undo a good sale. The
/// second listing must agree with the first, or show the agreed amount. Returns `None` if neither is the case.
async fn confirmed(
    caller: &Caller,
    order: &Order,
    records: &[ChargeRecord],
    (outcome, is_certain): (Outcome, bool),
) -> Option<Outcome> {
    if is_certain {
        return Some(outcome);
    }
    let again = look_up(caller, order).await.ok()?;
    let (outcome, is_certain) = found(order, &again)?;
    (is_certain || bears_out(order, records, &again)).then_some(outcome)
}

/// Where more than one request may have taken the money, a listing that shows one charge need not show the last: a key
/// protects only while it is remembered.
fn or_with_copies(outcome: Outcome, unclear: u32) -> Outcome {
    match outcome {
        Outcome::Captured { charge_id, minor_units, alone, told, refunded } => {
            Outcome::Captured { charge_id, minor_units, alone: alone && unclear < 2, told, refunded }
        }
        other => other,
    }
}

/// Finds out whether the money was taken. Nothing is ever charged here: what has not landed by now is called off, unless
/// the provider says that it is working on it.
pub async fn settle(caller: &Caller, order: &Order, context: RoundContext<'_>) -> Round {
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
    if let Some(found) = found(order, &records) {
        return confirmed(caller, order, &records, found).await.map_or(Round::NotYet(None), Round::Came);
    }
    if has(&records, ChargeStatus::Processing) {
        return Round::NotYet(None);
    }
    Round::Came(if has(&records, ChargeStatus::RequiresAction) {
        wants_the_person()
    } else {
        Outcome::UnsettledGoBack(Cause::PaymentUnavailable)
    })
}
