//! What the payment provider did that no request of the system's asked for, and whether the system was shown it.
//!
//! The system learns of such an act only from an event that it took in, or from a reply that the provider gave after the
//! act. What it tells is judged against that, not against the books.

use std::ops::Range;

use super::evidence::{Evidence, ExchangeView, OrderView};
use crate::fault::site::Place;
use crate::fault::{Circumstance, Contradiction, CrashPoint, Fault};
use crate::provider::event::EventType;
use crate::provider::ledger::{Effect, EffectKind};
use crate::provider::operations::{CANCEL, LOOK_UP};
use crate::scenario::model::WorldKind;
use crate::trace::{EventKind, Seen, WebhookDelivery};

/// An act by which the provider gave or took a charge back on its own, and what the system saw of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TakenBack {
    /// Its place in the ledger.
    pub(super) effect: usize,
    /// From which event on the system may know of it: a listing has shown it. `None`: none ever did.
    pub(super) shown_from: Option<usize>,
    /// From which event on it is held to that: who saw the listing has written since, or has lived on.
    pub(super) known_from: Option<usize>,
}

impl TakenBack {
    /// Whether the system may know of it by an event; the end of time is rest.
    pub(super) fn is_shown_by(&self, event: usize) -> bool {
        self.shown_from.is_some_and(|from| from <= event)
    }

    /// Whether the system is held to it by an event.
    pub(super) fn is_known_by(&self, event: usize) -> bool {
        self.known_from.is_some_and(|from| from <= event)
    }
}

/// The acts of a run by which the provider gave or took money back.
pub(super) fn taken_back(evidence: &Evidence<'_>) -> Vec<TakenBack> {
    let effects = evidence.ledger.effects.iter().enumerate();
    let acts = effects.filter(|(_, effect)| takes_back(effect));
    acts.map(|(effect, _)| seen_of(evidence, effect)).collect()
}

/// Whether the provider gave or took a charge back on its own.
fn takes_back(effect: &Effect) -> bool {
    effect.exchange.is_none() && matches!(effect.kind, EffectKind::Refund | EffectKind::Dispute)
}

fn seen_of(evidence: &Evidence<'_>, effect: usize) -> TakenBack {
    let order = evidence.orders.iter().find(|order| order.effects.contains(&effect));
    let exchanges = || order.into_iter().flat_map(|order| &order.exchanges).map(|index| &evidence.exchanges[*index]);
    let mut seen = TakenBack { effect, shown_from: None, known_from: None };
    let earlier = |known: Option<usize>, from: usize| Some(known.map_or(from, |known| known.min(from)));
    let mut before: Option<&ExchangeView<'_>> = None;
    for listing in exchanges().filter(|exchange| is_listing(exchange)) {
        let Some((shown, ..)) = listing.answer else { continue };
        let is_whole = listing.succeeded();
        let mut earlier_ones = exchanges().filter(|it| is_listing(it) && it.sent_event < listing.sent_event);
        let twice = earlier_ones.any(|before| both_tell_another_amount(before, listing));
        let beside = before.replace(listing).is_some_and(|before| follows_a_mangled_one(before, listing));
        if !(is_whole || twice) || !lists(evidence, listing, effect) {
            continue;
        }
        seen.shown_from = earlier(seen.shown_from, shown);
        if is_whole
            && !beside
            && let Some(noted) = noted(evidence, listing, shown)
        {
            seen.known_from = earlier(seen.known_from, noted);
        }
    }
    seen
}

/// Whether a listing is a process's next after one that was mangled. Where it does not bear that out, it may be believed, and
/// need not be.
fn follows_a_mangled_one(before: &ExchangeView<'_>, listing: &ExchangeView<'_>) -> bool {
    before.incarnation == listing.incarnation
        && matches!(before.answer, Some((_, _, Seen::Reply { status: 200, intact: false, .. })))
}

pub(super) fn is_listing(exchange: &ExchangeView<'_>) -> bool {
    exchange.is(&LOOK_UP) || exchange.is(&CANCEL)
}

