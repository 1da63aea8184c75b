//! Sites: the labelled places of a run where something can go wrong.

use std::fmt;

use crate::provider::OperationSpec;

/// A request at a provider, told apart in two ways that name the same event: by arrival (`payment.charge#2`, the second
/// to arrive) and, where it carries a script step's correlation id, by step (`payment.charge@3#1`, the first on behalf
/// of step 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// The operation.
    pub operation: &'static OperationSpec,
    /// Which request for this operation, from 1.
    pub arrival: u32,
    /// The script step, and which request of this operation for it, from 1.
    pub for_step: Option<(u32, u32)>,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.operation.label, self.arrival)
    }
}
