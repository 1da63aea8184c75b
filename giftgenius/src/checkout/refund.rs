//! Refunds (F6): every charge that should not stand is refunded, and a refund counts only when it can no longer fail.
//!
//! Proof that nothing stands is a listing under a closed reference that never held a charge, or a look-up made after
//! the provider's declared bound on late effects has passed since the last request that moved money: by then every
//! late copy has landed, every refund has failed that will, and every listing shows it. A refund that failed is asked
//! for again under the next epoch: its key's answer is the old one's.

mod giving;

use std::time::Duration;

use tokio::time::Instant;

use self::giving::{Asking, Given, LISTING_LAG, give_back, is_less_left};
use super::listing::{act_of_the_provider, close, first_standing, in_part, is_disputed, is_known, look_up, sure};
use super::order::Order;
use super::state::{Charge, Copies, Outcome, Overtaken};
use super::steps::{Round, RoundContext, not_yet};
use crate::attempts;
use crate::ports::Provider;
use crate::providers::Caller;
use crate::providers::payment::ChargeRecord;
use crate::retry::{CallFailed, Failure, Refusal, Urgency};

/// Makes sure that no money stands: closes the reference where that can be done, and gives back what is under it.
pub async fn undo_charge(caller: &Caller, order: &Order, context: RoundContext<'_>, urgency: Urgency) -> Round {
    let closing = caller.policy.payment_profile.can_close_reference() && !order.saga.close_refused;
    let mut retry = caller.retry(Provider::Payment, urgency);
    let mut asking = Asking::new(context);
    let mut closes = closing;
    loop {
        asking.listed_at = Instant::now();
        let listed = if closes { close(caller, order).await } else { look_up(caller, order).await };
        let refused_to_close = closes && matches!(listed, Err(Failure::Refused(_)));
        let is_closed = closes && listed.is_ok();
        closes &= !is_closed;
        asking.was_shown(listed.as_deref().unwrap_or_default());
        // A closing that is repeated under its key is answered with the listing of its first time.
        let listed = if is_closed && context.refunded_before { look_up(caller, order).await } else { listed };
        let failure = match sure(caller, order, listed).await {
            Ok(records) if is_disputed(&records) => return overtaken(Overtaken::Disputed),
            Ok(records) if asking.misses(&records) => Failure::Unclear { retry_after: None },
            Ok(records) => match found(order, &records) {
                // Journalled before it is given back, so that no listing without it is believed afterwards.
                Some(found) => return Round::Came(found),
                None => match give_back(caller, order, &records, &mut asking).await {
                    Ok(Given { waits: Some(wait), .. }) => return Round::NotYet(Some(wait)),
                    Ok(given) if given.unproven => match looked_again(caller, order, context, &given, closing).await {
                        Ok(round) => return round,
                        Err(failure) => failure,
                    },
                    Ok(given) => return undone(caller, order, context, &records, &given, closing),
                    Err(Failure::Refused(refusal)) => {
                        return refund_refused(caller, order, context, &refusal, &records, &asking).await;
                    }
                    Err(failure) => failure,
                },
            },
            // Not to be asked again; looking up and giving back remain, and time proves the rest.
            Err(Failure::Refused(_)) if refused_to_close => return Round::Came(Outcome::CloseRefused),
            // A look-up changes nothing: a later round may repeat it.
            Err(Failure::Refused(_)) => return Round::NotYet(None),
            Err(failure) => failure,
        };
        if let Err(failed) = retry.again(failure).await {
            return not_yet(caller, &failed);
        }
    }
}

/// The first charge that is to be given back, where none of the order is known yet.
fn found(order: &Order, records: &[ChargeRecord]) -> Option<Outcome> {
    let record = first_standing(order, records).filter(|_| order.saga.known.is_none())?;
    Some(Outcome::Found { charge_id: record.id.clone(), minor_units: record.amount })
}

/// The reply to a refund that may have been asked for before proves nothing: it may be the first one's, and that refund may
/// have failed since. What a listing shows decides, at once where nothing stands, else once it cannot be an old one.
async fn looked_again(
    caller: &Caller,
    order: &Order,
    context: RoundContext<'_>,
    given: &Given,
    closing: bool,
) -> Result<Round, Failure> {
    let listed = look_up(caller, order).await;
    Ok(match sure(caller, order, listed).await {
        Ok(records) if is_disputed(&records) => overtaken(Overtaken::Disputed),
        Ok(records) if first_standing(order, &records).is_none() => {
            undone(caller, order, context, &records, given, closing)
        }
        Ok(_) | Err(Failure::Refused(_)) => Round::Came(Outcome::GivenBack { done: false }),
        Err(failure) => return Err(failure),
    })
}

