//! What was reached: sums of what single runs reached, the same in whatever order they are added.

use std::collections::BTreeSet;

use super::judged::Reached;
use super::plan::Deviation;
use super::space::Space;
use crate::fault::site::Place;

/// What all runs so far reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    /// By entry index: whether it struck.
    pub(super) struck: Vec<bool>,
    /// Error codes that were answered, as bits.
    pub(super) codes: u64,
    /// Kinds of effects, as bits.
    pub(super) effects: u16,
    /// How often each place came in the run where it came most often.
    pub(super) sites_max: [u16; Place::COUNT],
    /// How often each provider was asked for anything, in the run where that was most often.
    pub(super) providers_max: [u16; 3],
    /// Every recovery path.
    pub(super) recovery: BTreeSet<Box<[u8]>>,
}

impl Coverage {
    /// Nothing reached.
    pub(super) fn of(space: &Space) -> Self {
        Self { struck: vec![false; space.entries()], ..Self::default() }
    }

    /// An entry struck.
    pub(super) fn strike(&mut self, space: &Space, deviation: Deviation) {
        self.struck[space.entry_index(deviation)] = true;
    }

    /// A run reached this.
    pub(super) fn add(&mut self, run: Reached) {
        self.codes |= run.codes;
        self.effects |= run.effects;
        for (most, came) in self.sites_max.iter_mut().zip(run.sites) {
            *most = came.max(*most);
        }
        for (most, came) in self.providers_max.iter_mut().zip(run.providers) {
            *most = came.max(*most);
        }
        if let Some(path) = run.recovery
            && !self.recovery.contains(&path)
        {
            self.recovery.insert(path);
        }
    }
}
