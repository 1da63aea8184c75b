//! `misrule errors`: whether a caller that knows only the schema and the error's own words can repair its call.

use clap::Args;

use super::{COULD_NOT_RUN, Console, Ended, Refusal, World, malform, program, stuck};
use crate::fixable::{Measuring, Wire, measure, terminal};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Only these tools; all unless named.
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// Only in simulation, or only the frames on the wire; both unless named.
    #[arg(long)]
    world: Option<World>,
    /// The document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    malform::check(&arguments.tools)?;
    let measuring = Measuring {
        tools: arguments.tools.clone(),
        wire: (!matches!(arguments.world, Some(World::Sim))).then(|| Wire::of(program())),
        frames_only: matches!(arguments.world, Some(World::Wire)),
        ..Measuring::default()
    };
    // What is measured until then is of no use without the rest.
    let _watch = stuck::watch(console, |_| COULD_NOT_RUN);
    let errors = measure(&measuring).map_err(|why| Refusal::could_not_run(&why))?;
    if arguments.json {
        console.say_json(&errors.to_json());
    } else {
        console.say(&terminal::write(&errors, console.called));
    }
    Ok(errors.verdict.exit_code())
}
