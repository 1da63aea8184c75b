//! A scenario for the wire = a test: simulated and on real sockets it comes to the same, channel by channel.
//!
//! What is compared, and what is not, says `misrule::parity`.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use misrule::parity::difference;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{Found, find, load};
use misrule::scenario::model::{Scenario, WorldKind};

/// How many scenarios run at once: each starts a process, and most of its time is waiting.
const AT_ONCE: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("scenarios");
    let known = Known::of_giftgenius();
    let trials = find(&root, &[]).expect("scenarios").iter().filter_map(|found| trial(found, &known)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// The test of a scenario, if it is marked for the wire. One that cannot be read fails here too.
fn trial(found: &Found, known: &Known) -> Option<Trial> {
    let name = found.name.clone();
    match load(found, known) {
        Ok(scenario) if scenario.worlds.contains(&WorldKind::Wire) => Some(Trial::test(name, move || hold(&scenario))),
        Ok(_) => None,
        Err(error) => Some(Trial::test(name, move || Err(error.render(false).into()))),
    }
}

/// Runs a scenario in both worlds and holds one to the other.
fn hold(scenario: &Arc<Scenario>) -> Result<(), Failed> {
    let program = Path::new(env!("CARGO_BIN_EXE_misrule"));
    let outcome =
        |world| run(scenario, world, &scenario.plan, scenario.seed, program).map_err(|error| error.to_string());
    let (sim, wire) = (outcome(WorldKind::Sim)?, outcome(WorldKind::Wire)?);
    match difference(&sim, &wire) {
        None => Ok(()),
        Some(difference) => Err(difference.to_string().into()),
    }
}
