//! The saga's state machine: the state of each step, what to do next, and what each outcome changes.
//!
//! Pure: no port is touched here. [`Saga::next`] reads what to do from the record alone, so a restart continues exactly
//! where the journal says; [`Saga::begin`] marks the intent that is journalled *before* the request is sent, and
//! [`Saga::apply`] takes the outcome. Forward: reserve → charge → commit (→ sweep); back: restock → undo the charge →
//! release (→ confirm the refund). The charge is the pivot. Waiting is the engine's matter: no clock is read here.

mod parts;
mod transitions;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::parts::{Charge, Commit, Copies, Direction, Ending, Reserve};
pub use self::transitions::IllegalTransition;
pub use super::cause::{Cause, Overtaken};
pub use super::outcome::Outcome;
use crate::policy::PaymentProfile;

/// The state of a saga.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Saga {
    /// Which way.
    pub direction: Direction,
    /// The stock.
    pub reserve: Reserve,
    /// The money.
    pub charge: Charge,
    /// The sale.
    pub commit: Commit,
    /// Copies of the charge beside the order's own.
    pub copies: Copies,
    /// Which refund of a charge the next one is: it rises only when one that was accepted has failed.
    pub refund_epoch: u32,
    /// Which refund a round was last begun for, so that it may have been asked for; 0 before the first.
    #[serde(default, skip_serializing_if = "is_never")]
    pub refund_begun: u32,
    /// The order's own charge, from when it is known to have been made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownCharge>,
    /// Whether the provider refused to close the reference: it is not asked again (F2).
    pub close_refused: bool,
    /// What the payment provider did to the charge on its own, where a person has to look at that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Overtaken>,
    /// How much of a paid order's charge the provider gave back on its own, in minor units.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refunded: i64,
    /// How it ended; `None` while there is work left.
    pub ending: Option<Ending>,
}

