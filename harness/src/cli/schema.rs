//! `misrule schema`: the JSON Schema of a file format, as it is committed.

use clap::{Args, ValueEnum};

use super::Console;
use crate::fixable::document as errors;
use crate::prove::document;
use crate::report::{exploration, json};
use crate::scenario::schema as scenario;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Of which format.
    #[arg(value_name = "FORMAT")]
    of: Format,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// Scenario files.
    Scenario,
    /// report.json.
    Report,
    /// exploration.json.
    Exploration,
    /// prove.json.
    Proof,
    /// What `misrule errors --json` prints.
    Errors,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> u8 {
    console.say_json(&match arguments.of {
        Format::Scenario => scenario::text(),
        Format::Report => json::schema(),
        Format::Exploration => exploration::schema(),
        Format::Proof => document::schema(),
        Format::Errors => errors::schema(),
    });
    0
}
