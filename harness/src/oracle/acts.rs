//! What the payment provider did that no request of the system's asked for, and whether the system was shown it.
//!
//! The system learns of such an act only from an event that it took in, or from a reply that the provider gave after the
//! act. What it tells is judged against that, not against the books.

use super::evidence::{Evidence, OrderView};
use crate::provider::event::EventType;
use crate::provider::ledger::{Effect, EffectKind};
use crate::provider::operations::LOOK_UP;
use crate::trace::{EventKind, Seen};

/// Whether between two events something about an order's money was shown that had been done by the provider alone.
pub(super) fn shown_an_act(evidence: &Evidence<'_>, order: &OrderView<'_>, from: usize, to: usize) -> bool {
    let acts = evidence.effects_of(order).filter(|(_, effect)| is_act(effect));
    let events = acts.map(|(index, _)| evidence.event_of(index));
    // A copy of a charge that comes later than the answer is news, whichever request it is of.
    let copies = evidence.effects_of(order).filter(|(_, effect)| effect.kind == EffectKind::Charge);
    let late = copies.map(|(index, _)| evidence.event_of(index)).filter(|event| *event > from);
    events
        .chain(late)
        .filter(|act| *act < to)
        .map(|act| act.max(from))
        .any(|since| is_looked_at(evidence, order, since, to) || is_told(evidence, order, since, to))
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
            && exchange.sent.fault.is_none()
            && matches!(exchange.answer, Some((at, _, Seen::Reply { status: 200, intact: true, .. })) if at < before)
    });
    let told = || {
        let within = evidence.trace.events.get(since..before.min(evidence.trace.events.len())).unwrap_or_default();
        within.iter().any(|event| match &event.kind {
            EventKind::Webhook(delivery) => {
                delivery.kind == EventType::RefundFailed
                    && delivery.reference == *reference
                    && delivery.forged.is_none()
                    && delivery.status == Some(200)
            }
            _ => false,
        })
    };
    looked_at || told()
}

/// The money of an order as [`Evidence::money_at`] counts it, without the failures of refunds that the system had not been
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
    evidence.money_at(order, event) - unknown
}

/// Whether an effect is the provider's own act.
pub(super) fn is_act(effect: &Effect) -> bool {
    match effect.kind {
        EffectKind::RefundFailed => true,
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
    evidence.trace.events[from..to].iter().any(|event| match &event.kind {
        EventKind::Webhook(delivery) => {
            delivery.reference == *order.id && delivery.forged.is_none() && delivery.status == Some(200)
        }
        _ => false,
    })
}
