//! What the payment provider does to a charge on its own. No request brings it, so the books tell it from all that the
//! system has asked for.

use giftgenius::money::Money;
use smol_str::format_smolstr;

use super::{Change, Latest, Payment, books, give_back};
use crate::provider::ledger::EffectKind;
use crate::provider::{Act, Now};
use crate::trace::Record;

impl Payment {
    /// The latest charge (of a reference, if one is named) that can be acted on in this way.
    pub(in crate::provider) fn target(
        &mut self,
        act: Act,
        reference: Option<&str>,
        now: Now,
        record: &mut Record,
    ) -> Option<usize> {
        self.told_of_what_follows(now, record, Self::catch_up);
        (0..self.charges.len()).rev().find(|index| {
            let charge = &self.charges[*index];
            reference.is_none_or(|reference| *charge.reference == *reference)
                && charge.left().is_some_and(|(_, left)| taken_back(act, left) > 0)
        })
    }

    /// Acts on a charge that is a [`Self::target`].
    pub(in crate::provider) fn act(&mut self, act: Act, index: usize, told: bool, now: Now, record: &mut Record) {
        let known = record.ledger.effects.len();
        let charge = &mut self.charges[index];
        let Some((effect, left)) = charge.left() else { return };
        let minor_units = taken_back(act, left);
        let amount = Money::new(minor_units, charge.amount.currency);
        let latest = match act {
            Act::Refund | Act::PartialRefund | Act::CancelReservation => {
                self.refunds += 1;
                charge.refunded += minor_units;
                let id = format_smolstr!("re_{}", self.refunds);
                give_back(record, now, None, &charge.reference, &id, amount, effect);
                Latest::Refunded { charge: index, minor_units }
            }
            Act::Dispute => {
                self.disputes += 1;
                charge.disputed += minor_units;
                let dispute = Change {
                    kind: EffectKind::Dispute,
                    reference: &charge.reference,
                    subject: format_smolstr!("dp_{}", self.disputes),
                    amount: Some(amount),
                    stock: Vec::new(),
                    undoes: Some(effect),
                };
                books::enter(record, now, None, dispute);
                Latest::Disputed { charge: index, minor_units }
            }
        };
        if let Some(reference) = self.references.get_mut(&charge.reference) {
            reference.latest = Some((now.since_start, latest));
        }
        if told && self.events.is_some() {
            self.tell_of(&record.ledger.effects[known..], now);
        }
    }
}

/// How much of what is left of a charge an act takes back.
const fn taken_back(act: Act, left: i64) -> i64 {
    match act {
        Act::Refund | Act::Dispute => left,
        Act::PartialRefund => left / 2,
        // The inventory's.
        Act::CancelReservation => 0,
    }
}
