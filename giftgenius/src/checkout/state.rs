//! The saga's state machine: where each step stands, what to do next, and what an outcome makes of it.
//!
//! Pure: no port is touched here. [`Saga::next`] reads what to do from the record alone, so a restart continues exactly
//! where the journal says; [`Saga::begin`] marks the intent that is journalled *before* the request is sent, and
//! [`Saga::apply`] takes the outcome. Forward: reserve → charge → commit (→ sweep); back: restock → undo the charge →
//! release (→ confirm the refund). The charge is the pivot. Waiting is the engine's matter: no clock is read here.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use super::cause::{Cause, Overtaken};
pub use super::outcome::Outcome;
use crate::policy::PaymentProfile;

/// Which way the saga goes; once back, never forward again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards paid and committed.
    Forward,
    /// Towards nothing stands.
    Back(Cause),
}

/// The stock's step. `epoch` tells a second reservation of the same order from the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reserve {
    /// Not asked yet.
    NotSent {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Asked; whether it is held is not known.
    Sending {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Held.
    Held {
        /// Which reservation of this order.
        epoch: u32,
    },
    /// Nothing is held: refused, released, or sold.
    Free,
    /// The release could not be done.
    Stuck {
        /// Which reservation of this order.
        epoch: u32,
    },
}

/// The money's step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Not asked yet.
    NotSent,
    /// Asked; whether it stands is not known.
    Sending,
    /// Stands.
    Captured {
        /// The provider's id.
        charge_id: SmolStr,
        /// What was taken, in minor units of the order's currency.
        minor_units: i64,
    },
    /// Given back, as the provider says; confirmed once a refund can fail no more and no late copy can come.
    GivenBack {
        /// Whether every refund is done and no copy of the charge can come any more, so that only a refund that fails
        /// could change it.
        done: bool,
    },
    /// Proved not to stand: refused, cancelled or given back.
    Void,
    /// It could not be found out or given back; `captured` when it is known to stand.
    Stuck {
        /// Whether it is known to stand.
        captured: bool,
    },
}

/// The sale's last step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// Not asked yet.
    NotSent,
    /// Asked; whether it is done is not known.
    Sending,
    /// Done.
    Done,
    /// Taken back.
    Restocked,
    /// It could not be done (forward) or taken back (back).
    Stuck,
}

/// Whether a charge was made more than once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copies {
    /// None was seen; where the provider does not deduplicate, late ones are still looked for.
    Unseen,
    /// One was seen, or may have been made, whatever the provider promises.
    Suspected,
    /// They were given back, so that one that stands again is a refund that failed.
    GivenBack,
    /// None stands.
    Swept,
}

/// How a saga ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Charged and committed.
    Paid,
    /// Nothing stands.
    Cancelled,
    /// A person has to look.
    Parked {
        /// What stands and what to do, in one sentence.
        note: String,
    },
}

/// Where a saga stands.
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

/// A charge that was made: its amount does not change any more, whatever becomes of the money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KnownCharge {
    /// The provider's id.
    pub id: SmolStr,
    /// What was taken, in minor units of the order's currency.
    pub minor_units: i64,
    /// Whether the charge's own reply told of it: a listing that tells another amount is garbled then.
    pub told: bool,
}

impl KnownCharge {
    /// The charge that an outcome tells of, if it tells of one.
    fn told_by(outcome: &Outcome) -> Option<Self> {
        let (charge_id, minor_units, told) = match outcome {
            Outcome::Captured { charge_id, minor_units, told, .. } => (charge_id, minor_units, *told),
            Outcome::WrongAmount { charge_id, minor_units } | Outcome::Found { charge_id, minor_units } => {
                (charge_id, minor_units, false)
            }
            _ => return None,
        };
        Some(Self { id: charge_id.clone(), minor_units: *minor_units, told })
    }
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

/// How often a charge is given back before a person has to see to it.
const REFUNDS_MAX: u32 = 3;

/// An outcome that the action cannot have: a bug, shown instead of guessed around.
#[derive(Debug, thiserror::Error)]
#[error("{action:?} cannot come to {outcome:?}")]
pub struct IllegalTransition {
    action: Action,
    outcome: Outcome,
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

