//! The proof that the gate notices: every defect is hunted until an oracle breaks that does not break for GiftGenius as it
//! is, and then GiftGenius as it is goes through the same space, where nothing may be found.
//!
//! [`hunt`] looks for one defect, [`space`] tries the unchanged system, [`document`] is what comes of both, with a writer
//! a file.

pub mod document;
pub mod hunt;
pub mod markdown;
pub mod space;
pub mod terminal;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::document::Proof;
use self::hunt::{Ground, Hunted};
use self::space::Unchanged;
use crate::defect::{Defect, Hunt};
use crate::explore::threads;
use crate::fault::menu::Breadth;
use crate::report::document::Word;
use crate::scenario::model::Scenario;

/// The most faults that a defect is hunted with, beyond those of a scenario's own plan.
pub const DEPTH: usize = 2;

/// Why nothing can be proved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CannotProve {
    /// A scenario that a defect is hunted on is not among those that were read.
    #[error("`{defect}` is hunted on the scenario `{scenario}`, which is not there")]
    NoSuchScenario {
        /// The defect.
        defect: &'static str,
        /// The scenario.
        scenario: &'static str,
    },
    /// The threads could not be started.
    #[error("{0}")]
    Threads(String),
}

/// What is proved with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The scenarios, whichever are needed among them.
    pub scenarios: &'a [Arc<Scenario>],
    /// What can go wrong.
    pub menu: Breadth,
    /// How many threads; the results are the same for any number.
    pub threads: usize,
    /// Told of each defect that is done, and of the unchanged system: what, and whether that is well.
    pub done: &'a (dyn Fn(&str, bool) + Sync),
    /// Where the result of each hunt is left, for whoever may have to end the proof in the middle.
    pub hunted: &'a Hunts,
}

/// The results of hunts, in the order of the defects; none where one is not over.
pub type Hunts = Mutex<Vec<Option<Hunted>>>;

/// Whether every scenario is there that these defects are hunted on.
pub fn check(defects: &[&'static Defect], scenarios: &[Arc<Scenario>]) -> Result<(), CannotProve> {
    defects.iter().try_for_each(|defect| grounds(defect, scenarios).map(|_| ()))
}

/// What a proof leaves beside its document: for each defect that was caught a scenario that shows it.
pub struct Proved {
    /// The document.
    pub proof: Proof,
    /// By the defect's name.
    pub shown: BTreeMap<&'static str, Scenario>,
}

/// Hunts defects, then tries GiftGenius itself in the same space.
pub fn prove(defects: &[&'static Defect], means: Means<'_>) -> Result<Proved, CannotProve> {
    let grounds: Vec<Vec<Ground>> =
        defects.iter().map(|defect| grounds(defect, means.scenarios)).collect::<Result<_, _>>()?;
    let began = Instant::now();
    lock(means.hunted).resize_with(defects.len(), || None);
    let work: Vec<_> = (0..).zip(defects.iter().copied().zip(&grounds)).collect();
    // Most defects are found within a few runs: each is hunted by one thread, and several at a time.
    let pools: Vec<_> =
        (0..means.threads.max(1)).map(|_| threads(1)).collect::<Result<_, _>>().map_err(CannotProve::Threads)?;
    let hunted = in_parallel(&work, &pools, |(index, (defect, grounds)), pool| {
        let hunted = hunt::hunt(defect, grounds, means.menu, pool);
        lock(means.hunted)[*index] = Some(hunted.clone());
        (means.done)(defect.id, hunted.caught.is_some());
        hunted
    });
    drop(pools);
    let pool = threads(means.threads).map_err(CannotProve::Threads)?;
    let unchanged = space::try_unchanged(&spaces(&grounds, &hunted), means.menu, &pool);
    (means.done)("GiftGenius itself", unchanged.findings.is_empty());
    let proof = document::build(defects, &hunted, &unchanged, means.menu, began.elapsed());
    Ok(Proved { proof, shown: shown(defects, &hunted) })
}

/// A proof that was ended in the middle, and why: of the defects whose hunt was over.
pub fn proved_until(
    defects: &[&'static Defect],
    hunted: &Hunts,
    menu: Breadth,
    elapsed: Duration,
    why: String,
) -> Proved {
    let hunted = std::mem::take(&mut *lock(hunted));
    let over = defects.iter().copied().zip(hunted);
    let (defects, hunted): (Vec<_>, Vec<_>) = over.filter_map(|(defect, hunted)| Some((defect, hunted?))).unzip();
    let mut proof = document::build(&defects, &hunted, &Unchanged::default(), menu, elapsed);
    proof.verdict = proof.verdict.max(Word::NotRun);
    proof.ended = Some(why);
    Proved { proof, shown: shown(&defects, &hunted) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shown(defects: &[&'static Defect], hunted: &[Hunted]) -> BTreeMap<&'static str, Scenario> {
    let caught = |hunted: &Hunted| hunted.caught.as_ref().map(hunt::Caught::shown);
    defects.iter().zip(hunted).filter_map(|(defect, hunted)| Some((defect.id, caught(hunted)?))).collect()
}

/// The scenarios that a defect is hunted on, each under its profile.
fn grounds(defect: &Defect, scenarios: &[Arc<Scenario>]) -> Result<Vec<Ground>, CannotProve> {
    let find = |hunt: &Hunt| {
        let found = scenarios.iter().find(|scenario| scenario.name == hunt.scenario);
        let missing = CannotProve::NoSuchScenario { defect: defect.id, scenario: hunt.scenario };
        found.map(|scenario| Ground::new(scenario, hunt)).ok_or(missing)
    };
    defect.hunted_on.iter().map(find).collect()
}

/// Every ground with the most faults that anything was caught with there, at least one.
fn spaces(grounds: &[Vec<Ground>], hunted: &[Hunted]) -> Vec<(Ground, usize)> {
    let mut spaces: BTreeMap<_, (Ground, usize)> = BTreeMap::new();
    for (grounds, hunted) in grounds.iter().zip(hunted) {
        for ground in grounds {
            let space = spaces.entry((ground.name(), ground.place)).or_insert_with(|| (ground.clone(), 1));
            if let Some(caught) = hunted.caught.as_ref().filter(|caught| caught.ground == *ground) {
                space.1 = space.1.max(caught.depth);
            }
        }
    }
    spaces.into_values().collect()
}

/// The result of each item, in their order, whichever ends first; one thread for each of `pools`.
fn in_parallel<I: Sync, O: Send, P: Sync>(items: &[I], pools: &[P], each: impl Fn(&I, &P) -> O + Sync) -> Vec<O> {
    let slots: Mutex<Vec<Option<O>>> = Mutex::new(items.iter().map(|_| None).collect());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for pool in pools {
            let (slots, next, each) = (&slots, &next, &each);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let out = each(item, pool);
                    slots.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(out);
                }
            });
        }
    });
    slots.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}
