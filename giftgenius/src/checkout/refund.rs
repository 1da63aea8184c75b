//! Giving money back (F6): what stands is refunded, and a refund counts only once it can fail no more.
//!
//! Proof that nothing stands is a listing under a closed reference that never held a charge, or a look-up made after
//! the provider's declared bound on late effects has passed since the last request that moved money: by then every
//! late copy has landed, every refund has failed that will, and every listing shows it. A refund that failed is asked
//! for again under the next epoch: its key's answer is the old one's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::order::Order;
use super::settle::{close, look_up};
use super::state::{Charge, Copies, Direction, Outcome, Overtaken};
use super::steps::{Round, RoundContext, not_yet};
use crate::money::Money;
use crate::ports::Provider;
use crate::providers::payment::{ChargeRecord, ChargeStatus, RefundStatus};
use crate::providers::{Caller, provider_key};
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
            // A look-up changes nothing: a later round may ask anew.
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

/// What it means that nothing of these charges stands any more.
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
/// listing that does not have the charge, or tells of more than is left of it, is an old one: another is due.
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
        Ok(_) => Round::Came(Outcome::GaveUp),
        Err(_) => Round::Came(Outcome::LostTrack),
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
            // A look-up changes nothing: a later round may ask anew.
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
        // Given back in part, which nobody does here: a listing that tells so is not believed.
        Some(record) if record.refunded + record.refunding != 0 => Round::NotYet(None),
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

fn is_disputed(records: &[ChargeRecord]) -> bool {
    records.iter().any(ChargeRecord::is_disputed)
}

/// What the provider did on its own to charges that nobody here has given back. Of a charge that goes back it counts as
/// ours, whoever did it, unless it is disputed.
fn act_of_the_provider(order: &Order, records: &[ChargeRecord]) -> Option<Overtaken> {
    if is_disputed(records) {
        return Some(Overtaken::Disputed);
    }
    let is_gone = |record: &ChargeRecord| stays(order, record) && record.is_given_back();
    records.iter().any(is_gone).then_some(Overtaken::Refunded)
}

