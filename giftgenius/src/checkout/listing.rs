//! Listings of an order's charges: how one is asked for, what it proves, and whether it may be believed at all.

use super::order::Order;
use super::state::{Charge, Direction, Overtaken};
use crate::money::Money;
use crate::providers::payment::{ChargeRecord, ChargeStatus};
use crate::providers::{Caller, provider_key};
use crate::retry::Failure;

/// What is charged under an order. Every listing is looked at for a second charge: a person must know of it, even where
/// it is given back at once.
pub(super) async fn look_up(caller: &Caller, order: &Order) -> Result<Vec<ChargeRecord>, Failure> {
    let charges = caller.look_up_once(&order.id, &order.correlation_id).await?;
    caller.alert_of_charges(order, &charges);
    Ok(charges)
}

/// Closes an order's reference; the same listing.
pub(super) async fn close(caller: &Caller, order: &Order) -> Result<Vec<ChargeRecord>, Failure> {
    let key = provider_key(order.id.as_str(), "payment.cancel", 1);
    let charges = caller.cancel_once(&order.id, &key, &order.correlation_id).await?;
    caller.alert_of_charges(order, &charges);
    Ok(charges)
}

/// A listing that can be acted on, or the reason to ask again.
///
/// - One that lacks what is known is outdated.
/// - One with a wrong amount, or with a partial refund of a charge that is to be refunded (GiftGenius makes none), needs
///   a second look-up: acting on a garbled amount would send a second refund while the first is in doubt.
/// - A dispute of a charge in the right amount is believed at once. No money is moved for it, and a later listing may be
///   an older one. Next to a wrong amount, two listings have to show it.
pub(super) async fn sure(
    caller: &Caller,
    order: &Order,
    listed: Result<Vec<ChargeRecord>, Failure>,
) -> Result<Vec<ChargeRecord>, Failure> {
    let records = listed?;
    if misses(order, &records) || records.iter().any(|record| contradicts(order, record)) {
        return Err(Failure::Unclear { retry_after: None });
    }
    let sure_of_it = |record: &ChargeRecord| record.is_disputed() && is_in_its_amount(order, record);
    let is_disputed_for_sure =
        records.iter().any(sure_of_it) && records.iter().all(|record| is_in_its_amount(order, record));
    if is_disputed_for_sure || !records.iter().any(|record| is_odd(order, record)) {
        return Ok(records);
    }
    let later = look_up(caller, order).await?;
    let is_garbled = later.iter().any(|record| contradicts(order, record));
    let goes_on = is_disputed(&later) || !is_disputed(&records);
    let agrees = later.iter().any(sure_of_it) || (goes_on && bears_out(order, &records, &later));
    if !is_garbled && agrees { Ok(later) } else { Err(Failure::Unclear { retry_after: None }) }
}

/// Whether a second listing confirms the first: it has every charge of the first in the same amount, and nothing odd that
/// the first lacks. More may have been refunded by then, because a closing that is repeated under its key may be answered
/// with the listing of its first time.
pub(super) fn bears_out(order: &Order, first: &[ChargeRecord], later: &[ChargeRecord]) -> bool {
    let back = |record: &ChargeRecord| record.refunded + record.refunding;
    let is_taken = |record: &ChargeRecord| {
        matches!(
            record.status,
            ChargeStatus::Captured | ChargeStatus::PartiallyRefunded | ChargeStatus::Refunded | ChargeStatus::Disputed
        )
    };
    let first_of = |record: &ChargeRecord| first.iter().find(|told| told.id == record.id);
    let is_kept = |told: &ChargeRecord| {
        let again = later.iter().find(|record| record.id == told.id);
        again.is_some_and(|record| {
            let same_money = (record.amount, record.currency) == (told.amount, told.currency);
            // What was taken does not become untaken: it is given back.
            let same_kind = record.status == told.status || (is_taken(record) && is_taken(told));
            same_money && same_kind && back(record) >= back(told)
        })
    };
    let is_told = |record: &ChargeRecord| {
        let in_part = back(record) != 0 && back(record) != record.amount;
        first_of(record).is_some_and(|told| !in_part || back(told) == back(record))
    };
    first.iter().all(is_kept) && later.iter().all(|record| !is_odd(order, record) || is_told(record))
}

/// Whether a listing does not have the charge that is known to have been made: it is older than that.
fn misses(order: &Order, records: &[ChargeRecord]) -> bool {
    order.saga.known.as_ref().is_some_and(|known| records.iter().all(|record| record.id != known.id))
}

/// Whether a listing contradicts the amount in the charge's own reply: it is garbled, however often it is repeated.
fn contradicts(order: &Order, record: &ChargeRecord) -> bool {
    let known = order.saga.known.as_ref().filter(|known| known.told && known.id == record.id);
    known.is_some_and(|known| record_amount(record) != Money::new(known.minor_units, order.amount.currency))
}

const fn record_amount(record: &ChargeRecord) -> Money {
    Money::new(record.amount, record.currency)
}

/// Whether it is the order's own charge.
pub(super) fn is_known(order: &Order, record: &ChargeRecord) -> bool {
    order.saga.known.as_ref().is_some_and(|known| known.id == record.id)
}

/// What a charge should have taken: what is known of it, else what was agreed.
pub(super) fn expected(order: &Order, record: &ChargeRecord) -> i64 {
    let known = order.saga.known.as_ref().filter(|known| known.id == record.id);
    known.map_or(order.amount.minor_units, |known| known.minor_units)
}

/// Whether a charge is listed in the amount it should have.
fn is_in_its_amount(order: &Order, record: &ChargeRecord) -> bool {
    record_amount(record) == Money::new(expected(order, record), order.amount.currency)
}

pub(super) fn is_odd(order: &Order, record: &ChargeRecord) -> bool {
    let back = record.refunded + record.refunding;
    !is_in_its_amount(order, record) || (back != 0 && back != record.amount && !stays(order, record))
}

/// Whether a charge is to stay: going forward that is the order's own.
pub(super) fn stays(order: &Order, record: &ChargeRecord) -> bool {
    order.saga.direction == Direction::Forward
        && matches!(&order.saga.charge, Charge::Captured { charge_id, .. } if *charge_id == record.id)
}

/// The first charge that stands and is not to stay.
pub(super) fn first_standing<'a>(order: &Order, records: &'a [ChargeRecord]) -> Option<&'a ChargeRecord> {
    records.iter().find(|record| record.standing() > 0 && !stays(order, record))
}

pub(super) fn is_disputed(records: &[ChargeRecord]) -> bool {
    records.iter().any(ChargeRecord::is_disputed)
}

/// What the provider did on its own to charges that GiftGenius has not refunded. A charge that is to be refunded anyway
/// counts as refunded by GiftGenius, unless it is disputed.
pub(super) fn act_of_the_provider(order: &Order, records: &[ChargeRecord]) -> Option<Overtaken> {
    if is_disputed(records) {
        return Some(Overtaken::Disputed);
    }
    let is_gone = |record: &ChargeRecord| stays(order, record) && record.is_given_back();
    records.iter().any(is_gone).then_some(Overtaken::Refunded)
}

/// How much the provider gave back on its own of a charge that stays.
pub(super) fn in_part(order: &Order, records: &[ChargeRecord]) -> i64 {
    records.iter().filter(|record| stays(order, record)).map(|record| record.refunded).sum()
}
