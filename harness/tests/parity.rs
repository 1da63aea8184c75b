//! A scenario for the wire = a test: simulated and on real sockets it comes to the same, channel by channel.
//!
//! What is compared, and what is not, says `misrule::parity`.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use misrule::parity::difference;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::{Scenario, WorldKind};

/// How many scenarios run at once: each starts a process, and most of its time is waiting.
const AT_ONCE: usize = 4;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("scenarios");
    let known = Known::of_giftgenius();
    let trials = find(&root, &[])
        .expect("scenarios")
        .into_iter()
        .map(|found| load(&found, &known).unwrap_or_else(|error| panic!("{}", error.render(false))))
        .filter(|scenario| scenario.worlds.contains(&WorldKind::Wire))
        .map(|scenario| Trial::test(scenario.name.clone(), move || hold(&scenario)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
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
