//! Which spaces there are: of several scenarios, each under its own payment profile or others.
//!
//! Another profile makes sense for a scenario if under it every fault of the scenario's own plan strikes in the run without
//! further ones: otherwise the scenario no longer shows what it is there for. That is found out by making the run.

use std::sync::Arc;

use giftgenius::policy::PaymentProfile;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::Runner;
use super::judged::make;
use super::space::{Shelf, Space};
use crate::scenario::model::{Narrowing, Scenario};
use crate::scenario::policy::{PROFILES, profile_name};

/// Under which payment profiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profiles {
    /// Each scenario under the one that its file names.
    Own,
    /// All of them under this one.
    Only(PaymentProfile),
    /// Each scenario under every one.
    All,
    /// Each scenario under every one but its own.
    Others,
}

impl Profiles {
    fn of(self, scenario: &Scenario) -> impl Iterator<Item = PaymentProfile> {
        let own = scenario.policy.payment_profile;
        PROFILES.into_iter().map(|(_, profile)| profile).filter(move |profile| match self {
            Self::Own => *profile == own,
            Self::Only(only) => *profile == only,
            Self::All => true,
            Self::Others => *profile != own,
        })
    }
}

/// What is to be tried of some scenarios.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Under which payment profiles.
    pub profiles: Profiles,
    /// A narrowing in place of the scenarios' own, as far as it says anything.
    pub narrowing: Narrowing,
    /// The seed of all runs; each scenario's own if not said.
    pub seed: Option<u64>,
}

/// A scenario and a payment profile that makes no sense for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// The scenario's name.
    pub scenario: String,
    /// The profile's.
    pub profile: &'static str,
    /// The scenario's own faults that never strike under it.
    pub unfired: Vec<String>,
}

/// The spaces of some scenarios, in their order, and what makes none.
#[derive(Debug, Default)]
pub struct Spaces {
    /// The spaces.
    pub spaces: Vec<Space>,
    /// What makes none.
    pub left_out: Vec<LeftOut>,
}

/// The spaces of some scenarios. A profile that makes no sense is left out as long as another space is left.
pub fn spaces(scenarios: &[Arc<Scenario>], wanted: &Wanted, runner: Runner<'_>, pool: &ThreadPool) -> Spaces {
    let mut shelf = Shelf::default();
    let mut all = Vec::new();
    for scenario in scenarios {
        let seed = wanted.seed.unwrap_or(scenario.seed);
        for profile in wanted.profiles.of(scenario) {
            let own = profile == scenario.policy.payment_profile;
            let mut narrowed = scenario.with_profile(profile);
            narrowed.explore = narrowed.explore.replaced_by(&wanted.narrowing);
            let mut space = Space::with_menus(&mut shelf, Arc::new(narrowed), None, seed);
            space.foreign = (!own).then(|| profile_name(profile));
            all.push(space);
        }
    }
    let unfired: Vec<Vec<String>> = pool.install(|| all.par_iter().map(|space| unfired(space, runner)).collect());
    if unfired.iter().all(|unfired| !unfired.is_empty()) {
        return Spaces { spaces: all, left_out: Vec::new() };
    }
    let mut spaces = Spaces::default();
    for (space, unfired) in all.into_iter().zip(unfired) {
        match space.foreign {
            Some(profile) if !unfired.is_empty() => {
                spaces.left_out.push(LeftOut { scenario: space.scenario.name.clone(), profile, unfired });
            }
            _ => spaces.spaces.push(space),
        }
    }
    spaces
}

/// The faults of the scenario's own plan that do not strike under a profile that is not its own.
fn unfired(space: &Space, runner: Runner<'_>) -> Vec<String> {
    if space.foreign.is_none() || space.scenario.plan.faults.is_empty() {
        return Vec::new();
    }
    // What cannot be run is said where it is explored.
    make(space, runner, &[]).map_or_else(|_| Vec::new(), |own| own.unfired.iter().map(ToString::to_string).collect())
}
