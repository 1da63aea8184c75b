//! The hunt for one defect: its scenarios under their own plans, then with one fault more, then with two; the first run
//! that breaks its rule ends it, so that its plan is a smallest one. The exploring itself is `explore`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use super::DEPTH;
use crate::defect::{Defect, Hunt};
use crate::explore::{Budget, First, Runs, Simulated, Space, first_finding};
use crate::fault::menu::Breadth;
use crate::fault::plan::Plan;
use crate::fault::site::Place;
use crate::oracle::{self, Oracle, Verdict};
use crate::outcome::Outcome;
use crate::report::build;
use crate::run::{Asking, Printable, Printed, simulate};
use crate::scenario::model::{Narrowing, Scenario, WorldKind};
use crate::scenario::policy::profile_name;

/// A scenario under a payment profile, with the places that are struck: where something is hunted.
#[derive(Clone, PartialEq, Debug)]
pub struct Ground {
    /// The scenario, its profile and places set.
    pub scenario: Arc<Scenario>,
    /// The profile's name, where it is not the scenario's own.
    pub profile: Option<&'static str>,
    /// The one kind of place that is struck; `None`: every kind.
    pub place: Option<&'static str>,
}

impl Ground {
    /// The scenario as a hunt wants it. What goes wrong over time is left out unless it is named: it is many faults under
    /// one name.
    pub fn new(scenario: &Arc<Scenario>, hunt: &Hunt) -> Self {
        let mut changed = Scenario::clone(scenario);
        if let Some(profile) = hunt.profile {
            changed.policy.payment_profile = profile;
        }
        changed.explore.sites = match hunt.place {
            Some(place) => vec![place.to_owned()],
            None => Place::all().map(|place| place.label().to_owned()).collect(),
        };
        changed.explore.faults.clear();
        Self { scenario: Arc::new(changed), profile: hunt.profile.map(profile_name), place: hunt.place }
    }

    /// The line that repeats a run there.
    pub fn replay(&self, plan: &Plan) -> String {
        let line = build::replay(&self.scenario, WorldKind::Sim, plan, self.scenario.seed);
        self.profile.map_or(line.clone(), |profile| format!("{line} --profile {profile}"))
    }

    /// As it is told.
    pub fn name(&self) -> String {
        match self.profile {
            None => self.scenario.name.clone(),
            Some(profile) => format!("{} with {profile}", self.scenario.name),
        }
    }

    /// What is tried there.
    pub(super) fn space(&self, menu: Breadth) -> Space {
        Space::new(self.scenario.clone(), Some(menu), self.scenario.seed)
    }
}

/// What gave a defect away.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Where.
    pub ground: Ground,
    /// Under which plan.
    pub plan: Plan,
    /// How many of its faults are beyond the scenario's own.
    pub depth: usize,
    /// The oracles that broke and do not break for GiftGenius as it is, in the order of the table.
    pub oracles: Vec<&'static str>,
    /// What the one that was meant to break says, or else the first.
    pub message: String,
}

impl Caught {
    /// The scenario under the plan, as a file of its own.
    pub(super) fn shown(&self) -> Scenario {
        let mut shown = Scenario::clone(&self.ground.scenario);
        shown.plan = self.plan.clone();
        shown.explore = Narrowing::default();
        shown
    }
}

/// The result of a hunt.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// What gave the defect away, if anything did.
    pub caught: Option<Caught>,
    /// Where it was hunted.
    pub grounds: Vec<String>,
    /// How many runs were made with the defect wired in, each plan counted once.
    pub runs: u64,
    /// Why a run could not be made, if one could not.
    pub not_run: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Hunts a defect over its grounds, breadth first, until its own rule breaks; where that never does, until any rule does.