    /// Marks the intent: what is journalled before the request leaves.
    pub fn begin(&mut self, action: &Action) {
        match action {
            Action::Reserve { epoch } => self.reserve = Reserve::Sending { epoch: *epoch },
            Action::Charge => self.charge = Charge::Sending,
            Action::Commit { .. } => self.commit = Commit::Sending,
            Action::UndoCharge => self.refund_begun = self.refund_epoch,
            Action::End(ending) => self.ending = Some(ending.clone()),
            // These repeat safely from the state they start in.
            Action::Settle
            | Action::Sweep
            | Action::Recheck
            | Action::Restock { .. }
            | Action::Release { .. }
            | Action::ConfirmRefund => {}
        }
    }

    /// Gives up the key of a refund that was refused, which would be answered with the refusal for ever; `false` where it
    /// was the last one.
    pub const fn spend_refund_key(&mut self) -> bool {
        let is_left = self.refund_epoch < REFUNDS_MAX;
        if is_left {
            self.refund_epoch += 1;
        }
        is_left
    }

    /// Takes the outcome of an action that [`Self::begin`] marked.
    pub fn apply(&mut self, action: &Action, outcome: Outcome) -> Result<(), IllegalTransition> {
        let known = KnownCharge::told_by(&outcome);
        self.apply_any(action, outcome)?;
        // Only what was applied is noted: a refused outcome changes nothing.
        if known.is_some() {
            self.known = known;
        }
        Ok(())
    }

    fn apply_any(&mut self, action: &Action, outcome: Outcome) -> Result<(), IllegalTransition> {
        match (action, outcome) {
            (Action::Sweep | Action::Recheck, Outcome::SweptInPart { refunded }) => {
                self.copies = Copies::Swept;
                self.refunded = refunded;
            }
            (Action::Sweep | Action::Recheck, Outcome::BackInPart { refunded }) => self.refunded = refunded,
            (Action::Sweep | Action::Recheck, Outcome::Swept) => self.copies = Copies::Swept,
            // A terminal state is not reopened to act: it is overtaken, and a person's from here.
            (Action::Sweep | Action::Recheck, Outcome::Overtaken(how)) => {
                self.overtaken = Some(how);
                self.ending = Some(self.parked());
            }
            // The stock goes back; of the money nothing more is asked for.
            (Action::UndoCharge | Action::ConfirmRefund, Outcome::Overtaken(how)) => {
                self.overtaken = Some(how);
                self.charge = Charge::Stuck { captured: true };
            }
            (Action::Charge | Action::Settle, Outcome::Overtaken(how)) => {
                self.overtaken = Some(how);
                self.charge = Charge::Stuck { captured: true };
                self.direction = Direction::Back(Cause::GivenBack);
            }
            (Action::ConfirmRefund, Outcome::StillBack) | (Action::UndoCharge, Outcome::Found { .. }) => {}
            (action, outcome) => return self.apply_own(action, outcome),
        }
        Ok(())
    }

