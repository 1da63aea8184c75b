//! Findings: failing plans, grouped by the rule they break and by cause.
//!
//! A failing plan that holds a smaller one which breaks the same rule shows nothing new and is counted with it. What
//! is left is grouped by the set of (operation, fault) of the smallest plan, since one flaw shows at many sites and
//! with many parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::plan::Deviation;
use super::space::Space;

/// The rule that is broken, and the kinds of faults that it takes: kind of choice by index, name of the fault.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    /// The rule.
    pub(super) rule: &'static str,
    /// What it takes.
    pub(super) cause: BTreeSet<(usize, &'static str)>,
}

/// Where in the space a plan stands: by how many faults, then by its place among those.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Position {
    /// How many faults more than the scenario's own plan; for a random plan one more than the depth.
    pub(super) level: usize,
    /// Counted from 0 among those.
    pub(super) number: u64,
}

/// Everything of one rule and cause.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The first plan, and so a smallest one.
    pub(super) plan: Box<[Deviation]>,
    /// Where it stands.
    pub(super) at: Position,
    /// How many plans show it, by level.
    pub(super) plans: Vec<u64>,
}

/// All findings so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) groups: BTreeMap<Key, Group>,
    /// Smallest plans by rule, each with its group. Looked up, never walked.
    smallest: HashMap<(&'static str, Box<[Deviation]>), Key>,
}

/// The most faults of a plan whose parts are looked up.
const PARTS_MAX: usize = 10;

impl Findings {
    /// The finding that a failing plan belongs to because a part of it breaks the same rule.
    pub(super) fn explained_by(&self, rule: &'static str, plan: &[Deviation]) -> Option<&Key> {
        if self.smallest.is_empty() || plan.len() > PARTS_MAX {
            return None;
        }
        // By number of faults, so that the smallest part explains.
        let mut parts: Vec<u32> = (0..(1_u32 << plan.len()) - 1).collect();
        parts.sort_by_key(|part| (part.count_ones(), *part));
        parts.into_iter().find_map(|part| {
            let kept = plan.iter().enumerate().filter(|(index, _)| part & (1 << index) != 0);
            let part: Box<[Deviation]> = kept.map(|(_, deviation)| *deviation).collect();
            self.smallest.get(&(rule, part))
        })
    }

    /// Counts plans with a finding that is known.
    pub(super) fn count(&mut self, key: &Key, level: usize, plans: u64) {
        let group = self.groups.get_mut(key).expect("a key is given out with its group");
        add(&mut group.plans, level, plans);
    }

    /// Adds a failing plan that no smaller one explains; says whether its group is new.
    pub(super) fn add(
        &mut self,
        space: &Space,
        rule: &'static str,
        plan: &[Deviation],
        at: Position,
        plans: u64,
    ) -> bool {
        let key = Key { rule, cause: cause(space, plan) };
        let known = self.groups.contains_key(&key);
        let group =
            self.groups.entry(key.clone()).or_insert_with(|| Group { plan: plan.into(), at, plans: Vec::new() });
        if at < group.at {
            group.at = at;
            group.plan = plan.into();
        }
        add(&mut group.plans, at.level, plans);
        self.smallest.insert((rule, plan.into()), key);
        !known
    }
}

pub(super) fn add(plans: &mut Vec<u64>, level: usize, more: u64) {
    if plans.len() <= level {
        plans.resize(level + 1, 0);
    }
    plans[level] += more;
}

fn cause(space: &Space, plan: &[Deviation]) -> BTreeSet<(usize, &'static str)> {
    plan.iter().map(|deviation| (deviation.at.kind_index(), space.name(*deviation))).collect()
}
