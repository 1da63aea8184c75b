//! The states that a saga is made of: direction, stock, money, sale, copies and ending.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Cause;

/// Which way the saga goes; once back, never forward again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards paid and committed.
    Forward,
    /// Towards undoing everything.
    Back(Cause),
}

/// The stock's step. `epoch` distinguishes a second reservation of the same order from the first.
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
