//! The note for the operator of a parked order: what stands, and what to do.

use super::state::{Charge, Commit, Direction, Ending, IllegalTransition, Overtaken, Reserve, Saga};

impl Saga {
    /// The ending of what cannot be settled or undone.
    pub(super) fn parked(&self) -> Ending {
        if let Some(how) = self.overtaken {
            return Ending::Parked { note: self.overtaken_note(how) };
        }
        let mut stands = Vec::new();
        match &self.charge {
            Charge::Stuck { captured: true } | Charge::Captured { .. } => stands.push("a charge stands"),
            Charge::Stuck { captured: false } | Charge::Sending | Charge::GivenBack { .. } => {
                stands.push("a charge may stand");
            }
            Charge::NotSent | Charge::Void => {}
        }
        if self.commit == Commit::Done {
            // Only the search for copies of the charge was given up.
            let note = "the sale is paid and booked, and a copy of its charge may stand; look the order up at the payment \
                        provider and refund every charge but one";
            return Ending::Parked { note: String::from(note) };
        }
        match self.reserve {
            Reserve::Held { .. } => stands.push("stock is reserved"),
            Reserve::Sending { .. } | Reserve::Stuck { .. } => stands.push("stock may be reserved"),
            Reserve::NotSent { .. } | Reserve::Free => {}
        }
        if self.commit == Commit::Stuck {
            stands.push("the sale may be booked in the inventory");
        }
        let todo = match &self.direction {
            Direction::Forward => "look the order up at the providers, then book the sale or refund it",
            Direction::Back(_) => "look the order up at the providers, refund what stands and release the stock",
        };
        Ending::Parked { note: format!("{}; {todo}", stands.join(", ")) }
    }

    fn overtaken_note(&self, how: Overtaken) -> String {
        let sale = match self.commit {
            Commit::Done => "the sale is booked",
            Commit::Restocked => "the sale was taken back",
            Commit::Sending | Commit::Stuck => "the sale may be booked",
            Commit::NotSent => "the sale is not booked",
        };
        let (act, todo) = match how {
            Overtaken::Refunded => (
                "the payment provider gave the charge back",
                "find out who did that, then have the goods returned or the order paid anew",
            ),
            Overtaken::Disputed => (
                "the charge is disputed",
                "answer the dispute at the payment provider, and refund nothing while it is open",
            ),
        };
        format!("{act}, and {sale}; {todo}")
    }

    /// The ending of a saga with an outcome that its action cannot have.
    pub fn stopped(&self, illegal: &IllegalTransition) -> Ending {
        Ending::Parked {
            note: format!(
                "the sale stopped at something that cannot be ({illegal}); look the order up at the providers and settle it"
            ),
        }
    }
}
