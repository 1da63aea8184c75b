//! The hunt for one defect: its scenarios under their own plans, then with one fault more, then with two; the first run
//! that breaks a rule ends it, so that its plan is a smallest one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{DEPTH, Menu};
use crate::defect::{Defect, Hunt};
use crate::fault::plan::{Address, Plan, Planned};
use crate::outcome::Outcome;
use crate::run::simulate;
use crate::scenario::model::Scenario;
use crate::system::wiring::Wiring;

/// A scenario under a payment profile: where something is hunted.
#[derive(Clone, PartialEq, Debug)]
pub struct Ground {
    /// The scenario, its profile set.
    pub scenario: Arc<Scenario>,
    /// The profile's name, where it is not the scenario's own.
    pub profile: Option<&'static str>,
}

impl Ground {
    /// The scenario as a hunt wants it.
    pub fn new(scenario: &Arc<Scenario>, hunt: &Hunt) -> Self {
        let Some(profile) = hunt.profile else { return Self { scenario: scenario.clone(), profile: None } };
        let mut changed = Scenario::clone(scenario);
        changed.policy.payment_profile = profile;
        Self { scenario: Arc::new(changed), profile: Some(crate::scenario::policy::profile_name(profile)) }
    }

    /// As it is told.
    pub fn name(&self) -> String {
        match self.profile {
            None => self.scenario.name.clone(),
            Some(profile) => format!("{} with {profile}", self.scenario.name),
        }
    }
}

/// A plan, and the first choice of its run that a further fault may strike.
#[derive(Clone, Debug)]
pub struct Extended {
    /// The plan.
    pub plan: Plan,
    /// An index into the choices that its run asks.
    pub from: usize,
}

/// What gave a defect away.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Where.
    pub ground: Ground,
    /// Under which plan.
    pub plan: Plan,
    /// How many faults that are beyond the scenario's own.
    pub depth: usize,
    /// The oracles that broke and do not break for GiftGenius as it is, in the order of the table.
    pub oracles: Vec<&'static str>,
    /// What the first of them says.
    pub message: String,
}

/// What a hunt came to.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// What gave the defect away, if anything did.
    pub caught: Option<Caught>,
    /// Where.
    pub grounds: Vec<String>,
    /// How many runs were made with the defect wired in.
    pub runs: u64,
    /// How many of them could not be run to their end.
    pub failed: u64,
    /// Why, for the first.
    pub why_failed: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Hunts a defect over its grounds, breadth first.
pub fn hunt(defect: &Defect, grounds: &[Ground], menu: Menu) -> Hunted {
    let began = Instant::now();
    let mut hunted = Hunted {
        caught: None,
        grounds: grounds.iter().map(Ground::name).collect(),
        runs: 0,
        failed: 0,
        why_failed: None,
        elapsed: Duration::ZERO,
    };
    let mut level: Vec<(usize, Extended)> = grounds
        .iter()
        .enumerate()
        .map(|(index, ground)| (index, Extended { plan: ground.scenario.plan.clone(), from: 0 }))
        .collect();
    for depth in 0..=DEPTH {
        let mut longer = Vec::new();
        for (index, tried) in &level {
            let ground = &grounds[*index];
            hunted.runs += 1;
            let outcome = match attempt(&ground.scenario, &tried.plan, Some((defect.wiring)())) {
                Ok(outcome) => outcome,
                Err(why) => {
                    hunted.failed += 1;
                    hunted.why_failed.get_or_insert(why);
                    continue;
                }
            };
            if let Some((oracles, message)) = given_away(&outcome) {
                let ground = ground.clone();
                hunted.caught = Some(Caught { ground, plan: tried.plan.clone(), depth, oracles, message });
                hunted.elapsed = began.elapsed();
                return hunted;
            }
            if depth < DEPTH {
                longer.extend(extended(&outcome, tried.from, menu).map(|plan| (*index, plan)));
            }
        }
        level = longer;
    }
    hunted.elapsed = began.elapsed();
    hunted
}

/// A run in simulation; a panic of the system is told as what it is.
pub(super) fn attempt(
    scenario: &Arc<Scenario>,
    plan: &Plan,
    wiring: Option<Arc<dyn Wiring>>,
) -> Result<Outcome, String> {
    let run = || simulate(scenario, plan, scenario.seed, wiring);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ran) => ran.map_err(|error| error.to_string()),
        Err(_) => Err(String::from("the run panicked")),
    }
}

/// The oracles that a run breaks, in the order of the table, and what the first says.
pub(super) fn broken(outcome: &Outcome) -> Option<(Vec<&'static str>, String)> {
    let mut oracles = Vec::new();
    let mut message = None;
    for violation in outcome.violations() {
        message.get_or_insert_with(|| violation.message.clone());
        if oracles.last() != Some(&violation.oracle) {
            oracles.push(violation.oracle);
        }
    }
    message.map(|message| (oracles, message))
}

/// What a run with a defect breaks and the same run of GiftGenius as it is does not.
fn given_away(outcome: &Outcome) -> Option<(Vec<&'static str>, String)> {
    let (mut oracles, mut message) = broken(outcome)?;
    // A run that GiftGenius as it is cannot bring to its end proves nothing against the defect.
    let unchanged = attempt(&outcome.scenario, &outcome.plan, None).ok()?;
    if let Some((known, _)) = broken(&unchanged) {
        oracles.retain(|oracle| !known.contains(oracle));
        let first = oracles.first()?;
        message = outcome.violations().find(|violation| violation.oracle == *first)?.message.clone();
    }
    Some((oracles, message))
}

/// Every plan of one fault more. A plan is extended only after its last fault: what happens up to there is fixed, so that
/// each combination is run exactly once.
pub(super) fn extended(outcome: &Outcome, from: usize, menu: Menu) -> impl Iterator<Item = Extended> + use<> {
    let sites: Vec<_> = outcome
        .asked
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, asked)| asked.chosen.is_none())
        .map(|(index, asked)| (index, asked.site))
        .collect();
    let plan = outcome.plan.clone();
    sites.into_iter().flat_map(move |(index, site)| {
        let plan = plan.clone();
        let address = Address { place: site.place, step: None, number: site.arrival };
        menu(site.place).iter().map(move |fault| {
            let mut plan = plan.clone();
            plan.faults.push(Planned::At(address, fault.clone()));
            Extended { plan, from: index + 1 }
        })
    })
}
