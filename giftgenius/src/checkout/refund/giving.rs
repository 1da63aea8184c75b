//! Asking for refunds: which may have been asked for already, and when another amount may be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::still_late;
use crate::checkout::listing::{expected, is_known, stays};
use crate::checkout::order::Order;
use crate::checkout::steps::RoundContext;
use crate::money::Money;
use crate::providers::payment::{ChargeRecord, RefundStatus};
use crate::providers::{Caller, provider_key};
use crate::retry::{Failure, Refusal};

/// Whether less is left of the charge than the listing showed, so that another listing is needed.
pub(super) fn is_less_left(refusal: &Refusal) -> bool {
    refusal.code == "exceeds_charge"
}

/// What was given back in one round.
#[derive(Default)]
pub(super) struct Given {
    /// How many refunds were accepted.
    pub(super) refunds: u32,
    /// Whether one of them is done only later.
    pub(super) processing: bool,
    /// Whether one of the replies may be that of an earlier request.
    pub(super) unproven: bool,
    /// How long to wait before another amount may be given back than was asked for before; nothing was asked for then.
    pub(super) waits: Option<Duration>,
}

/// What may have been asked for so far.
pub(super) struct Asking<'a> {
    context: RoundContext<'a>,
    /// When the latest listing was asked for.
    pub(super) listed_at: Instant,
    /// The refunds of this round, and when the last of them was asked for.
    own: Vec<(SmolStr, i64)>,
    last: Option<Instant>,
    /// Whether one of them may still be made: its reply was lost.
    is_unheard: bool,
    /// The charges that a listing of this round has shown, believed or not, and whether as disputed.
    shown: Vec<(SmolStr, bool)>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(context: RoundContext<'a>) -> Self {
        Self { context, listed_at: Instant::now(), own: Vec::new(), last: None, is_unheard: false, shown: Vec::new() }
    }

    /// From when on a listing cannot be older than the last refund that was asked for.
    fn fresh_from(&self, caller: &Caller) -> Instant {
        self.last.unwrap_or(self.context.quiet_since) + caller.policy.late_max / LISTING_LAG
    }

    /// How long it takes until a listing cannot be older than the last refund that was asked for; `None` once that is so.
    pub(super) fn until_fresh(&self, caller: &Caller) -> Option<Duration> {
        let wait = self.fresh_from(caller).saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Whether a refund that was asked for before the latest one may still be made.
    pub(super) fn may_come_yet(&self, caller: &Caller) -> bool {
        self.is_unheard || (self.context.repeated && still_late(caller, self.context).is_some())
    }

    /// Takes note of the charges in a listing.
    pub(super) fn was_shown(&mut self, records: &[ChargeRecord]) {
        for record in records {
            match self.shown.iter_mut().find(|(id, _)| *id == record.id) {
                Some((_, disputed)) => *disputed |= record.is_disputed(),
                None => self.shown.push((record.id.clone(), record.is_disputed())),
            }
        }
    }

    /// Whether a listing lacks a charge or a dispute that an earlier one of this round had: it is older than that, and no
    /// proof that nothing stands.
    pub(super) fn misses(&self, records: &[ChargeRecord]) -> bool {
        let has = |(id, disputed): &(SmolStr, bool)| {
            records.iter().any(|record| record.id == *id && (record.is_disputed() || !disputed))
        };
        !self.shown.iter().all(has)
    }

    /// Whether this very refund may have been asked for before.
    fn may_have_asked(&self, charge: &str, minor_units: i64) -> bool {
        self.context.repeated || self.own.iter().any(|(id, asked)| (id.as_str(), *asked) == (charge, minor_units))
    }

    /// How long a refund has to wait: one in another amount may have been requested with unknown outcome, and the listing
    /// with this amount may be outdated.
    fn has_to_wait(&self, caller: &Caller, charge: &str, minor_units: i64, expected: i64) -> Option<Duration> {
        let last = self.own.iter().rev().find(|(id, _)| id == charge).map(|(_, asked)| *asked);
        let before = last.or_else(|| self.context.repeated.then_some(expected));
        let is_other = before.is_some_and(|before| before != minor_units);
        (is_other && self.listed_at < self.fresh_from(caller)).then(|| self.until_fresh(caller).unwrap_or_default())
    }
}

/// A listing lags at most this part of the provider's bound on late effects behind.
pub(super) const LISTING_LAG: u32 = 10;

/// Refunds what stands of each charge but the one that is to stay. Every refund's key names charge and amount, so that a
/// repeat is one.
pub(super) async fn give_back(
    caller: &Caller,
    order: &Order,
    records: &[ChargeRecord],
    asking: &mut Asking<'_>,
) -> Result<Given, Failure> {
    asking.was_shown(records);
    let mut given = Given::default();
    let is_owed = |record: &&ChargeRecord| record.standing() > 0 && !stays(order, record) && !record.is_disputed();
    for record in records.iter().filter(is_owed) {
        let expected = expected(order, record);
        // Never more than was taken, whatever this listing shows.
        let standing = if is_known(order, record) { record.standing().min(expected) } else { record.standing() };
        if let Some(wait) = asking.has_to_wait(caller, &record.id, standing, expected) {
            given.waits = Some(wait);
            return Ok(given);
        }
        let is_repeat = asking.may_have_asked(&record.id, standing);
        asking.context.asks.store(true, Ordering::Relaxed);
        asking.last = Some(Instant::now());
        asking.own.push((record.id.clone(), standing));
        let amount = Money::new(standing, record.currency);
        let step = format!("payment.refund/{}/{}", record.id, amount.minor_units);
        let key = provider_key(order.id.as_str(), &step, order.saga.refund_epoch);
        match caller.refund_once(&order.id, &record.id, amount, &key, &order.correlation_id).await {
            Ok(status) => {
                given.refunds += 1;
                given.processing |= status == RefundStatus::Processing;
                given.unproven |= is_repeat;
            }
            Err(failure) => {
                asking.is_unheard |= matches!(failure, Failure::Unclear { .. });
                return Err(failure);
            }
        }
    }
    Ok(given)
}
