//! Exploration: not some faults but all of them, to a depth, and random ones beyond it.
//!
//! [`space`] says what is tried, [`plan`] how plans are held, [`drive`] runs them on all cores. Ways through a space are
//! siblings behind one trait: [`exhaustive`], [`random`], and [`first`] up to the first finding; [`shrink`] makes a
//! failing plan smaller. [`judged`] is what is kept of a run, [`findings`] groups what breaks, [`coverage`] sums up what
//! was reached; [`merging`] leaves out what has the same future as something else; [`kept`] is where another thread
//! finds what was done so far. [`mod@spaces`] says which scenarios are
//! tried under which payment profiles, [`mod@estimate`] how much that takes. [`mod@tell`] makes a report of it all, [`pace`]
//! says what a run costs without faults, [`confirm`] repeats findings on the wire. [`mod@generate`] makes
//! generated scenarios.

mod confirm;
mod coverage;
mod drive;
mod estimate;
mod exhaustive;
mod findings;
mod first;
mod generate;
mod judged;
mod kept;
mod merging;
mod pace;
mod plan;
mod random;
mod shrink;
mod space;
mod spaces;
mod tell;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

pub use confirm::Confirm;
pub use drive::{Control, Ending, Progress};
use drive::{Turns, drive};
pub use estimate::{Estimate, estimate};
use exhaustive::Exhaustive;
pub use first::{Budget, First, first_finding};
pub use generate::{Generated, Generating, generate, tell_generated, tell_generated_stuck};
pub use judged::panicked;
pub use kept::Kept;
pub use pace::undisturbed;
pub use random::Draw;
pub use space::Space;
pub use spaces::{LeftOut, Profiles, Spaces, Wanted, spaces};
pub use tell::{Telling, tell, tell_stuck};

use crate::fault::plan::Plan;
use crate::outcome::Outcome;
use crate::run::{Asking, Printable, Printed, simulate_together};
use crate::scenario::model::Scenario;
use crate::system::wiring::Wiring;

