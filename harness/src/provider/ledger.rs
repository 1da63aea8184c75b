//! The providers' books: every effect that took hold, and which effect undoes which.
//!
//! This is what runs are judged by: not what the system says, but what stands here.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::money::Money;
use smol_str::SmolStr;

use crate::trace::ExchangeId;

/// An effect, counted from 0 in the order in which they took hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EffectId(pub u32);

/// What changed at a provider.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum EffectKind {
    /// Money was captured.
    Charge,
    /// Money was given back; undoes a charge, wholly or in part.
    Refund,
    /// The person's bank took a charge back, which they dispute; undoes a charge, as far as it stood.
    Dispute,
    /// A refund failed after it was done: the money stands again; undoes a refund.
    RefundFailed,
    /// A merchant reference was closed against later charges.
    Close,
    /// Stock was set aside.
    Reserve,
    /// Stock set aside was freed; undoes a reserve.
    Release,
    /// A reservation expired; undoes a reserve.
    Expire,
    /// A reservation became a sale; takes the reserve's place (which no longer stands on its own).
    Commit,
    /// A sale was returned to stock; undoes a commit.
    Restock,
}

impl EffectKind {
    /// The word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::RefundFailed => "refund_failed",
            Self::Close => "close",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Commit => "commit",
            Self::Restock => "restock",
        }
    }
}

/// One change at a provider.
#[derive(Clone, PartialEq, Hash, Debug)]
pub struct Effect {
    /// Which effect.
    pub id: EffectId,
    /// When it took hold, since the run began.
    pub at: Duration,
    /// The exchange that brought it; `None` for what a provider does on its own (an expiry, a refund in its dashboard).
    pub exchange: Option<ExchangeId>,
    /// What changed.
    pub kind: EffectKind,
    /// The merchant reference (order id), or the reservation's reference (`order id/epoch`).
    pub reference: SmolStr,
    /// The provider's id of the thing: `ch_1`, `re_1`, `rsv_1`.
    pub subject: SmolStr,
    /// Money moved, for charges and refunds.
    pub amount: Option<Money>,
    /// Stock moved, for the inventory's effects: SKU and quantity.
    pub stock: Vec<(SmolStr, u32)>,
    /// The effect it undoes, or (for a commit) takes the place of.
    pub undoes: Option<EffectId>,
    /// The idempotency key of the request.
    pub key: Option<SmolStr>,
    /// The correlation id of the request.
    pub correlation: SmolStr,
}

/// The order that a merchant reference, or a reservation's (`order/epoch`), names.
pub fn order_of_reference(reference: &str) -> &str {
    // They are so short that a search for the place by its byte is over before one for a pattern is set up.
    let order = reference.bytes().position(|byte| byte == b'/').map(|end| &reference[..end]);
    order.unwrap_or(reference)
}

/// All effects of a run, in the order in which they took hold.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In order; an effect's id is its index.
    pub effects: Vec<Arc<Effect>>,
    /// Stock on the shelf when the run began: SKU and quantity, for the SKUs that were touched.
    pub opening_stock: Vec<(SmolStr, u32)>,
    /// Stock on the shelf when the run ended, for the same SKUs: what is neither reserved nor sold.
    pub closing_stock: Vec<(SmolStr, u32)>,
}

impl Ledger {
    /// The order an effect belongs to: its reference up to the reservation's epoch.
    pub fn order_of(effect: &Effect) -> &str {
        order_of_reference(&effect.reference)
    }

    /// How much of a charge stands at the end, in minor units.
    pub fn charge_standing(&self, charge: &Effect) -> i64 {
        self.charge_standing_at(charge, Duration::MAX)
    }

    /// How much of a charge stands at an instant (effects at that instant included), in minor units.
    pub fn charge_standing_at(&self, charge: &Effect, at: Duration) -> i64 {
        let refunded: i64 = self
            .effects
            .iter()
            .filter(|effect| {
                matches!(effect.kind, EffectKind::Refund | EffectKind::Dispute) && effect.undoes == Some(charge.id)
            })
            .filter(|refund| self.stands_at(refund, at))
            .filter_map(|effect| effect.amount)
            .map(|amount| amount.minor_units)
            .sum();
        charge.amount.map_or(0, |amount| amount.minor_units) - refunded
    }

    /// Whether an effect stands at an instant: it has taken hold and nothing has undone (or replaced) it.
    pub fn stands_at(&self, effect: &Effect, at: Duration) -> bool {
        if effect.at > at {
            return false;
        }
        match effect.kind {
            EffectKind::Charge => self.charge_standing_at(effect, at) > 0,
            EffectKind::Reserve | EffectKind::Commit | EffectKind::Refund => {
                !self.effects.iter().any(|other| other.undoes == Some(effect.id) && other.at <= at)
            }
            EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Restock => true,
        }
    }

    /// The effects of a kind, in order.
    pub fn of_kind(&self, kind: EffectKind) -> impl Iterator<Item = &Effect> {
        self.effects.iter().map(|effect| &**effect).filter(move |effect| effect.kind == kind)
    }
}