/// Whether two listings of one process told another amount alike, or another currency: a system that has nothing else to hold
/// against it has been told twice, and may believe what they show. Where it must act on them, the second is the next one; what
/// it may know of besides, any earlier one bears out.
pub(super) fn both_tell_another_amount(one: &ExchangeView<'_>, other: &ExchangeView<'_>) -> bool {
    let told = [Fault::WrongAmount, Fault::Contradicting(Contradiction::Currency)];
    one.incarnation == other.incarnation
        && told.iter().any(|told| one.sent.faults.has(told) && other.sent.faults.has(told))
}

/// Whether a listing that tells another amount is borne out by the next one of its process: it is believed then, as a success.
pub(super) fn is_borne_out(evidence: &Evidence<'_>, listing: &ExchangeView<'_>) -> bool {
    let Some(order) = listing.order.filter(|_| is_listing(listing)) else { return false };
    let exchanges = evidence.orders[order].exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let mut later = exchanges.filter(|it| it.incarnation == listing.incarnation && it.sent_event > listing.sent_event);
    later.find(|it| is_listing(it)).is_some_and(|next| both_tell_another_amount(listing, next))
}

/// Whether a listing has an act.
pub(super) fn lists(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, act: usize) -> bool {
    listed_at(evidence, exchange)
        .is_some_and(|listed| evidence.event_of(act) < listed && !misses(evidence, exchange, act, listed))
}

/// Whether a listing is an old one that lacks an act, which was the latest change to its reference.
fn misses(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>, act: usize, listed: usize) -> bool {
    let effect = &evidence.ledger.effects[act];
    let lags = evidence.policy.late_max / 10;
    let since = || {
        let later =
            evidence.ledger.effects[act + 1..].iter().enumerate().map(|(index, later)| (act + 1 + index, later));
        later.filter(|(_, later)| {
            later.reference == effect.reference
                && matches!(later.kind, EffectKind::Charge | EffectKind::Refund | EffectKind::Dispute)
        })
    };
    exchange.sent.faults.has(&Fault::Circumstance(Circumstance::Stale))
        && evidence.trace.events[listed].at < effect.at + lags
        && !since().any(|(later, _)| evidence.event_of(later) < listed)
}

/// When the listing in a reply was made: a closing that is repeated under its key is answered with that of its first time.
fn listed_at(evidence: &Evidence<'_>, exchange: &ExchangeView<'_>) -> Option<usize> {
    let delivered = exchange.delivered?;
    let EventKind::Delivered { replay_of: Some(first), .. } = evidence.trace.events[delivered].kind else {
        return Some(delivered);
    };
    evidence.exchanges.iter().find(|earlier| earlier.sent.exchange == first)?.delivered
}

/// When what a process saw in the answer to a request of an order was written down by it, or could have been.
pub(super) fn noted(evidence: &Evidence<'_>, request: &ExchangeView<'_>, seen: usize) -> Option<usize> {
    let written = match evidence.world {
        WorldKind::Sim => written_by_driver(evidence, request, seen),
        WorldKind::Wire => written_by_process(evidence, request.incarnation, seen),
    };
    let mut later = evidence.trace.events.iter().skip(seen);
    let is_end = |kind: &EventKind| matches!(kind, EventKind::Crashed | EventKind::Restarted);
    written.or_else(|| (!has_lost(evidence, request, seen) && !later.any(|event| is_end(&event.kind))).then_some(seen))
}

/// Whether another process had taken the order of a request over by then. What the former driver sees afterwards it cannot
/// write down.
pub(super) fn has_lost(evidence: &Evidence<'_>, request: &ExchangeView<'_>, seen: usize) -> bool {
    let Some(order) = request.order.map(|order| evidence.orders[order].id) else { return false };
    let by_drivers = evidence.trace.writes.iter().rev().filter(|write| write.at <= seen);
    let mut of_it = by_drivers.filter(|write| write.order.as_ref().is_some_and(|written| written.as_str() == order));
    of_it.next().is_some_and(|write| write.incarnation != request.incarnation)
}

