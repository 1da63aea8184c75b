//! `misrule malform`: what a model could make of a tool's schema, and what a server owes it.

use clap::Args;
use serde_json::json;

use super::{COULD_NOT_RUN, Console, Ended, Refusal, program, stuck};
use crate::fixable::{Wire, listing, shown, terminal, wire};
use crate::malform::{BadLabel, Class, Label};
use crate::report::document::Word;
use crate::suggest;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The tool; without one, every tool with how many malformed calls it has.
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    /// One of its malformed calls, to be made and mended from the error that answers it.
    #[arg(value_name = "LABEL")]
    label: Option<String>,
    /// The whole of it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let named: Vec<String> = arguments.tool.iter().cloned().collect();
    check(&named)?;
    if let (Some(tool), Some(label)) = (&arguments.tool, &arguments.label) {
        let label: Label = label.parse().map_err(|bad: BadLabel| Refusal::unusable(&bad.to_string()))?;
        if label.class == Class::Envelope {
            return frame(tool, &label, console);
        }
        let _watch = stuck::watch(console, |_| COULD_NOT_RUN);
        let turns = shown::show(tool, &label).map_err(|why| Refusal::unusable(&why))?;
        console.say(&terminal::turns(&turns));
        return Ok(0);
    }
    let listings = listing::listings(&named).map_err(|why| Refusal::could_not_run(&why))?;
    match (&*listings, arguments.json, &arguments.tool) {
        (_, true, _) => console.say_json(&format!("{:#}\n", json!(listings))),
        ([one], false, Some(_)) => console.say(&terminal::list(one)),
        (all, false, _) => console.say(&terminal::counts(all)),
    }
    Ok(0)
}

/// A frame is sent to the real system, over both transports.
fn frame(tool: &str, label: &Label, console: &mut Console<'_>) -> Ended {
    let known = listing::listings(&[tool.to_owned()]).map_err(|why| Refusal::could_not_run(&why))?;
    let listed = known.iter().flat_map(|tool| &tool.cases).find(|case| case.label == label.to_string());
    let listed = listed.ok_or_else(|| Refusal::unusable(&shown::unknown(tool, label)))?;
    let shown = wire::show(tool, label, &Wire::of(program())).map_err(|why| Refusal::could_not_run(&why))?;
    console.say(&terminal::frame(listed, &shown));
    let word = if shown.iter().all(|shown| shown.wrong.is_none()) { Word::Ok } else { Word::Broken };
    Ok(word.exit_code())
}

/// Refuses a tool that there is not.
pub(super) fn check(tools: &[String]) -> Result<(), Refusal> {
    let known: Vec<&str> = giftgenius::tools::table().iter().map(|tool| tool.spec.name).collect();
    for tool in tools {
        if !known.contains(&tool.as_str()) {
            let hint = suggest::hint(tool, &known).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Refusal::unusable(&format!("there is no tool `{tool}`{hint}")));
        }
    }
    Ok(())
}