/// A charge that was made. Its amount is final, whether or not it is refunded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownCharge {
    /// The provider's id.
    pub id: SmolStr,
    /// What was taken, in minor units of the order's currency.
    pub minor_units: i64,
    /// Whether the charge's own reply reported it; a listing with another amount is then garbled.
    pub told: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_never(epoch: &u32) -> bool {
    *epoch == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(minor_units: &i64) -> bool {
    *minor_units == 0
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Ask for the stock.
    Reserve {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Ask for the money. Only ever from a charge that was never sent.
    Charge,
    /// Find out whether the money was taken.
    Settle,
    /// Sell the reservation.
    Commit {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Look for copies of the charge and give them back.
    Sweep,
    /// Take the sale back.
    Restock {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Make sure that no money stands.
    UndoCharge,
    /// Give the stock back.
    Release {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Look at the charges of an order that has ended, and give back those that should not stand.
    Recheck,
    /// Make sure that the refund has not failed, and that no late copy of the charge has come.
    ConfirmRefund,
    /// Nothing is left to do.
    End(Ending),
}

impl Saga {
    /// A saga that has only its order journalled.
    pub const fn new() -> Self {
        Self {
            direction: Direction::Forward,
            reserve: Reserve::NotSent { epoch: 1 },
            charge: Charge::NotSent,
            commit: Commit::NotSent,
            copies: Copies::Unseen,
            refund_epoch: 1,
            refund_begun: 0,
            known: None,
            close_refused: false,
            overtaken: None,
            refunded: 0,
            ending: None,
        }
    }

    /// What to do next, from the record alone.
    pub fn next(&self, profile: PaymentProfile) -> Action {
        if let Some(ending) = &self.ending {
            return Action::End(ending.clone());
        }
        match &self.direction {
            Direction::Forward => self.next_forward(profile),
            Direction::Back(_) => self.next_back(),
        }
    }

    fn next_forward(&self, profile: PaymentProfile) -> Action {
        match (self.reserve, &self.charge, self.commit) {
            // Settling comes first: whatever else is to be done depends on whether the money stands.
            (_, Charge::Sending, _) => Action::Settle,
            (_, Charge::Stuck { .. }, _) | (_, _, Commit::Stuck) => Action::End(self.parked()),
            (Reserve::NotSent { epoch } | Reserve::Sending { epoch }, _, _) => Action::Reserve { epoch },
            (Reserve::Held { .. }, Charge::NotSent, _) => Action::Charge,
            (Reserve::Held { epoch }, Charge::Captured { .. }, Commit::NotSent | Commit::Sending) => {
                Action::Commit { epoch }
            }
            (_, Charge::Captured { .. }, Commit::Done) if self.has_to_sweep(profile) => Action::Sweep,
            (_, Charge::Captured { .. }, Commit::Done) => Action::End(Ending::Paid),
            // Forward with the money void or given back, or the stock free, is never left standing by `apply`.
            (Reserve::Held { .. } | Reserve::Free | Reserve::Stuck { .. }, _, _) => Action::End(self.parked()),
        }
    }

    const fn has_to_sweep(&self, profile: PaymentProfile) -> bool {
        match self.copies {
            Copies::Unseen => !profile.deduplicates(),
            Copies::Suspected | Copies::GivenBack => true,
            Copies::Swept => false,
        }
    }

    fn next_back(&self) -> Action {
        match self.commit {
            // A sale that was asked for and never answered may be booked too.
            Commit::Done | Commit::Sending => {
                return Action::Restock { epoch: self.sold_epoch() };
            }
            Commit::NotSent | Commit::Restocked | Commit::Stuck => {}
        }
        match self.charge {
            Charge::Sending | Charge::Captured { .. } => return Action::UndoCharge,
            // Until then the money stands, or may come once more.
            Charge::GivenBack { done: false } => return Action::ConfirmRefund,
            Charge::NotSent | Charge::GivenBack { done: true } | Charge::Void | Charge::Stuck { .. } => {}
        }
        match self.reserve {
            // Stock is never given away while the money may be on its way: the person may yet have paid for it.
            Reserve::Sending { .. } | Reserve::Held { .. } if self.charge == (Charge::Stuck { captured: false }) => {}
            Reserve::Sending { epoch } | Reserve::Held { epoch } => {
                return Action::Release { epoch };
            }
            Reserve::NotSent { .. } | Reserve::Free | Reserve::Stuck { .. } => {}
        }
        if let Charge::GivenBack { .. } = self.charge {
            return Action::ConfirmRefund;
        }
        Action::End(if self.is_stuck() { self.parked() } else { Ending::Cancelled })
    }

    /// Whether anything could not be found out, done or undone.
    pub const fn is_stuck(&self) -> bool {
        matches!(self.reserve, Reserve::Stuck { .. })
            || matches!(self.charge, Charge::Stuck { .. })
            || matches!(self.commit, Commit::Stuck)
    }

    /// The reservation that was sold: the held one, or (once free) the last asked for.
    fn sold_epoch(&self) -> u32 {
        match self.reserve {
            Reserve::NotSent { epoch }
            | Reserve::Sending { epoch }
            | Reserve::Held { epoch }
            | Reserve::Stuck { epoch } => epoch,
            Reserve::Free => 1,
        }
    }

    /// Whether the money's fate is open: neither going back nor cancelling may be promised now.
    pub const fn is_unsettled(&self) -> bool {
        matches!(self.charge, Charge::Sending | Charge::Stuck { captured: false })
    }

    /// Whether, as far as is known, money may stand that pays for no sale: that of a sale which is not booked, or of a copy
    /// of the charge that is no longer searched for. What the provider took back on its own does not stand.
    pub fn may_hold_unsold_money(&self) -> bool {
        let is_parked = matches!(self.ending, Some(Ending::Parked { .. }));
        self.overtaken.is_none()
            && match self.charge {
                // A person is to see whether anything came on top of what was settled.
                Charge::NotSent | Charge::Void | Charge::GivenBack { done: true } => is_parked && !self.is_stuck(),
                Charge::Sending
                | Charge::Captured { .. }
                | Charge::GivenBack { done: false }
                | Charge::Stuck { .. } => self.commit != Commit::Done || is_parked,
            }
    }

    /// Whether the stock goes back, the money having gone back before it.
    pub const fn is_releasing(&self) -> bool {
        matches!(self.direction, Direction::Back(_))
            && matches!(self.charge, Charge::GivenBack { done: true })
            && matches!(self.reserve, Reserve::Sending { .. } | Reserve::Held { .. })
            && !matches!(self.commit, Commit::Done | Commit::Sending)
    }

    /// Whether all is undone, and only a refund that fails could change that.
    pub const fn is_undone(&self) -> bool {
        matches!(self.charge, Charge::GivenBack { done: true })
            && matches!(self.reserve, Reserve::NotSent { .. } | Reserve::Free)
            && matches!(self.commit, Commit::NotSent | Commit::Restocked)
    }
}

impl Default for Saga {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub(crate) mod tests;