/// The outcome once none of these charges stands.
fn undone(
    caller: &Caller,
    order: &Order,
    context: RoundContext<'_>,
    records: &[ChargeRecord],
    given: &Given,
    closing: bool,
) -> Round {
    // Accepted before, and not called off: it may be captured yet.
    if records.iter().any(ChargeRecord::is_pending) {
        return still_late(caller, context).map_or(Round::NotYet(None), |wait| Round::TooEarly { wait, looked: true });
    }
    let no_copy_can_come = closing || cannot_come_late(caller, order);
    let is_refund = |record: &ChargeRecord| record.refunded > 0 || record.refunding > 0;
    if given.refunds > 0 || records.iter().any(is_refund) {
        let processing = given.processing || records.iter().any(|record| record.refunding > 0);
        return Round::Came(Outcome::GivenBack { done: no_copy_can_come && !processing });
    }
    match still_late(caller, context) {
        Some(wait) if !no_copy_can_come => Round::TooEarly { wait, looked: true },
        _ => Round::Came(Outcome::Undone),
    }
}

/// A refund that is refused is not asked for again under its key; but an earlier request for it may have been done. A
/// listing that lacks the charge, or shows more than is left of it, is outdated: another one is needed.
async fn refund_refused(
    caller: &Caller,
    order: &Order,
    context: RoundContext<'_>,
    refusal: &Refusal,
    told: &[ChargeRecord],
    asking: &Asking<'_>,
) -> Round {
    let spent = || Round::Spent(asking.until_fresh(caller).unwrap_or_default());
    let listed = look_up(caller, order).await;
    match sure(caller, order, listed).await {
        Ok(records) if is_disputed(&records) => overtaken(Overtaken::Disputed),
        Ok(records) if told.iter().any(|told| records.iter().all(|record| record.id != told.id)) => spent(),
        Ok(records) if first_standing(order, &records).is_none() => {
            undone(caller, order, context, &records, &Given::default(), false)
        }
        Ok(_) | Err(_) if is_less_left(refusal) => spent(),
        Ok(_) if !asking.may_come_yet(caller) => Round::Came(Outcome::GaveUp),
        // An earlier request may be made yet, so that nobody knows whether the charge will stand.
        Ok(_) | Err(_) => Round::Came(Outcome::LostTrack),
    }
}

/// Looks once a refund can have failed, and every late copy of the charge has landed, whether nothing stands.
pub async fn confirm(caller: &Caller, order: &Order, context: RoundContext<'_>, urgency: Urgency) -> Round {
    if let Some(wait) = still_late(caller, context) {
        return early(caller, order, context, wait).await;
    }
    let mut retry = caller.retry(Provider::Payment, urgency);
    loop {
        let listed = look_up(caller, order).await;
        let failure = match sure(caller, order, listed).await {
            Ok(records) => return confirmed(order, &records, Outcome::Undone),
            // A look-up changes nothing: a later round may repeat it.
            Err(Failure::Refused(_)) => return Round::NotYet(None),
            Err(failure) => failure,
        };
        if let Err(failed) = retry.again(failure).await {
            return not_yet(caller, &failed);
        }
    }
}

/// What a listing says that was made when all had shown.
fn confirmed(order: &Order, records: &[ChargeRecord], nothing_stands: Outcome) -> Round {
    if let Some(how) = act_of_the_provider(order, records) {
        return overtaken(how);
    }
    match first_standing(order, records) {
        Some(record) if record.refunding != 0 => Round::NotYet(None),
        // In part too, which was looked up twice: the provider gave the rest back on its own.
        Some(_) => Round::Came(Outcome::RefundFailed),
        // Later than the provider promised.
        None if records.iter().any(|record| record.refunding > 0 || record.is_pending()) => Round::NotYet(None),
        None => Round::Came(match in_part(order, records) {
            refunded if refunded > 0 && nothing_stands == Outcome::Swept => Outcome::SweptInPart { refunded },
            _ => nothing_stands,
        }),
    }
}

const fn overtaken(how: Overtaken) -> Round {
    Round::Came(Outcome::Overtaken(how))
}

/// Looks for copies of the charge, and gives them back: late ones, where the provider does not deduplicate, and any that
/// was seen.
pub async fn sweep(caller: &Caller, order: &Order, context: RoundContext<'_>, urgency: Urgency) -> Round {
    match still_late(caller, context) {
        Some(wait) => early(caller, order, context, wait).await,
        None => search(caller, order, context, urgency).await,
    }
}

/// Gives back what came after an order had ended: every charge but the one that a paid order keeps.
pub async fn recheck(caller: &Caller, order: &Order, context: RoundContext<'_>, urgency: Urgency) -> Round {
    match still_late(caller, context) {
        // What was given back is confirmed like any other refund.
        Some(wait) if order.saga.copies == Copies::GivenBack => early(caller, order, context, wait).await,
        Some(_) | None => search(caller, order, context, urgency).await,
    }
}