    /// The same of an outcome that the provider did not bring about on its own.
    fn apply_own(&mut self, action: &Action, outcome: Outcome) -> Result<(), IllegalTransition> {
        let back = |cause| Direction::Back(cause);
        match (action, outcome) {
            (Action::Reserve { epoch }, Outcome::Held) => self.reserve = Reserve::Held { epoch: *epoch },
            (Action::Reserve { epoch }, Outcome::NotHeld(cause)) => {
                self.reserve = Reserve::Free;
                // A second reservation is only asked for after the money was taken; its refusal is a lost reservation.
                self.direction = back(if *epoch > 1 { Cause::ReservationLost } else { cause });
            }
            (Action::Reserve { epoch }, Outcome::HoldUnknown(cause)) => {
                self.direction = back(if *epoch > 1 { Cause::ReservationLost } else { cause });
            }
            (Action::Charge | Action::Settle, Outcome::Captured { charge_id, minor_units, alone, refunded, .. }) => {
                self.charge = Charge::Captured { charge_id, minor_units };
                self.refunded = refunded;
                if !alone {
                    self.copies = Copies::Suspected;
                }
            }
            (Action::Charge | Action::Settle, Outcome::WrongAmount { charge_id, minor_units }) => {
                self.charge = Charge::Captured { charge_id, minor_units };
                self.direction = back(Cause::AmountMismatch);
            }
            (Action::Charge | Action::Settle, Outcome::NotCaptured(cause)) => {
                self.charge = Charge::Void;
                self.direction = back(cause);
            }
            (Action::Charge | Action::Settle, Outcome::Unsettled) => self.charge = Charge::Sending,
            (Action::Charge | Action::Settle, Outcome::UnsettledGoBack(cause)) => {
                self.charge = Charge::Sending;
                self.direction = back(cause);
            }
            (Action::Settle | Action::Charge, Outcome::GaveUp) | (Action::UndoCharge, Outcome::LostTrack) => {
                self.charge = Charge::Stuck { captured: false }
            }
            (Action::Commit { .. }, Outcome::Committed) => self.commit = Commit::Done,
            (Action::Commit { epoch }, Outcome::ReservationGone) => {
                self.commit = Commit::NotSent;
                if *epoch == 1 {
                    self.reserve = Reserve::NotSent { epoch: 2 };
                } else {
                    self.reserve = Reserve::Free;
                    self.direction = back(Cause::ReservationLost);
                }
            }
            (Action::Commit { .. }, Outcome::CommitRefused(cause)) => {
                self.commit = Commit::NotSent;
                self.direction = back(cause);
            }
            (Action::Commit { .. }, Outcome::CommitUnclear(cause)) => self.direction = back(cause),
            (Action::Commit { .. } | Action::Restock { .. }, Outcome::GaveUp) => self.commit = Commit::Stuck,
            // The order stays what it was told to be; a person is to see to what came on top.
            (Action::Recheck, Outcome::LostTrack) => {
                let note = "the payment provider told of a change and could not be asked about it since; look the order up \
                            there, and refund every charge that should not stand";
                self.ending = Some(Ending::Parked { note: String::from(note) });
            }
            (Action::Recheck, Outcome::RefundFailed) if self.refund_epoch < REFUNDS_MAX => {
                self.refund_epoch += 1;
                self.copies = Copies::Suspected;
            }
            (Action::Recheck, Outcome::GaveUp | Outcome::RefundFailed) => {
                if !matches!(self.charge, Charge::Captured { .. }) {
                    self.charge = Charge::Stuck { captured: true };
                }
                let note = "a charge came after the order had ended, and its refund is refused; look the order up at the \
                            payment provider and refund every charge that should not stand";
                self.ending = Some(Ending::Parked { note: String::from(note) });
            }
            (Action::Sweep, Outcome::GaveUp) => self.charge = Charge::Stuck { captured: true },
            // A reservation that was sold is used up; one whose sale was only asked for may still be held.
            (Action::Restock { .. }, Outcome::Undone) => {
                if self.commit == Commit::Done {
                    self.reserve = Reserve::Free;
                }
                self.commit = Commit::Restocked;
            }
            (Action::UndoCharge | Action::ConfirmRefund, Outcome::Undone) => self.charge = Charge::Void,
            (Action::UndoCharge, Outcome::GivenBack { done }) => self.charge = Charge::GivenBack { done },
            (Action::Sweep | Action::Recheck, Outcome::GivenBack { .. }) => self.copies = Copies::GivenBack,
            // A copy that came meanwhile; it is confirmed with the rest.
            (Action::ConfirmRefund, Outcome::GivenBack { .. }) => self.charge = Charge::GivenBack { done: false },
            (Action::ConfirmRefund | Action::Sweep, Outcome::RefundFailed) if self.refund_epoch >= REFUNDS_MAX => {
                self.charge = Charge::Stuck { captured: true };
            }
            // How much stands is looked at anew.
            (Action::ConfirmRefund, Outcome::RefundFailed) => {
                self.refund_epoch += 1;
                self.charge = Charge::Sending;
            }
            (Action::Sweep, Outcome::RefundFailed) => {
                self.refund_epoch += 1;
                self.copies = Copies::Suspected;
            }
            // The provider said that it was given back, and would not say so again.
            (Action::ConfirmRefund, Outcome::GaveUp) => self.charge = Charge::Stuck { captured: false },
            (Action::UndoCharge, Outcome::CloseRefused) => self.close_refused = true,
            (Action::UndoCharge, Outcome::GaveUp) => {
                self.charge = Charge::Stuck { captured: matches!(self.charge, Charge::Captured { .. }) };
            }
            (Action::Release { .. }, Outcome::Undone) => self.reserve = Reserve::Free,
            (Action::Release { epoch }, Outcome::GaveUp) => self.reserve = Reserve::Stuck { epoch: *epoch },
            (action, outcome) => {
                return Err(IllegalTransition { action: action.clone(), outcome });
            }
        }
        Ok(())
    }

    /// Whether the money's fate is open: neither going back nor cancelling may be promised now.
    pub const fn is_unsettled(&self) -> bool {
        matches!(self.charge, Charge::Sending | Charge::Stuck { captured: false })
    }

    /// Whether, as far as is known, money may stand that pays for no sale: that of a sale which is not booked, or of a copy
    /// of the charge that nobody here looks for any more. What the provider took back on its own does not stand.
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
