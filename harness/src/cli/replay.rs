//! `misrule replay`: one scenario, one plan, one seed; prints the whole run, the same byte for byte in simulation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use clap::Args;

use super::explore::Profile;
use super::{Common, Console, Ended, Refusal, Runner, Store, World, load};
use crate::error::RunError;
use crate::explore::panicked;
use crate::outcome::Status;
use crate::report::terminal::{width, with_exit};
use crate::report::{build, snapshot};
use crate::run::run_broken;
use crate::scenario::faults;
use crate::scenario::model::{Scenario, WorldKind};
use crate::screen;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The scenario: its name or file.
    #[arg(value_name = "SCENARIO")]
    name: String,
    /// The fault plan; the scenario's own unless given
    ///
    /// Such as `payment.charge#1: lost_reply; inventory.release#1: status(503)`.
    /// Under any plan but its own, what a file expects is left out: the oracles judge alone.
    #[arg(long, verbatim_doc_comment)]
    plan: Option<String>,
    /// The seed for identifiers and jitter; the scenario's own unless given.
    #[arg(long, value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
    /// What the payment provider promises; as the scenario says unless given
    ///
    /// Under another profile than the file's own the oracles judge alone.
    #[arg(long, verbatim_doc_comment)]
    profile: Option<Profile>,
    /// A planted bug to wire in; `misrule list --defects` tells them.
    #[arg(long, value_name = "DEFECT")]
    defect: Option<String>,
    /// The system's store in simulation
    ///
    /// `memory` keeps records, `sqlite` the rows of its SQLite journal, which takes several times
    /// as long. On the wire it is always that journal.
    #[arg(long, verbatim_doc_comment, hide_possible_values = true, value_name = "STORE", default_value = "memory")]
    journal: Store,
    /// The world to run in.
    #[arg(long, default_value = "sim")]
    world: World,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, runner: Runner<'_>, console: &mut Console<'_>) -> Ended {
    let common = &arguments.common;
    let colour_err = console.colour_err && !common.no_color;
    let scenario = load::one(common, &arguments.name, colour_err)?;
    let mut scenario = load::kept_in(vec![scenario], arguments.journal).remove(0);
    if let Some(profile) = arguments.profile {
        scenario = Arc::new(scenario.with_profile(profile.named().1));
    }
    let scenario = &scenario;
    let world = arguments.world.kind();
    if !scenario.worlds.contains(&world) {
        return Err(Refusal::unusable(&not_there(scenario, world)));
    }
    let plan = match &arguments.plan {
        None => scenario.plan.clone(),
        Some(text) => faults::plan_for(scenario, text)
            .map_err(|error| Refusal::drawn(&error.render(colour_err), "nothing was run"))?,
    };
    if let Some(planned) = plan.only_simulated().filter(|_| world == WorldKind::Wire) {
        return Err(Refusal::unusable(&RunError::OnlySimulated { planned: planned.to_string() }.to_string()));
    }
    let seed = arguments.seed.unwrap_or(scenario.seed);
    let defect = arguments.defect.as_deref().map(super::prove::one).transpose()?;
    let run = || match defect {
        None => runner(scenario, world, &plan, seed),
        Some(defect) => {
            run_broken(scenario, world, &plan, seed, &super::program(), defect).map_err(|error| error.to_string())
        }
    };
    let watch = super::stuck::watch(console, |_| super::COULD_NOT_RUN);
    let outcome = catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
        .map_err(|why| Refusal::could_not_run(&why))?;
    drop(watch);
    console.say(&snapshot::shown(&outcome, defect, screen::terminal()));
    let (text, code) = match outcome.status() {
        Status::Ok => ("all is well: every rule was kept".to_owned(), 0),
        Status::Broken => (format!("broken: {}", build::rules_broken(&outcome).join(", ")), 1),
        Status::Inconclusive => ("inconclusive: not everything was tried that should have been".to_owned(), 3),
    };
    console.say(&format!("\n{}\n", with_exit(&text, code, width())));
    Ok(code)
}

/// Reads a seed. It must fit into a scenario file.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse().ok().filter(|seed| i64::try_from(*seed).is_ok());
    seed.ok_or_else(|| "seeds are whole numbers below 2^63".to_owned())
}

fn not_there(scenario: &Scenario, world: WorldKind) -> String {
    format!(
        "{} does not run {}; add \"{}\" to its `worlds`, or leave --world out",
        scenario.name,
        world.place(),
        world.name()
    )
}