/// Before the last look is due nothing is done, unless an event asks for a look: what stands by then is given back now,
/// under the key that it has, so that it does not matter whether the listing is an old one. The last look decides.
async fn early(caller: &Caller, order: &Order, context: RoundContext<'_>, wait: Duration) -> Round {
    if !context.noticed {
        return Round::TooEarly { wait, looked: false };
    }
    // This look-up is never retried within a call, so it must not be logged as a caller's attempt.
    attempts::urgent(Urgency::Round);
    let mut asking = Asking::new(context);
    let gave_back =
        matches!(order.saga.charge, Charge::GivenBack { .. }) || matches!(order.saga.copies, Copies::GivenBack);
    // A listing may lag behind the last refund and still show that charge as standing. If the refund was refused, a repeat
    // under its key would be refused again. Which copy was refunded is not stored, so all copies wait.
    let stale = asking.until_fresh(caller).filter(|_| gave_back);
    let may_be_back = |record: &ChargeRecord| is_known(order, record) || order.saga.copies == Copies::GivenBack;
    let listed = look_up(caller, order).await;
    let failure = match sure(caller, order, listed).await {
        Ok(records) if act_of_the_provider(order, &records).is_some() => {
            return confirmed(order, &records, Outcome::Swept);
        }
        Ok(mut records) => {
            let refunded = in_part(order, &records);
            let is_news = refunded > 0 && refunded != order.saga.refunded;
            records.retain(|record| stale.is_none() || !may_be_back(record));
            match give_back(caller, order, &records, &mut asking).await {
                Ok(Given { waits: Some(wait), .. }) => return Round::TooEarly { wait, looked: false },
                Ok(Given { refunds: 0, .. }) if stale.is_some() => {
                    return Round::TooEarly { wait: stale.unwrap_or(wait), looked: false };
                }
                Ok(Given { refunds: 0, .. }) if order.saga.is_releasing() => return Round::Came(Outcome::StillBack),
                Ok(Given { refunds: 0, .. }) if is_news => return Round::Came(Outcome::BackInPart { refunded }),
                Ok(Given { refunds: 0, .. }) => return Round::TooEarly { wait, looked: true },
                Ok(_) => return Round::Came(Outcome::GivenBack { done: false }),
                Err(Failure::Refused(refusal)) if is_less_left(&refusal) => {
                    return Round::Spent(asking.until_fresh(caller).unwrap_or_default());
                }
                Err(Failure::Refused(_)) => return Round::Came(Outcome::GaveUp),
                Err(failure) => failure,
            }
        }
        Err(failure) => failure,
    };
    not_yet(caller, &CallFailed { last: failure, maybe_applied: true })
}

/// Looks for charges that should not stand.
async fn search(caller: &Caller, order: &Order, context: RoundContext<'_>, urgency: Urgency) -> Round {
    let mut retry = caller.retry(Provider::Payment, urgency);
    let mut asking = Asking::new(context);
    loop {
        asking.listed_at = Instant::now();
        let listed = look_up(caller, order).await;
        asking.was_shown(listed.as_deref().unwrap_or_default());
        let failure = match sure(caller, order, listed).await {
            Ok(records) if asking.misses(&records) => Failure::Unclear { retry_after: None },
            Ok(records) if order.saga.copies == Copies::GivenBack => return confirmed(order, &records, Outcome::Swept),
            Ok(records) if act_of_the_provider(order, &records).is_some() => {
                return confirmed(order, &records, Outcome::Swept);
            }
            Ok(records) => match give_back(caller, order, &records, &mut asking).await {
                Ok(Given { waits: Some(wait), .. }) => return Round::NotYet(Some(wait)),
                Ok(Given { refunds: 0, .. }) => {
                    // A refund by the provider is not reversed: a listing that shows less is older.
                    let refunded = in_part(order, &records).max(order.saga.refunded);
                    return match may_be_old(caller, order, context, asking.listed_at) {
                        // Report it now. A later listing shows whether the event was about more.
                        Some(wait) if refunded > order.saga.refunded => Round::InPart { refunded, wait },
                        Some(wait) => Round::TooEarly { wait, looked: false },
                        None if refunded == 0 => Round::Came(Outcome::Swept),
                        None => Round::Came(Outcome::SweptInPart { refunded }),
                    };
                }
                Ok(_) => return Round::Came(Outcome::GivenBack { done: false }),
                // An earlier request that was not answered made the refund. It is confirmed like any other.
                Err(Failure::Refused(refusal)) if is_less_left(&refusal) => {
                    return Round::Came(Outcome::GivenBack { done: false });
                }
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

/// How long until a listing can no longer be older than an event that reported a refund or dispute, where this one, asked
/// for at that instant, may be: it may lack what the event was about, however late its answer came.
fn may_be_old(caller: &Caller, order: &Order, context: RoundContext<'_>, listed_at: Instant) -> Option<Duration> {
    let fresh_from = context.heard_at + caller.policy.late_max / LISTING_LAG;
    let wait = fresh_from.saturating_duration_since(Instant::now());
    (order.heard_of_money_back && listed_at < fresh_from).then_some(wait)
}

/// Whether no copy of the charge can still be on its way: its outcome is known, and a copy of it has no effect.
const fn cannot_come_late(caller: &Caller, order: &Order) -> bool {
    matches!(order.saga.charge, Charge::Captured { .. }) && caller.policy.payment_profile.deduplicates()
}

/// How long it takes until all that was sent has taken effect and shows; `None` once it has.
fn still_late(caller: &Caller, context: RoundContext<'_>) -> Option<Duration> {
    let settled_at = context.quiet_since + caller.policy.late_max;
    let wait = settled_at.saturating_duration_since(Instant::now());
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests;
