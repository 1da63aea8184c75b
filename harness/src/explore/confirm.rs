//! Whether a finding of the simulation is there on the wire too: the same plan in real processes, on real sockets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::judged::panicked;
use crate::fault::plan::Plan;
use crate::outcome::Outcome;
use crate::parity::difference;
use crate::report::build::rules_broken;
use crate::report::exploration::document::{Wire, WireWord};
use crate::scenario::model::{Scenario, WorldKind};

/// Makes one run on the wire: scenario, plan, seed. The error is a sentence.
pub type Confirm<'a> = dyn Fn(&Arc<Scenario>, &Plan, u64) -> Result<Outcome, String> + Sync + 'a;

/// What the wire says of a simulated run that broke a rule.
pub(super) fn confirm(on_the_wire: &Confirm<'_>, simulated: &Outcome, rule: &str) -> Wire {
    let say = |word, why: Option<String>| Wire { word, why };
    if let Some(why) = impossible(simulated) {
        return say(WireWord::Impossible, Some(why));
    }
    let run = || on_the_wire(&simulated.scenario, &simulated.plan, simulated.seed);
    let real = match catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(&*panic))) {
        Ok(real) => real,
        Err(why) => return say(WireWord::NotRun, Some(why)),
    };
    let differs = difference(simulated, &real).map(|difference| difference.to_string());
    if rules_broken(&real).contains(&rule) {
        say(WireWord::Confirmed, differs)
    } else {
        say(WireWord::Disagrees, differs)
    }
}

/// Why a run cannot be repeated on the wire.
fn impossible(simulated: &Outcome) -> Option<String> {
    if !simulated.scenario.worlds.contains(&WorldKind::Wire) {
        return Some(format!("{} does not run on the wire", simulated.scenario.name));
    }
    let unfit = simulated.plan.only_simulated()?;
    Some(format!("`{unfit}` cannot be brought about on the wire: nobody orders what the operating system does at once"))
}
