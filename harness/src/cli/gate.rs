//! Runs every scenario in its worlds: in simulation with further seeds, on the wire a few at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Runner;
use super::progress::Progress;
use crate::explore::panicked;
use crate::fault::plan::Plan;
use crate::outcome::{Outcome, Status};
use crate::report::Ran;
use crate::report::build::{EXPECTATION, rules_broken};
use crate::scenario::model::{Scenario, WorldKind};

/// Each simulated scenario is run with its own seed and this many further ones: a verdict that hangs on the seed is none.
const FURTHER_SEEDS: u64 = 2;
/// Runs on the wire at one time. They wait more than they work, but too many would disturb each other's clocks.
const WIRE_AT_ONCE: usize = 8;

/// What is to be run: every scenario in each of its worlds, or in one.
pub(super) fn work(scenarios: &[Arc<Scenario>], only: Option<WorldKind>) -> Vec<(Arc<Scenario>, WorldKind)> {
    let mut work = Vec::new();
    for scenario in scenarios {
        for world in &scenario.worlds {
            if only.is_none_or(|only| only == *world) {
                work.push((scenario.clone(), *world));
            }
        }
    }
    work
}

/// What came of each part of the work; none as long as nothing has. Whoever has to end in the middle finds it here.
pub(super) type Slots = Mutex<Vec<Option<Ran>>>;

/// Runs all of it; the order of the results is that of the work, whichever ended first.
pub(super) fn play(work: &[(Arc<Scenario>, WorldKind)], runner: Runner<'_>, progress: &Progress, slots: &Slots) {
    let put = |index: usize, ran| slots.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(ran);
    slots.lock().unwrap_or_else(PoisonError::into_inner).resize_with(work.len(), || None);
    let of = |wanted: WorldKind| {
        work.iter().enumerate().filter(move |(_, (_, world))| *world == wanted).map(|(index, _)| index)
    };
    // Simulated runs first and one after the other, so that what is measured of them is undisturbed; and one before
    // them, so that what is set up once a process is not taken for the first scenario's time.
    if let Some((scenario, world)) = of(WorldKind::Sim).next().map(|index| &work[index]) {
        drop(guarded(runner, scenario, *world, &scenario.plan, scenario.seed));
    }
    for index in of(WorldKind::Sim) {
        put(index, one(&work[index], runner, progress));
    }
    let on_the_wire: Vec<_> = of(WorldKind::Wire).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WIRE_AT_ONCE.min(on_the_wire.len()) {
            scope.spawn(|| {
                while let Some(index) = on_the_wire.get(next.fetch_add(1, Ordering::Relaxed)) {
                    put(*index, one(&work[*index], runner, progress));
                }
            });
        }
    });
}

fn one((scenario, world): &(Arc<Scenario>, WorldKind), runner: Runner<'_>, progress: &Progress) -> Ran {
    let what = format!("{} ({})", scenario.name, world.name());
    progress.begin(&what);
    let further = match world {
        WorldKind::Sim => FURTHER_SEEDS,
        WorldKind::Wire => 0,
    };
    let outcomes: Result<Vec<_>, _> = (0..=further)
        .map(|further| guarded(runner, scenario, *world, &scenario.plan, scenario.seed.wrapping_add(further)))
        .collect();
    progress.done(&what, outcomes.iter().flatten().any(|outcome| outcome.status() == Status::Broken));
    let broken = outcomes.iter().flatten();
    let smallest = broken.filter_map(|outcome| smallest(runner, scenario, outcome)).collect();
    Ran { scenario: scenario.clone(), world: *world, outcomes, smallest }
}

/// A broken run again, with the smallest part of its plan that still breaks its first rule, if that is not all of it. What
/// a file expects belongs to its whole plan.
fn smallest(runner: Runner<'_>, scenario: &Arc<Scenario>, broken: &Outcome) -> Option<Outcome> {
    let rule = rules_broken(broken).into_iter().find(|rule| *rule != EXPECTATION)?;
    let mut smallest: Option<Outcome> = None;
    let mut index = 0;
    loop {
        let plan = &smallest.as_ref().unwrap_or(broken).plan;
        // From the last fault to the first: what came late hangs on what came early, and not the other way round.
        let Some(place) = plan.faults.len().checked_sub(index + 1) else { return smallest };
        let mut candidate = plan.clone();
        candidate.faults.remove(place);
        let made = guarded(runner, scenario, broken.world, &candidate, broken.seed).ok();
        let breaks = |made: &Outcome| {
            made.unfired.iter().all(|unfired| broken.unfired.contains(unfired)) && rules_broken(made).contains(&rule)
        };
        match made.filter(breaks) {
            Some(made) => (smallest, index) = (Some(made), 0),
            None => index += 1,
        }
    }
}

/// One run; a panic of the harness is told as what it is and ends this run only.
fn guarded(
    runner: Runner<'_>,
    scenario: &Arc<Scenario>,
    world: WorldKind,
    plan: &Plan,
    seed: u64,
) -> Result<Outcome, String> {
    let run = || runner(scenario, world, plan, seed);
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}
