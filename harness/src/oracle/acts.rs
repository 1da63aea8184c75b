//! What the payment provider did that no request of the system's asked for, and whether the system was shown it.
//!
//! The system learns of such an act only from an event that it took in, or from a reply that the provider gave after the
//! act. What it tells is judged against that, not against the books.

use super::evidence::{Evidence, OrderView};
use crate::provider::ledger::{Effect, EffectKind};
use crate::trace::EventKind;

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
