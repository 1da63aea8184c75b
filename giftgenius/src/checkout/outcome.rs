//! The outcomes of the saga's steps, independent of the requests that were sent.

use smol_str::SmolStr;

use super::cause::{Cause, Overtaken};
use crate::money::Money;

/// The outcome of an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The stock is held.
    Held,
    /// The stock is refused; nothing is held.
    NotHeld(Cause),
    /// The stock may be held and the caller cannot wait: go back.
    HoldUnknown(Cause),
    /// The money stands, as agreed.
    Captured {
        /// The provider's id.
        charge_id: SmolStr,
        /// What was taken.
        minor_units: i64,
        /// Whether it is the only charge, and no other can come.
        alone: bool,
        /// Whether the charge's own reply reported it.
        told: bool,
        /// How much of it the provider has given back on its own, in minor units of the order's currency.
        refunded: i64,
    },
    /// The money stands, but not in the agreed amount: go back.
    WrongAmount {
        /// The provider's id.
        charge_id: SmolStr,
        /// What was taken, which may be in another currency.
        taken: Money,
    },
    /// It is proved that no money stands.
    NotCaptured(Cause),
    /// Whether the money stands is not known.
    Unsettled,
    /// Whether the money stands is not known, and the sale shall not go on: go back, proving it.
    UnsettledGoBack(Cause),
    /// The sale is done.
    Committed,
    /// The reservation is gone.
    ReservationGone,
    /// The sale is refused for another reason: go back.
    CommitRefused(Cause),
    /// The sale may be done although it was refused when asked again: go back, undoing it.
    CommitUnclear(Cause),
    /// No copy stands besides the one charge.
    Swept,
    /// The same, and the provider refunded a part of the charge on its own.
    SweptInPart {
        /// In minor units of the order's currency.
        refunded: i64,
    },
    /// The search for copies goes on, and the provider refunded a part of the charge on its own.
    BackInPart {
        /// In minor units of the order's currency.
        refunded: i64,
    },
    /// The payment provider undid the charge: nothing is done about it here any more, and a person has to look.
    Overtaken(Overtaken),
    /// What stood is given back, which is to be confirmed.
    GivenBack {
        /// Whether every refund is done and no copy of the charge can come any more.
        done: bool,
    },
    /// An unknown charge was found, and has to be refunded.
    Found {
        /// The provider's id.
        charge_id: SmolStr,
        /// What was taken.
        minor_units: i64,
    },
    /// It was looked at before its time, and nothing of it stands again.
    StillBack,
    /// What was given back stands (again), or a copy of it.
    RefundFailed,
    /// The provider refuses to close the reference; looking up and giving back remain.
    CloseRefused,
    /// It cannot be undone, and what stands cannot be found out either: leave it to a person.
    LostTrack,
    /// What was to be undone is undone.
    Undone,
    /// Rounds are used up: leave it to a person.
    GaveUp,
}