/// A bug often breaks a second rule first: a log that tells of other requests than were made is one of them.
pub fn hunt(defect: &Defect, grounds: &[Ground], menu: Breadth, pool: &ThreadPool) -> Hunted {
    let began = Instant::now();
    let is_own = |rule: &str| rule == defect.caught_by;
    let is_oracle = |rule: &str| oracle::by_id(rule).is_some();
    let mut runs = 0;
    let mut not_run = None;
    let mut caught = None;
    for counts in [&is_own as Counts<'_>, &is_oracle] {
        if caught.is_none() {
            let hunted = hunt_for(defect, grounds, menu, counts, pool);
            (caught, runs) = (hunted.0, hunted.1);
            not_run = not_run.or(hunted.2);
        }
    }
    let grounds = grounds.iter().map(Ground::name).collect();
    Hunted { caught, grounds, runs, not_run, elapsed: began.elapsed() }
}

/// Which rules end a hunt.
type Counts<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// Hunts a defect until a rule breaks that `counts`: what gave it away, how many runs that took, and what was not run.
fn hunt_for(
    defect: &Defect,
    grounds: &[Ground],
    menu: Breadth,
    counts: Counts<'_>,
    pool: &ThreadPool,
) -> (Option<Caught>, u64, Option<String>) {
    let runner = Broken(defect);
    // How many plans have been tried on each ground; a deeper search begins with them again.
    let mut runs = vec![0; grounds.len()];
    let mut not_run = None;
    for depth in 0..=DEPTH {
        for (place, ground) in grounds.iter().enumerate() {
            let First { runs: made, found, not_run: why } =
                first_finding(&ground.space(menu), &runner, Budget::of(depth), counts, pool);
            runs[place] = made;
            not_run = not_run.or(why);
            if let Some((plan, found)) = found {
                let (oracles, message) = said(defect, ground, &plan, found);
                let caught = Caught { ground: ground.clone(), plan, depth, oracles, message };
                return (Some(caught), runs.iter().sum(), not_run);
            }
        }
    }
    (None, runs.iter().sum(), not_run)
}

/// Runs with the defect wired in, less what the same runs of GiftGenius as it is break too. One that GiftGenius as it
/// is cannot bring to its end proves nothing.
struct Broken<'d>(&'d Defect);

impl Broken<'_> {
    /// What of a run is the defect's.
    fn own(scenario: &Arc<Scenario>, mut outcome: Outcome) -> Result<Outcome, String> {
        if outcome.violations().next().is_some() {
            let unchanged = simulate(scenario, &outcome.plan, outcome.seed, None).map_err(|error| error.to_string())?;
            for (verdict, unchanged) in outcome.verdicts.iter_mut().zip(&unchanged.verdicts) {
                if matches!(unchanged.1, Verdict::Broken(_)) {
                    verdict.1 = Verdict::Kept;
                }
            }
        }
        Ok(outcome)
    }
}

impl Runs for Broken<'_> {
    fn run_together(&self, runs: &[Asking<'_>], printed: Printed) -> Vec<Result<Printable, String>> {
        let broken = Simulated { wiring: Some(self.0.wiring) };
        let own = |((scenario, ..), made): (&Asking<'_>, Result<Printable, String>)| {
            let (outcome, print) = made?;
            Ok((Self::own(scenario, outcome)?, print))
        };
        runs.iter().zip(broken.run_together(runs, printed)).map(own).collect()
    }
}

/// Every oracle that a run breaks, and what the one that was meant to break says, or else the first.
fn said(defect: &Defect, ground: &Ground, plan: &Plan, found: Vec<&'static str>) -> (Vec<&'static str>, String) {
    let Ok(outcome) = Broken(defect).run(&ground.scenario, plan, ground.scenario.seed) else {
        return (found, String::new());
    };
    let broken =
        |(oracle, verdict): &(&'static Oracle, Verdict)| matches!(verdict, Verdict::Broken(_)).then_some(oracle.id);
    let oracles: Vec<_> = outcome.verdicts.iter().filter_map(broken).collect();
    let meant = oracles.iter().find(|oracle| **oracle == defect.caught_by).or(oracles.first());
    let message = outcome.violations().find(|violation| Some(&violation.oracle) == meant);
    let message = message.map(|violation| violation.message.clone()).unwrap_or_default();
    (oracles, message)
}
