//! The first finding: how many runs it takes until a rule breaks, and the plan that breaks it. For proofs that a
//! planted defect would be caught.

use std::sync::atomic::AtomicBool;

use rayon::ThreadPool;

use super::drive::{Control, Strategy, Turns, drive};
use super::exhaustive::{Exhaustive, Item};
use super::judged::{Judged, Want};
use super::plan::Deviation;
use super::{Progress, Runner, Settings, Space};
use crate::fault::plan::Plan;

/// Plans that are taken at once: few, since most defects are found soon.
const BATCH: usize = 64;

/// How far to look for a first finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The most faults of a plan, beside the scenario's own.
    pub depth: usize,
    /// The most runs, to within a batch.
    pub runs_max: u64,
    /// Whether of plans that have the same future only the first is extended.
    pub reduction: bool,
}

impl Budget {
    /// Every plan of up to so many faults, each of them run.
    pub const fn of(depth: usize) -> Self {
        Self { depth, runs_max: u64::MAX, reduction: false }
    }
}

/// The result of an exploration up to its first finding.
#[derive(Clone, PartialEq, Debug)]
pub struct First {
    /// Runs until then, that one included; all of them if nothing was found. The same for any number of threads.
    pub runs: u64,
    /// The plan, and the rules that it breaks.
    pub found: Option<(Plan, Vec<&'static str>)>,
    /// Why a run could not be made, if one could not.
    pub not_run: Option<String>,
}

/// Explores breadth first until a run breaks a rule that `counts`, as far as the budget goes.
pub fn first_finding(
    space: &Space,
    runner: Runner<'_>,
    budget: Budget,
    counts: &(dyn Fn(&str) -> bool + Sync),
    pool: &ThreadPool,
) -> First {
    let Budget { depth, runs_max, reduction } = budget;
    let settings = Settings { depth, draw: None, time: None, shard: None, findings_max: None, reduction };
    let mut way =
        UntilFirst { inner: Exhaustive::new(space, &settings), counts, runs: 0, runs_max, found: None, not_run: None };
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    drive(runner, std::slice::from_mut(&mut way), pool, &control, Turns::in_order(None).of(BATCH), &mut |_, _| {});
    First { runs: way.runs, found: way.found.map(|(plan, rules)| (space.plan(&plan), rules)), not_run: way.not_run }
}

/// An exhaustive way that ends at the first finding.
struct UntilFirst<'a> {
    inner: Exhaustive<'a>,
    counts: &'a (dyn Fn(&str) -> bool + Sync),
    runs: u64,
    runs_max: u64,
    found: Option<(Vec<Deviation>, Vec<&'static str>)>,
    not_run: Option<String>,
}

impl Strategy for UntilFirst<'_> {
    type Item = Item;

    fn next(&mut self, most: usize) -> Vec<Item> {
        self.inner.next(most)
    }

    fn plan(&self, item: &Item, into: &mut Vec<Deviation>) {
        self.inner.plan(item, into);
    }

    fn want(&self) -> Want {
        self.inner.want()
    }

    fn learn(&mut self, items: &[Item], judged: Vec<Judged>) -> bool {
        for (item, run) in items.iter().zip(&judged) {
            self.runs += 1;
            if let Some(why) = &run.not_run {
                self.not_run.get_or_insert_with(|| why.to_string());
            }
            let rules: Vec<_> = run.rules.iter().copied().filter(|rule| (self.counts)(rule)).collect();
            if !rules.is_empty() {
                let mut plan = Vec::new();
                self.plan(item, &mut plan);
                self.found = Some((plan, rules));
                return false;
            }
        }
        self.inner.learn(items, judged) && self.runs < self.runs_max
    }

    fn space(&self) -> &Space {
        self.inner.space()
    }

    fn runs(&self) -> u64 {
        self.inner.runs()
    }

    fn findings(&self) -> usize {
        self.inner.findings()
    }

    fn progress(&self) -> Progress {
        self.inner.progress()
    }
}