/// The first write after an event by the driver of a request's order. An event that was taken in changes the order too, and
/// a driver whose write was refused, or lost a race, or could not be made for want of what it reads, has written nothing.
fn written_by_driver(evidence: &Evidence<'_>, request: &ExchangeView<'_>, seen: usize) -> Option<usize> {
    let order = evidence.orders.get(request.order?)?.id;
    let mut own =
        evidence.trace.writes.iter().filter(|write| write.at > seen && write.incarnation == request.incarnation);
    let driver = own.find(|write| write.order.as_ref().is_some_and(|written| written.as_str() == order))?;
    Some(driver.at)
}

/// The first write after an event by a process, on the wire, where it is not seen what is written.
fn written_by_process(evidence: &Evidence<'_>, process: u32, seen: usize) -> Option<usize> {
    let writes = evidence.trace.writes.iter().filter(|write| write.at > seen && write.incarnation == process);
    let events = evidence.trace.events.iter().enumerate().skip(seen);
    let own = || events.clone().filter(|(_, event)| event.incarnation == process);
    // A write that something else went wrong with, but that was made.
    let struck = own().filter(|(_, event)| is_write(&event.kind)).map(|(index, _)| index);
    let written = writes.map(|write| write.at).chain(struck).min();
    // Where a use of the store was refused before, it may have been that of what was seen, and the next write another's.
    let refused = own().find(|(_, event)| is_refused(&event.kind)).map(|(index, _)| index);
    written.filter(|written| refused.is_none_or(|refused| *written <= refused))
}

/// Whether a use of the journal was refused.
fn is_refused(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Struck { site, fault }
        if matches!(site.place, Place::JournalWrite | Place::JournalRead) && matches!(**fault, Fault::Busy | Fault::Full))
}

/// Whether something went wrong with a write to the journal that was made all the same.
fn is_write(kind: &EventKind) -> bool {
    let EventKind::Struck { site, fault } = kind else { return false };
    let refused = matches!(**fault, Fault::Busy | Fault::Full | Fault::Crash(CrashPoint::BeforeWrite));
    site.place == Place::JournalWrite && !refused
}

/// Whether the provider's own acts had left nothing of a charge of an order by an event, as far as the system may know.
pub(super) fn is_overtaken(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> bool {
    evidence.taken_back.iter().any(|act| {
        let charge = evidence.ledger.effects[act.effect].undoes.map(|charge| charge.0 as usize);
        act.is_shown_by(event)
            && order.effects.contains(&act.effect)
            && charge.is_some_and(|charge| !evidence.stands_at(charge, event))
    })
}

/// The acts on an order that an event told of which the system took in: their places in the ledger, and the event.
pub(super) fn told_acts(evidence: &Evidence<'_>, order: &OrderView<'_>) -> impl Iterator<Item = (TakenBack, usize)> {
    let of_it = evidence.taken_back.iter().filter(|act| order.effects.contains(&act.effect));
    of_it.filter_map(|act| {
        let effect = &evidence.ledger.effects[act.effect];
        let after = evidence.event_of(act.effect);
        let told = evidence.trace.events.iter().enumerate().skip(after).find(|(_, event)| {
            taken_in(&event.kind, order.id).is_some_and(|delivery| {
                matches!(delivery.kind, EventType::ChargeRefunded | EventType::ChargeDisputed)
                    && delivery.object == effect.subject
            })
        });
        told.map(|(event, _)| (*act, event))
    })
}

/// Whether between two events something about an order's money was shown that had been done by the provider alone.
pub(super) fn shown_an_act(evidence: &Evidence<'_>, order: &OrderView<'_>, from: usize, to: usize) -> bool {
    let acts = evidence.effects_of(order).filter(|(_, effect)| is_act(effect));
    let events = acts.map(|(index, _)| evidence.event_of(index));
    // A copy of a charge that comes later than the answer is news, whichever request it is of.
    let copies = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge);
    let late = copies.map(|(index, _)| evidence.event_of(index)).filter(|event| *event > from);
    events.chain(late).filter(|act| *act < to).any(|act| {
        let since = act.max(from);
        is_looked_at(evidence, order, since, to)
            || is_told(evidence, order, since, to)
            || is_noted(evidence, order, &(act..from), &(from..to))
    })
}

