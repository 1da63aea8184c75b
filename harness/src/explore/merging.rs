//! Merging: of several plans of one length that have the same future, only the first is extended, and stands for all.
//!
//! Sound, because a print holds all that the future hangs on (`world/print.rs`): plans that struck one choice of one run
//! and let the system observe the same are one; and after a restart of the only process, which remembers nothing, so
//! are any two that left the same behind. Every plan is run itself; what is spared are the plans that extend it. Counts
//! are those of all plans, whether extended or stood for.

use std::collections::HashMap;

use crate::world::print::Print;

/// How many plans a node stands for beside itself.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Standing {
    /// The system observed the same.
    pub(super) observed: u64,
    /// After a restart all was the same.
    pub(super) restarted: u64,
}

/// How two plans were found to be the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// By what the system observed.
    Observed,
    /// By what was left after a restart.
    Restarted,
}

impl Standing {
    /// How many plans, itself included.
    pub(super) const fn all(self) -> u64 {
        1 + self.observed + self.restarted
    }

    /// Stands for another plan too, and for those that it stood for.
    pub(super) fn add(&mut self, other: Self, how: How) {
        self.observed += other.observed;
        self.restarted += other.restarted;
        match how {
            How::Observed => self.observed += 1,
            How::Restarted => self.restarted += 1,
        }
    }
}

/// Plans that were not run because another one stands for them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Merged {
    /// The system observed the same.
    pub(super) observed: u64,
    /// After a restart all was the same.
    pub(super) restarted: u64,
}

impl Merged {
    /// All of them.
    pub(super) const fn all(self) -> u64 {
        self.observed + self.restarted
    }
}

/// What tells plans of one length apart. Looked up, never walked.
#[derive(Debug, Default)]
pub(super) struct Merging {
    /// By print, and for what was observed by the choice that was struck: which run's, and which of its choices.
    known: HashMap<(Print, Option<(u32, u16)>), usize>,
}

impl Merging {
    /// The node that has the same future, if there is one; otherwise the one that is added as number `next` has this.
    pub(super) fn same(&mut self, print: Print, struck: (u32, u16), next: usize) -> Option<(usize, How)> {
        let (key, how) = match print {
            Print::Observed(_) => ((print, Some(struck)), How::Observed),
            Print::Restarted(_) => ((print, None), How::Restarted),
        };
        let known = *self.known.entry(key).or_insert(next);
        (known != next).then_some((known, how))
    }
}
