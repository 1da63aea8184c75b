//! Whether the fate of a charge request was known at a point of the run, from what the system had seen by then.
//!
//! A charge request is settled when it was provably not sent, was answered definitely (a whole 2xx, or a 4xx that means
//! no), or a repetition of it was by a provider that deduplicates, when a look-up showed its charge, when its merchant reference was closed, or when a look-up was asked after the
//! provider's bound on late effects had passed. A look-up that finds nothing before that settles nothing.

use super::acts::{both_tell_another_amount, is_listing};
use super::evidence::{Evidence, ExchangeView};
use crate::provider::ledger::EffectKind;
use crate::provider::operations::{CANCEL, CHARGE, LOOK_UP};
use crate::trace::Seen;

/// Whether an answer had been seen before an event.
fn answered_before(exchange: &ExchangeView<'_>, event: usize) -> bool {
    exchange.answer.is_some_and(|(at, _, _)| at < event)
}

/// Whether a charge request was settled just before `event`.
pub(super) fn settled_before(evidence: &Evidence<'_>, charge: &ExchangeView<'_>, event: usize) -> bool {
    let refused = matches!(charge.answer, Some((_, _, Seen::Refused)));
    let told = refused || charge.turned_away() || charge.succeeded() || charge.refusal().is_some();
    if answered_before(charge, event) && told {
        return true;
    }
    let Some(order) = charge.order else {
        return false;
    };
    let mut listed: Option<&ExchangeView<'_>> = None;
    evidence.orders[order]
        .exchanges
        .iter()
        .map(|index| &evidence.exchanges[*index])
        .skip_while(|other| other.sent_event <= charge.sent_event)
        .take_while(|other| other.sent_event < event)
        .filter(|other| answered_before(other, event))
        .any(|other| {
            if other.is(&CHARGE) {
                deduplicated(evidence, other, charge) && (other.succeeded() || other.refusal().is_some())
            } else if is_listing(other) {
                let before = listed.replace(other);
                let believed =
                    other.succeeded() || before.is_some_and(|before| both_tell_another_amount(before, other));
                believed && (other.is(&CANCEL) || shows(evidence, other, charge))
            } else {
                false
            }
        })
}

/// Whether two charge requests are one to the provider: a definite answer to the one speaks of the other.
fn deduplicated(evidence: &Evidence<'_>, one: &ExchangeView<'_>, other: &ExchangeView<'_>) -> bool {
    evidence.policy.payment_profile.deduplicates()
        && one.sent.key.is_some()
        && one.sent.key == other.sent.key
        && one.order == other.order
}

/// Whether a look-up that was answered whole shows what became of a charge request.
fn shows(evidence: &Evidence<'_>, look_up: &ExchangeView<'_>, charge: &ExchangeView<'_>) -> bool {
    if look_up.start >= charge.start + evidence.policy.late_max {
        return true;
    }
    let (Some(order), Some(asked)) = (charge.order, look_up.delivered) else {
        return false;
    };
    let deduplicates = evidence.policy.payment_profile.deduplicates();
    evidence.effects_of(&evidence.orders[order]).any(|(index, effect)| {
        effect.kind == EffectKind::Charge
            && evidence.event_of(index) < asked
            && (effect.exchange == Some(charge.sent.exchange)
                || (deduplicates && charge.sent.key.is_some() && effect.key == charge.sent.key))
    })
}

/// The first charge request of an order that is not settled just before `event`.
pub(super) fn unsettled_charge<'e, 'a>(
    evidence: &'e Evidence<'a>,
    order: usize,
    event: usize,
) -> Option<&'e ExchangeView<'a>> {
    evidence.orders[order]
        .exchanges
        .iter()
        .map(|index| &evidence.exchanges[*index])
        .take_while(|exchange| exchange.sent_event < event)
        .find(|exchange| exchange.is(&CHARGE) && !settled_before(evidence, exchange, event))
}

/// Whether a whole answer to a look-up of the order was seen between two events.
pub(super) fn looked_up_between(evidence: &Evidence<'_>, order: usize, after: usize, before: usize) -> bool {
    evidence.orders[order]
        .exchanges
        .iter()
        .map(|index| &evidence.exchanges[*index])
        .skip_while(|exchange| exchange.sent_event <= after)
        .take_while(|exchange| exchange.sent_event < before)
        .any(|exchange| exchange.is(&LOOK_UP) && exchange.succeeded() && answered_before(exchange, before))
}
