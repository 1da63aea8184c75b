//! `misrule errors`: whether a caller that knows only the schema and the error's own words can repair its call.

use clap::Args;

use super::{Console, Ended, Refusal, malform};
use crate::fixable::{Measuring, measure, terminal};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Only these tools; all unless named.
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// The document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    malform::check(&arguments.tools)?;
    let measuring = Measuring { tools: arguments.tools.clone(), ..Measuring::default() };
    let errors = measure(&measuring).map_err(|why| Refusal::could_not_run(&why))?;
    console.say(&if arguments.json { errors.to_json() } else { terminal::write(&errors, console.called) });
    Ok(errors.verdict.exit_code())
}