/// Whether a process wrote down in the second span what it had seen in the first. Other processes cannot know it earlier.
fn is_noted(evidence: &Evidence<'_>, order: &OrderView<'_>, seen: &Range<usize>, noted_in: &Range<usize>) -> bool {
    order.exchanges.iter().map(|index| &evidence.exchanges[*index]).any(|exchange| {
        let answered = exchange.answer.map(|(event, ..)| event).filter(|event| seen.contains(event));
        is_listing(exchange)
            && answered
                .and_then(|event| noted(evidence, exchange, event))
                .is_some_and(|event| noted_in.contains(&event))
    })
}

/// Whether the system had been shown before an event that a refund had failed: by an event that it took in, or by a look-up
/// that was asked for after the failure. An answer that may be older shows nothing.
pub(super) fn failure_was_shown(evidence: &Evidence<'_>, failure: usize, before: usize) -> bool {
    let since = evidence.event_of(failure);
    let reference = &evidence.ledger.effects[failure].reference;
    let Some(order) = evidence.order_of(reference) else { return since <= before };
    let looked_at = evidence.orders[order].exchanges.iter().map(|index| &evidence.exchanges[*index]).any(|exchange| {
        exchange.is(&LOOK_UP)
            && exchange.sent_event > since
            && exchange.sent.faults.is_none()
            && matches!(exchange.answer, Some((at, _, Seen::Reply { status: 200, intact: true, .. })) if at < before)
    });
    let told = || {
        let within = evidence.trace.events.get(since..before.min(evidence.trace.events.len())).unwrap_or_default();
        within.iter().any(|event| {
            taken_in(&event.kind, reference).is_some_and(|delivery| delivery.kind == EventType::RefundFailed)
        })
    };
    looked_at || told()
}

/// The money of an order as [`Evidence::least_money_at`] counts it, without the failures of refunds that the system had not been
/// shown: those are the provider's, until it is.
pub(super) fn money_known_at(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> i64 {
    let unknown: i64 = evidence
        .effects_of(order)
        .filter(|(index, effect)| {
            effect.kind == EffectKind::RefundFailed
                && evidence.event_of(*index) <= event
                && !failure_was_shown(evidence, *index, event)
        })
        .filter_map(|(_, effect)| effect.amount)
        .map(|amount| amount.minor_units)
        .sum();
    evidence.least_money_at(order, event) - unknown
}

/// From which event on the system is held to a refund's failure: it took in an event that reports it, or has noted a listing
/// that shows it. What only a process saw that died before it wrote is not known to the next one.
fn failure_noted(evidence: &Evidence<'_>, order: &OrderView<'_>, failure: usize) -> Option<usize> {
    let since = evidence.event_of(failure);
    let mut before: Option<&ExchangeView<'_>> = None;
    let exchanges = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let listings = exchanges.filter(|exchange| is_listing(exchange)).filter(|listing| {
        let beside = before.replace(listing).is_some_and(|before| follows_a_mangled_one(before, listing));
        listing.succeeded()
            && !beside
            && lists(evidence, listing, failure)
            && !waits_for_a_second_look(evidence, order, listing)
    });
    let noted = listings.filter_map(|listing| noted(evidence, listing, listing.answer?.0));
    let told = evidence.trace.events.iter().enumerate().skip(since).find(|(_, event)| {
        taken_in(&event.kind, order.id).is_some_and(|delivery| delivery.kind == EventType::RefundFailed)
    });
    noted.chain(told.map(|(event, _)| event)).min()
}

/// Whether a listing shows a charge that is given back in part, which is looked up once more before it is believed, and that
/// second look failed.
fn waits_for_a_second_look(evidence: &Evidence<'_>, order: &OrderView<'_>, listing: &ExchangeView<'_>) -> bool {
    let (Some(at), Some((seen, ..))) = (listing.delivered, listing.answer) else { return false };
    let mut later = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    let next = later.find(|it| it.is(&LOOK_UP) && it.sent_event > seen && it.incarnation == listing.incarnation);
    let charges = evidence
        .effects_of(order)
        .filter(|(index, effect)| effect.kind == EffectKind::Charge && evidence.event_of(*index) < at);
    let taken: i64 = charges.filter_map(|(_, effect)| effect.amount).map(|amount| amount.minor_units).sum();
    next.is_some_and(|next| !next.succeeded()) && (1..taken).contains(&evidence.booked_money_at(order, at))
}

/// Whether the system has a right to believe in a refund by an event: it has noted the reply to the refund's own request, or a
/// listing that shows it. What a repeat is answered proves nothing.
fn is_believed(evidence: &Evidence<'_>, order: &OrderView<'_>, refund: usize, event: usize) -> bool {
    let own = evidence.ledger.effects[refund].exchange;
    let tells = |exchange: &&ExchangeView<'_>| {
        exchange.succeeded()
            && (Some(exchange.sent.exchange) == own || (is_listing(exchange) && lists(evidence, exchange, refund)))
    };
    let exchanges = order.exchanges.iter().map(|index| &evidence.exchanges[*index]);
    exchanges
        .filter(tells)
        .filter_map(|exchange| noted(evidence, exchange, exchange.answer?.0))
        .any(|noted| noted <= event)
}