/// Who makes the runs.
pub trait Runs: Sync {
    /// Makes several runs in simulation, in their order, with their prints where those are asked for and can be made.
    /// Without prints nothing is merged. An error is a sentence.
    fn run_together(&self, runs: &[Asking<'_>], printed: Printed) -> Vec<Result<Printable, String>>;

    /// Makes one run.
    fn run(&self, scenario: &Arc<Scenario>, plan: &Plan, seed: u64) -> Result<Outcome, String> {
        let mut alone = self.run_together(&[(scenario, plan, seed)], Printed::No);
        alone.pop().expect("one run was asked for").map(|(outcome, _)| outcome)
    }
}

impl<F: Fn(&Arc<Scenario>, &Plan, u64) -> Result<Outcome, String> + Sync> Runs for F {
    fn run_together(&self, runs: &[Asking<'_>], _: Printed) -> Vec<Result<Printable, String>> {
        runs.iter().map(|(scenario, plan, seed)| Ok((self(scenario, plan, *seed)?, None))).collect()
    }
}

/// Runs of the system in simulation.
#[derive(Default)]
pub struct Simulated {
    /// Makes the parts that are put into the system of one run, if any are.
    pub wiring: Option<fn() -> Arc<dyn Wiring>>,
}

impl Runs for Simulated {
    fn run_together(&self, runs: &[Asking<'_>], printed: Printed) -> Vec<Result<Printable, String>> {
        let wiring = || self.wiring.map(|wiring| wiring());
        let made = simulate_together(runs, &wiring, printed);
        made.into_iter().map(|run| run.map_err(|error| error.to_string())).collect()
    }
}

/// Who makes the runs.
pub type Runner<'a> = &'a dyn Runs;

/// One part of a space that several machines share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// Whether a plan is this shard's.
    const fn has(self, number: u64) -> bool {
        number % self.of == self.number - 1
    }

    /// How many of so many plans are.
    const fn part_of(self, plans: u64) -> u64 {
        (plans + self.of - self.number) / self.of
    }
}

/// How far an exploration goes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most faults of a plan, beside the scenario's own.
    pub depth: usize,
    /// Random plans beyond that.
    pub draw: Option<Draw>,
    /// For how long random plans are drawn, where they are not counted; without random plans, when it ends at the latest.
    pub time: Option<Duration>,
    /// The part of the space that is run here; random plans are not shared, machines take seeds of their own.
    pub shard: Option<Shard>,
    /// Ends once there are so many different findings, in all spaces together.
    pub findings_max: Option<usize>,
    /// Whether of plans that have the same future only the first is extended.
    pub reduction: bool,
}

/// The result of an exploration of one space.
#[derive(Clone, Debug)]
pub struct Explored {
    depth: usize,
    ending: Ending,
    levels: Vec<exhaustive::Level>,
    drawn: Option<(Draw, random::Drawn)>,
    coverage: coverage::Coverage,
    findings: findings::Findings,
    not_run: exhaustive::NotRuns,
    further: space::Further,
}

impl Explored {
    /// How many runs were made.
    pub fn runs(&self) -> u64 {
        let levels: u64 = self.levels.iter().map(|level| level.run).sum();
        levels + self.drawn.as_ref().map_or(0, |(_, drawn)| drawn.run)
    }

    /// Whether it was interrupted.
    pub fn interrupted(&self) -> bool {
        self.ending == Ending::Interrupted
    }

    /// How many different findings there are.
    pub fn findings(&self) -> usize {
        self.findings.groups.len()
    }
}

/// Runs every plan of each space up to the depth, then random ones beyond it if that is asked for. What was reached and
/// found is the same for any number of threads.
pub fn explore(
    spaces: &[Space],
    runner: Runner<'_>,
    settings: &Settings,
    pool: &ThreadPool,
    control: &Control<'_>,
) -> Vec<Explored> {
    let until = |span: Duration| Instant::now() + span;
    let bounded = settings.time.filter(|_| settings.draw.is_none());
    let turns = |timed: bool| if timed { Turns::fair } else { Turns::in_order };
    let mut ways: Vec<_> = spaces.iter().map(|space| Exhaustive::new(space, settings)).collect();
    let exhaustive = Control { until: bounded.map(until), ..*control };
    let so_far = |ways: &[Exhaustive<'_>], open: &[usize]| {
        let ending = |way| if open.contains(&way) { Ending::Stuck } else { Ending::Whole };
        ways.iter().enumerate().map(|(index, way)| way.so_far(ending(index))).collect::<Vec<_>>()
    };
    if let Some(kept) = control.kept {
        kept.leave(so_far(&ways, &(0..ways.len()).collect::<Vec<_>>()));
    }
    let mut keep = |ways: &[Exhaustive<'_>], open: &[usize]| {
        if let Some(kept) = control.kept {
            kept.offer(|| so_far(ways, open));
        }
    };
    let turn = turns(bounded.is_some())(settings.findings_max);
    let endings = drive(runner, &mut ways, pool, &exhaustive, turn, &mut keep);
    let mut explored: Vec<_> = ways.into_iter().zip(endings).map(|(way, ending)| way.explored(ending)).collect();
    let Some(draw) = settings.draw.filter(|_| explored.iter().all(|explored| explored.ending == Ending::Whole)) else {
        return explored;
    };
    let shares = (0..).map(|index| draw.share(index, spaces.len()));
    let ways = spaces.iter().zip(&mut explored).zip(shares);
    let mut ways: Vec<_> = ways
        .map(|((space, explored), share)| random::Random::new(space, runner, share, settings.depth, explored))
        .collect();
    let random = Control { until: settings.time.map(until), ..*control };
    let mut keep = |ways: &[random::Random<'_>], _: &[usize]| {
        if let Some(kept) = control.kept {
            kept.offer(|| ways.iter().map(random::Random::so_far).collect());
        }
    };
    let turn = turns(settings.time.is_some())(settings.findings_max);
    let endings = drive(runner, &mut ways, pool, &random, turn, &mut keep);
    let drawn: Vec<_> = ways.into_iter().map(|way| (way.draw, way.drawn)).collect();
    for ((explored, drawn), ending) in explored.iter_mut().zip(drawn).zip(endings) {
        explored.drawn = Some(drawn);
        explored.ending = if ending == Ending::OutOfTime { Ending::Whole } else { ending };
    }
    explored
}

/// Threads that share the runs; the error is a sentence.
pub fn threads(count: usize) -> Result<ThreadPool, String> {
    let pool = ThreadPoolBuilder::new().num_threads(count).thread_name(|index| format!("run {index}")).build();
    pool.map_err(|error| format!("{count} threads could not be started: {error}; ask for fewer with --threads"))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod together;