/// How much the provider gave back on its own of a charge that stays.
fn in_part(order: &Order, records: &[ChargeRecord]) -> i64 {
    records.iter().filter(|record| stays(order, record)).map(|record| record.refunded).sum()
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
    let mut asking = Asking::new(context);
    let gave_back =
        matches!(order.saga.charge, Charge::GivenBack { .. }) || matches!(order.saga.copies, Copies::GivenBack);
    // What was given back a moment ago may still be listed as standing; what came since is given back all the same.
    let stale = asking.until_fresh(caller).filter(|_| gave_back);
    let listed = look_up(caller, order).await;
    let failure = match sure(caller, order, listed).await {
        Ok(records) if act_of_the_provider(order, &records).is_some() => {
            return confirmed(order, &records, Outcome::Swept);
        }
        Ok(mut records) => {
            let refunded = in_part(order, &records);
            let is_news = refunded > 0 && refunded != order.saga.refunded;
            records.retain(|record| stale.is_none() || !is_known(order, record));
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
                    // What the provider gave back stays given back: a listing that tells less is an older one.
                    let refunded = in_part(order, &records).max(order.saga.refunded);
                    return match may_be_old(caller, order, context) {
                        // What it shows is told; whether that is all that the event told of a later one shows.
                        Some(wait) if refunded > order.saga.refunded => Round::InPart { refunded, wait },
                        Some(wait) => Round::TooEarly { wait, looked: false },
                        None if refunded == 0 => Round::Came(Outcome::Swept),
                        None => Round::Came(Outcome::SweptInPart { refunded }),
                    };
                }
                Ok(_) => return Round::Came(Outcome::GivenBack { done: false }),
                // Given back before, by a request of which nothing was heard: to be confirmed like any other.
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

/// How long it takes until a listing cannot be an old one, where an event has told of money that went back: one that shows
/// some of a charge that stays as given back may still lack what the event told of.
fn may_be_old(caller: &Caller, order: &Order, context: RoundContext<'_>) -> Option<Duration> {
    let fresh_from = context.heard_at + caller.policy.late_max / LISTING_LAG;
    let wait = fresh_from.saturating_duration_since(Instant::now());
    (order.heard_of_money_back && !wait.is_zero()).then_some(wait)
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

/// A listing that can be acted on. One that lacks what is known is asked for again. One that tells amounts which are not
/// the agreed ones, or that a charge which goes back was given back in part (which nobody does here), is looked up once
/// more: refunding what was only told wrong would send a second refund while the first is in doubt. A dispute of a charge
/// whose amount is right is believed at once: no money is moved for it, and a listing made later may be an older one. One
/// that stands beside another amount has to be told twice, and is not done with by a listing that lacks it.
async fn sure(
    caller: &Caller,
    order: &Order,
    listed: Result<Vec<ChargeRecord>, Failure>,
) -> Result<Vec<ChargeRecord>, Failure> {
    let records = listed?;
    if misses(order, &records) || records.iter().any(|record| contradicts(order, record)) {
        return Err(Failure::Unclear { retry_after: None });
    }
    let sure_of_it = |record: &ChargeRecord| record.is_disputed() && is_in_its_amount(order, record);
    if records.iter().any(sure_of_it) || !records.iter().any(|record| is_odd(order, record)) {
        return Ok(records);
    }
    let later = look_up(caller, order).await?;
    let is_garbled = later.iter().any(|record| contradicts(order, record));
    let goes_on = is_disputed(&later) || !is_disputed(&records);
    let agrees = later.iter().any(sure_of_it) || (goes_on && bears_out(order, &records, &later));
    if !is_garbled && agrees { Ok(later) } else { Err(Failure::Unclear { retry_after: None }) }
}

/// Whether a second listing tells the same: every charge of the first in its amount, and nothing odd that the first did
/// not tell. More may have been given back by then, because a closing that is repeated under its key may be answered
/// with the listing of its first time.
fn bears_out(order: &Order, first: &[ChargeRecord], later: &[ChargeRecord]) -> bool {
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

/// Whether a listing tells another amount than the charge's own reply did: it is garbled, however often it is repeated.
fn contradicts(order: &Order, record: &ChargeRecord) -> bool {
    let known = order.saga.known.as_ref().filter(|known| known.told && known.id == record.id);
    known.is_some_and(|known| record_amount(record) != Money::new(known.minor_units, order.amount.currency))
}

const fn record_amount(record: &ChargeRecord) -> Money {
    Money::new(record.amount, record.currency)
}

/// Whether it is the order's own charge.
fn is_known(order: &Order, record: &ChargeRecord) -> bool {
    order.saga.known.as_ref().is_some_and(|known| known.id == record.id)
}

/// What a charge should have taken: what is known of it, else what was agreed.
fn expected(order: &Order, record: &ChargeRecord) -> i64 {
    let known = order.saga.known.as_ref().filter(|known| known.id == record.id);
    known.map_or(order.amount.minor_units, |known| known.minor_units)
}

/// Whether a charge is told in the amount that it should have taken.
fn is_in_its_amount(order: &Order, record: &ChargeRecord) -> bool {
    record_amount(record) == Money::new(expected(order, record), order.amount.currency)
}

fn is_odd(order: &Order, record: &ChargeRecord) -> bool {
    let back = record.refunded + record.refunding;
    !is_in_its_amount(order, record) || (back != 0 && back != record.amount && !stays(order, record))
}

/// Whether a charge is to stay: going forward that is the order's own.
fn stays(order: &Order, record: &ChargeRecord) -> bool {
    order.saga.direction == Direction::Forward
        && matches!(&order.saga.charge, Charge::Captured { charge_id, .. } if *charge_id == record.id)
}

/// The first charge that stands and is not to stay.
fn first_standing<'a>(order: &Order, records: &'a [ChargeRecord]) -> Option<&'a ChargeRecord> {
    records.iter().find(|record| record.standing() > 0 && !stays(order, record))
}

/// Whether less stands than the listing told, so that another listing is due.
fn is_less_left(refusal: &Refusal) -> bool {
    refusal.code == "exceeds_charge"
}

/// What was given back in one round.
#[derive(Default)]
struct Given {
    /// How many refunds were accepted.
    refunds: u32,
    /// Whether one of them is done only later.
    processing: bool,
    /// Whether one of the replies may be that of an earlier request.
    unproven: bool,
    /// How long to wait before another amount may be given back than was asked for before; nothing was asked for then.
    waits: Option<Duration>,
}

/// What may have been asked for so far.
struct Asking<'a> {
    context: RoundContext<'a>,
    /// When the latest listing was asked for.
    listed_at: Instant,
    /// The refunds of this round, and when the last of them was asked for.
    own: Vec<(SmolStr, i64)>,
    last: Option<Instant>,
    /// The charges that a listing of this round has shown, believed or not, and whether as disputed.
    shown: Vec<(SmolStr, bool)>,
}

impl<'a> Asking<'a> {
    fn new(context: RoundContext<'a>) -> Self {
        Self { context, listed_at: Instant::now(), own: Vec::new(), last: None, shown: Vec::new() }
    }

    /// From when on a listing cannot be older than the last refund that was asked for.
    fn fresh_from(&self, caller: &Caller) -> Instant {
        self.last.unwrap_or(self.context.quiet_since) + caller.policy.late_max / LISTING_LAG
    }

    /// How long it takes until a listing cannot be older than the last refund that was asked for; `None` once that is so.
    fn until_fresh(&self, caller: &Caller) -> Option<Duration> {
        let wait = self.fresh_from(caller).saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Takes note of the charges in a listing.
    fn was_shown(&mut self, records: &[ChargeRecord]) {
        for record in records {
            match self.shown.iter_mut().find(|(id, _)| *id == record.id) {
                Some((_, disputed)) => *disputed |= record.is_disputed(),
                None => self.shown.push((record.id.clone(), record.is_disputed())),
            }
        }
    }

    /// Whether a listing lacks a charge or a dispute that an earlier one of this round had: it is older than that, and no
    /// proof that nothing stands.
    fn misses(&self, records: &[ChargeRecord]) -> bool {
        let has = |(id, disputed): &(SmolStr, bool)| {
            records.iter().any(|record| record.id == *id && (record.is_disputed() || !disputed))
        };
        !self.shown.iter().all(has)
    }

    /// Whether this very refund may have been asked for before.
    fn may_have_asked(&self, charge: &str, minor_units: i64) -> bool {
        self.context.repeated || self.own.iter().any(|(id, asked)| (id.as_str(), *asked) == (charge, minor_units))
    }

    /// Whether a refund has to wait: another one of the charge may have been asked for, of which nothing certain was heard,
    /// and the listing that tells another amount may be an old one.
    fn has_to_wait(&self, caller: &Caller, charge: &str, minor_units: i64, expected: i64) -> Option<Duration> {
        let last = self.own.iter().rev().find(|(id, _)| id == charge).map(|(_, asked)| *asked);
        let before = last.or_else(|| self.context.repeated.then_some(expected));
        let is_other = before.is_some_and(|before| before != minor_units);
        (is_other && self.listed_at < self.fresh_from(caller)).then(|| self.until_fresh(caller).unwrap_or_default())
    }
}

/// A listing lags at most this part of the provider's bound on late effects behind.
const LISTING_LAG: u32 = 10;

/// Refunds what stands of each charge but the one that is to stay. Every refund's key names charge and amount, so that a
/// repeat is one.
async fn give_back(
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
        // Never more than was taken, whatever this listing tells of it.
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
            Err(failure) => return Err(failure),
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checkout::answer::tests::order;
    use crate::checkout::state::Saga;

    #[test]
    fn what_was_taken_is_not_borne_out_as_untaken() {
        let order = order(Saga::new());
        let told = |status: &str, refunded: i64| {
            let charge = json!({"id": "ch_1", "reference": "ord_1", "amount": 4300, "currency": "EUR", "status": status,
                "refunded": refunded});
            vec![serde_json::from_value::<ChargeRecord>(charge).unwrap()]
        };
        for (status, refunded, is_borne_out) in
            [("refunded", 4300, true), ("cancelled", 0, false), ("processing", 0, false), ("requires_action", 0, false)]
        {
            assert_eq!(bears_out(&order, &told("captured", 0), &told(status, refunded)), is_borne_out, "{status}");
        }
    }

    /// Charges of an order of 4200, as (id, amount, given back).
    fn listing(charges: &[(&str, i64, i64)]) -> Vec<ChargeRecord> {
        let told = |(id, amount, refunded): &(&str, i64, i64)| {
            json!({"id": id, "reference": "ord_1", "amount": amount, "currency": "EUR", "status": "captured",
                "refunded": refunded})
        };
        charges.iter().map(|charge| serde_json::from_value(told(charge)).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_lacks_what_an_earlier_one_had_is_no_proof() {
        let asks = std::sync::atomic::AtomicBool::new(false);
        let now = Instant::now();
        let mut asking = Asking::new(RoundContext {
            urgency: Urgency::Round,
            quiet_since: now,
            repeated: false,
            refunded_before: false,
            asks: &asks,
            noticed: false,
            heard_at: now,
        });
        assert!(!asking.misses(&[]), "none was shown yet");
        asking.was_shown(&listing(&[("ch_1", 4300, 0)]));
        asking.was_shown(&listing(&[("ch_1", 4300, 4300)]));
        assert!(asking.misses(&[]) && asking.misses(&listing(&[("ch_2", 4200, 0)])));
        assert!(!asking.misses(&listing(&[("ch_2", 4200, 0), ("ch_1", 4300, 0)])));
        let mut disputed = listing(&[("ch_1", 4300, 0)]);
        disputed[0].disputed = 4300;
        asking.was_shown(&disputed);
        asking.was_shown(&listing(&[("ch_1", 4300, 0)]));
        assert!(asking.misses(&listing(&[("ch_1", 4300, 0)])), "a dispute that was shown is not done with");
        assert!(!asking.misses(&disputed));
    }

    #[test]
    fn a_refund_in_part_of_a_charge_that_stays_needs_no_second_look() {
        let back = &listing(&[("ch_1", 4200, 100)])[0];
        let mut order = order(Saga::new());
        assert!(is_odd(&order, back), "it may go back");
        order.saga.charge = Charge::Captured { charge_id: "ch_1".into(), minor_units: 4200 };
        assert!(!is_odd(&order, back));
        assert!(is_odd(&order, &listing(&[("ch_1", 4300, 100)])[0]), "another amount");
        order.saga.direction = Direction::Back(crate::checkout::state::Cause::CancelledByUser);
        assert!(is_odd(&order, back));
    }

    #[test]
    fn a_second_listing_bears_out_the_same_and_what_was_given_back_since() {
        let order = order(Saga::new());
        for (first, later, is_borne_out) in [
            (&[("ch_1", 4300, 0)][..], &[("ch_1", 4300, 0)][..], true),
            (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 4300)], true),
            (&[("ch_1", 4200, 100)], &[("ch_1", 4200, 100)], true),
            // Another amount than before, in either of them.
            (&[("ch_1", 4300, 0)], &[("ch_1", 4200, 0)], false),
            (&[("ch_1", 4300, 0)], &[("ch_1", 4400, 4400)], false),
            // Given back in part, as only one of them tells.
            (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 100)], false),
            (&[("ch_1", 4200, 100)], &[("ch_1", 4200, 200)], false),
            // An older listing than the first.
            (&[("ch_1", 4300, 4300)], &[("ch_1", 4300, 0)], false),
            (&[("ch_1", 4300, 0), ("ch_2", 4200, 0)], &[("ch_1", 4300, 0)], false),
            // A further charge: as agreed it is believed, and else looked up once more.
            (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 0), ("ch_2", 4200, 0)], true),
            (&[("ch_1", 4300, 0)], &[("ch_1", 4300, 0), ("ch_2", 4300, 0)], false),
        ] {
            assert_eq!(bears_out(&order, &listing(first), &listing(later)), is_borne_out, "{first:?}, {later:?}");
        }
    }
}