/// The money of an order as [`Evidence::least_money_at`] counts it, without the failures of refunds that the system believes in
/// and has not noted to have failed.
pub(super) fn money_noted_at(evidence: &Evidence<'_>, order: &OrderView<'_>, event: usize) -> i64 {
    let taken = evidence.least_money_at(order, event);
    if taken <= 0 {
        return taken;
    }
    let failures = evidence.effects_of(order).filter(|(index, effect)| {
        effect.kind == EffectKind::RefundFailed
            && evidence.event_of(*index) <= event
            && failure_noted(evidence, order, *index).is_none_or(|noted| event < noted)
            && effect.undoes.is_some_and(|refund| is_believed(evidence, order, refund.0 as usize, event))
    });
    taken - failures.filter_map(|(_, effect)| effect.amount).map(|amount| amount.minor_units).sum::<i64>()
}

/// Whether an effect is the provider's own act.
pub(super) fn is_act(effect: &Effect) -> bool {
    match effect.kind {
        EffectKind::RefundFailed | EffectKind::Dispute => true,
        EffectKind::Refund => effect.exchange.is_none(),
        EffectKind::Charge
        | EffectKind::Close
        | EffectKind::Reserve
        | EffectKind::Release
        | EffectKind::Expire
        | EffectKind::Commit
        | EffectKind::Restock => false,
    }
}

/// Whether a reply of the payment provider's about the order came in that span.
fn is_looked_at(evidence: &Evidence<'_>, order: &OrderView<'_>, from: usize, to: usize) -> bool {
    order.exchanges.iter().map(|index| &evidence.exchanges[*index]).any(|exchange| {
        exchange.sent.operation.provider == giftgenius::ports::Provider::Payment
            && exchange.answer.is_some_and(|(event, ..)| (from..to).contains(&event))
    })
}

/// Whether an event about the order was taken in within that span.
fn is_told(evidence: &Evidence<'_>, order: &OrderView<'_>, from: usize, to: usize) -> bool {
    evidence.trace.events[from..to]
        .iter()
        .any(|event| taken_in(&event.kind, order.id).is_some_and(|delivery| !delivery.is_of_no_concern()))
}

/// A genuine event about a reference that the system took in.
fn taken_in<'a>(kind: &'a EventKind, reference: &str) -> Option<&'a WebhookDelivery> {
    match kind {
        EventKind::Webhook(delivery) => Some(&**delivery).filter(|delivery| {
            delivery.reference == *reference && delivery.forged.is_none() && delivery.status == Some(200)
        }),
        _ => None,
    }
}
