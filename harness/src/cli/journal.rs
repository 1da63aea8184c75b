//! `misrule journal`: whether the journal's file keeps what it was given, whatever is left of it.

use clap::Args;

use super::{Common, Console, Ended, Refusal, held, load};
use crate::durable::{self, Durable};
use crate::report::units;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let common = &arguments.common;
    let scenarios = load::scenarios(common, &[], console.colour_err && !common.no_color)?;
    let told = durable::check(&scenarios, &durable::production).map_err(|why| Refusal::could_not_run(&why))?;
    Ok(held::tell(&said(&told), &told.broken, console))
}

/// What was done, in a line.
pub(super) fn said(told: &Durable) -> String {
    format!(
        "the journal's file: {} of simulated runs, opened in {}, {}",
        units::count(told.batches, "write"),
        units::count(told.images, "state"),
        held::found(&told.broken, "nothing lost")
    )
}
