//! What beginning an action and taking its outcome make of a saga.

use super::{Action, Cause, Charge, Commit, Copies, Direction, Ending, KnownCharge, Outcome, Reserve, Saga};

/// How often a charge is given back before a person has to see to it.
const REFUNDS_MAX: u32 = 3;

/// An outcome that the action cannot have: a bug, shown instead of guessed around.
#[derive(Debug, thiserror::Error)]
#[error("{action:?} cannot come to {outcome:?}")]
pub struct IllegalTransition {
    action: Action,
    outcome: Outcome,
}

impl KnownCharge {
    /// The charge that an outcome reports, if any.
    fn told_by(outcome: &Outcome) -> Option<Self> {
        let (charge_id, minor_units, told) = match outcome {
            Outcome::Captured { charge_id, minor_units, told, .. } => (charge_id, minor_units, *told),
            Outcome::WrongAmount { charge_id, taken } => (charge_id, &taken.minor_units, false),
            Outcome::Found { charge_id, minor_units } => (charge_id, minor_units, false),
            _ => return None,
        };
        Some(Self { id: charge_id.clone(), minor_units: *minor_units, told })
    }
}

impl Saga {
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
            (Action::Charge | Action::Settle, Outcome::WrongAmount { charge_id, taken }) => {
                self.charge = Charge::Captured { charge_id, minor_units: taken.minor_units };
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
            // The order keeps its reported ending; the operator has to handle what came on top.
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
            // Look again how much stands.
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
}
