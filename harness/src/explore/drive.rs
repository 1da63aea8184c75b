//! The loop that all strategies share: take the next plans, make their runs on all cores, learn from them in order.
//!
//! Plans are taken in batches of a fixed size, whatever the number of threads, and what a batch came to is learnt in
//! its order; so the results are the same for any number of threads, and stopping between two batches leaves a whole
//! beginning of each space behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::judged::{Judged, Want, judge};
use super::kept::Kept;
use super::plan::Deviation;
use super::space::Space;
use super::{Explored, Runner};
use crate::run::TOGETHER;

/// Plans that are taken at once: enough to keep cores busy, few enough to stop soon.
const BATCH: usize = 1024;
/// Plans of each way where all have their turn.
const SHARE: usize = 64;

/// A way through a space. It gives out plans of one stage only, and further ones when it has learnt from those.
pub(super) trait Strategy {
    /// A plan that is to be run, as the strategy remembers it.
    type Item: Send + Sync;

    /// The next plans, in order, at most `most`; none at the end.
    fn next(&mut self, most: usize) -> Vec<Self::Item>;

    /// A plan, written out.
    fn plan(&self, item: &Self::Item, into: &mut Vec<Deviation>);

    /// What is wanted of the runs beside their verdicts.
    fn want(&self) -> Want;

    /// The result of each of the plans, in their order. Says whether to go on.
    fn learn(&mut self, items: &[Self::Item], judged: Vec<Judged>) -> bool;

    /// What is tried.
    fn space(&self) -> &Space;

    /// Runs made so far.
    fn runs(&self) -> u64;

    /// Different findings so far.
    fn findings(&self) -> usize;

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
    /// It was interrupted.
    Interrupted,
    /// Enough was found.
    Enough,
    /// Its time was over.
    OutOfTime,
    /// A run had no end, and misrule was ended with it.
    Stuck,
}

/// What exploration is told from outside while it goes on.
pub struct Control<'a> {
    /// Set once it is to end.
    pub stop: &'a AtomicBool,
    /// When it must end, where it has a time.
    pub until: Option<Instant>,
    /// Told after each batch how far it has come.
    pub watch: &'a (dyn Fn(&Progress) + Sync),
    /// Holds the results so far, for the watchdog, which may end the exploration in the middle.
    pub kept: Option<&'a Kept<Vec<Explored>>>,
}

/// How several ways share the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Turns {
    /// Plans that are taken at once.
    pub(super) batch: usize,
    /// The most of them that one way gives.
    pub(super) of_one: usize,
    /// Whether every way has its turn before time is looked at; else the first ones come to their end first, so that few
    /// are remembered at a time.
    pub(super) fair: bool,
    /// Ends once the ways have so many different findings in all.
    pub(super) findings_max: Option<usize>,
}

impl Turns {
    /// One after the other; a further way begins where the ones before it do not fill a batch.
    pub(super) const fn in_order(findings_max: Option<usize>) -> Self {
        Self { batch: BATCH, of_one: BATCH, fair: false, findings_max }
    }

    /// A share of each, again and again.
    pub(super) const fn fair(findings_max: Option<usize>) -> Self {
        Self { batch: usize::MAX, of_one: SHARE, fair: true, findings_max }
    }

    /// As many plans at once as that.
    pub(super) const fn of(self, batch: usize) -> Self {
        Self { batch, of_one: batch, ..self }
    }
}

/// Plans of one way that are run together, with what is wanted of them.
struct Taken<I> {
    way: usize,
    items: Vec<I>,
    want: Want,
}

/// Goes all ways to their ends, or until that is stopped. How each ended. `keep` is told after each batch how the ways stand,
/// and which of them are still open.
///
/// Plans of several ways are run side by side, so that no core waits for the last runs of one of them.
pub(super) fn drive<S: Strategy + Sync>(
    runner: Runner<'_>,
    ways: &mut [S],
    pool: &ThreadPool,
    control: &Control<'_>,
    turns: Turns,
    keep: &mut dyn FnMut(&[S], &[usize]),
) -> Vec<Ending> {
    let mut endings = vec![Ending::Whole; ways.len()];
    let mut open: Vec<usize> = (0..ways.len()).collect();
    loop {
        let taken = take(ways, &mut open, turns);
        if taken.is_empty() {
            return endings;
        }
        let more = run_and_learn(runner, ways, taken, pool);
        keep(ways, &open);
        (control.watch)(&progress(ways, open.len()));
        let found: usize = ways.iter().map(Strategy::findings).sum();
        let why = if !more || turns.findings_max.is_some_and(|most| found >= most) {
            Ending::Enough
        } else if control.stop.load(Ordering::Relaxed) {
            Ending::Interrupted
        } else if control.until.is_some_and(|until| Instant::now() >= until) {
            Ending::OutOfTime
        } else {
            continue;
        };
        for way in open {
            endings[way] = why;
        }
        return endings;
    }
}

/// The next plans. A way that has none is at its end.
fn take<S: Strategy>(ways: &mut [S], open: &mut Vec<usize>, turns: Turns) -> Vec<Taken<S::Item>> {
    let mut taken = Vec::new();
    let mut room = turns.batch;
    open.retain(|way| {
        if room == 0 {
            return true;
        }
        let items = ways[*way].next(room.min(turns.of_one));
        if items.is_empty() {
            return false;
        }
        room = room.saturating_sub(items.len());
        taken.push(Taken { way: *way, items, want: ways[*way].want() });
        true
    });
    taken
}

/// Runs what was taken on all cores and lets each way learn from its part. Says whether to go on.
fn run_and_learn<S: Strategy + Sync>(
    runner: Runner<'_>,
    ways: &mut [S],
    taken: Vec<Taken<S::Item>>,
    pool: &ThreadPool,
) -> bool {
    let together: Vec<(usize, &[S::Item], Want)> = taken
        .iter()
        .flat_map(|taken| taken.items.chunks(TOGETHER).map(|items| (taken.way, items, taken.want)))
        .collect();
    let all = &*ways;
    let run = |(way, items, want): &(usize, &[S::Item], Want)| {
        let way = &all[*way];
        let plan = |item| {
            let mut plan = Vec::new();
            way.plan(item, &mut plan);
            plan
        };
        let plans: Vec<Vec<Deviation>> = items.iter().map(plan).collect();
        judge(way.space(), runner, &plans, *want)
    };
    let judged: Vec<Judged> = pool.install(|| together.par_iter().flat_map_iter(run).collect());
    drop(together);
    let mut judged = judged.into_iter();
    let mut more = true;
    for Taken { way, items, .. } in taken {
        let its = judged.by_ref().take(items.len()).collect();
        more &= ways[way].learn(&items, its);
    }
    more
}

/// How far all ways have come: of one, in its own words; of several, how many are at their end.
fn progress<S: Strategy>(ways: &[S], open: usize) -> Progress {
    if let [way] = ways {
        return way.progress();
    }
    Progress {
        stage: format!("{} of {} done", ways.len() - open, ways.len()),
        done: ways.iter().map(Strategy::runs).sum(),
        all: None,
        findings: ways.iter().map(Strategy::findings).sum(),
    }
}
