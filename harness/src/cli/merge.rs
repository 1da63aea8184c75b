//! `misrule merge`: the reports of all shards of an exploration → the one that a single machine would have made.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::{Common, Console, Ended, Refusal, explore};
use crate::report::exploration::document::Exploration;
use crate::report::exploration::merge::merge;
use crate::report::files;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The `exploration.json` of every shard.
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// The folder for the reports of the whole.
    #[arg(long, value_name = "DIR", default_value = "target/misrule")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Ended {
    let mut shards = Vec::new();
    for path in &arguments.reports {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| refused(&format!("{name} cannot be read: {error}; check that it is there")))?;
        let report: Exploration = serde_json::from_str(&text).map_err(|error| {
            refused(&format!("{name} is no report of an exploration: {error}; name an exploration.json"))
        })?;
        shards.push((name, report));
    }
    let mut whole = merge(shards).map_err(|error| refused(&error.to_string()))?;
    let failures = arguments.out.join("failures");
    // The reports that are merged may lie there: none is removed before the merged one replaces it.
    let usable = files::make_ready(&arguments.out, &failures, &[]);
    usable.map_err(|error| refused(&format!("{error}; name another folder with --out")))?;
    explore::conclude(&mut whole, &arguments.out, &arguments.common, console)
}

fn refused(why: &str) -> Refusal {
    Refusal::saying(why, "nothing was merged", super::UNUSABLE)
}
