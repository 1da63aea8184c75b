//! The loop that all strategies share: take the next plans, make their runs on all cores, learn from them in order.
//!
//! Plans are taken in batches of a fixed size, whatever the number of threads, and what a batch came to is learnt in
//! its order; so the results are the same for any number of threads, and stopping between two batches leaves a whole
//! beginning of the space behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::Runner;
use super::judged::{Judged, Want, judge};
use super::plan::Deviation;
use super::space::Space;
use crate::run::TOGETHER;

/// Plans that are taken at once: enough to keep cores busy, few enough to stop soon.
const BATCH: usize = 1024;

/// A way through a space.
pub(super) trait Strategy {
    /// A plan that is to be run, as the strategy remembers it.
    type Item: Send + Sync;

    /// The next plans, in order, at most `most`; none at the end.
    fn next(&mut self, most: usize) -> Vec<Self::Item>;

    /// A plan, written out.
    fn plan(&self, item: &Self::Item, into: &mut Vec<Deviation>);

    /// What is wanted of the runs beside their verdicts.
    fn want(&self) -> Want;

    /// What each of the plans came to, in their order. Says whether to go on.
    fn learn(&mut self, items: &[Self::Item], judged: Vec<Judged>) -> bool;

    /// How far it has come, for a person who waits.
    fn progress(&self) -> Progress;
}

/// How far an exploration has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is being run, such as `2 faults`.
    pub stage: String,
    /// Runs made at this stage.
    pub done: u64,
    /// Runs of this stage in all, where that is known.
    pub all: Option<u64>,
    /// Different findings so far.
    pub findings: usize,
}

/// Why a way through a space ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It was gone to its end.
    Whole,
    /// Somebody interrupted it.
    Interrupted,
    /// Enough was found.
    Enough,
    /// Its time was over.
    OutOfTime,
}

/// What exploration is told from outside while it goes on.
pub struct Control<'a> {
    /// Set once somebody wants it to end.
    pub stop: &'a AtomicBool,
    /// When it must end, for a random exploration with a time.
    pub until: Option<Instant>,
    /// Told after each batch how far it has come.
    pub watch: &'a (dyn Fn(&Progress) + Sync),
}

/// Goes a way to its end, or until it is stopped.
pub(super) fn drive<S: Strategy + Sync>(
    space: &Space,
    runner: Runner<'_>,
    strategy: &mut S,
    pool: &ThreadPool,
    control: &Control<'_>,
    batch: Option<usize>,
) -> Ending {
    loop {
        let items = strategy.next(batch.unwrap_or(BATCH));
        if items.is_empty() {
            return Ending::Whole;
        }
        let want = strategy.want();
        let way = &*strategy;
        let run = |items: &[S::Item]| {
            let plan = |item| {
                let mut plan = Vec::new();
                way.plan(item, &mut plan);
                plan
            };
            let plans: Vec<Vec<Deviation>> = items.iter().map(plan).collect();
            judge(space, runner, &plans, want)
        };
        let judged: Vec<Judged> = pool.install(|| items.par_chunks(TOGETHER).flat_map_iter(run).collect());
        let more = strategy.learn(&items, judged);
        (control.watch)(&strategy.progress());
        if !more {
            return Ending::Enough;
        }
        if control.stop.load(Ordering::Relaxed) {
            return Ending::Interrupted;
        }
        if control.until.is_some_and(|until| Instant::now() >= until) {
            return Ending::OutOfTime;
        }
    }
}
