//! `exploration.md`, for a pull request: the verdict, what was tried, each finding, the matrix of what was reached.

use std::fmt::{self, Write as _};

use super::document::{Coverage, Exploration, SpaceReport};
use super::terminal::{found, on_the_wire, plans, reached, speed, tried};
use crate::fault::explain;
use crate::report::columns;
use crate::report::units;

/// The widest line of a timeline.
const WIDTH: usize = 120;

/// Ways of recovering that are listed.
const WAYS_MAX: usize = 25;

/// The document.
pub fn write(report: &Exploration) -> String {
    let mut out = String::new();
    document(&mut out, report).expect("writing to a string does not fail");
    out
}

fn document(out: &mut String, report: &Exploration) -> fmt::Result {
    writeln!(out, "# misrule explore: {}\n", report.verdict.as_str())?;
    writeln!(out, "{} runs, {}\n", units::grouped(report.runs()), speed(report))?;
    for space in &report.spaces {
        one(out, report, space)?;
    }
    Ok(())
}

fn one(out: &mut String, report: &Exploration, space: &SpaceReport) -> fmt::Result {
    writeln!(out, "## `{}`, payment profile {}\n", space.scenario, space.profile)?;
    if !space.own_plan.is_empty() {
        writeln!(out, "Beside its own faults: `{}`\n", space.own_plan)?;
    }
    writeln!(out, "{}\n", tried(report, space))?;
    if let Some(random) = &space.random {
        writeln!(
            out,
            "{} random runs beyond that (`--runs {} --seed {}`)\n",
            units::grouped(random.runs),
            random.runs,
            random.seed
        )?;
    }
    writeln!(out, "{}\n", found(space))?;
    for doubt in &space.doubts {
        writeln!(out, "INCONCLUSIVE {}\n", escape(doubt))?;
    }
    findings(out, space)?;
    for not_run in &space.not_run.first {
        writeln!(out, "### NOT RUN\n\n{}\n\n```sh\n{}\n```\n", escape(&not_run.why), not_run.replay)?;
    }
    for line in reached(space) {
        writeln!(out, "{}\n", escape(&line))?;
    }
    matrix(out, &space.coverage)
}

fn findings(out: &mut String, space: &SpaceReport) -> fmt::Result {
    for finding in &space.findings {
        writeln!(out, "### BROKEN `{}`\n", finding.rule)?;
        if !finding.cause.is_empty() {
            writeln!(out, "By `{}`; {}.\n", finding.cause.join("` and `"), plans(finding))?;
        }
        let Some(shown) = &finding.shown else { continue };
        for message in &shown.messages {
            writeln!(out, "{}\n", escape(message))?;
        }
        writeln!(out, "```sh\n{}\n```\n", shown.replay)?;
        writeln!(out, "```text\n{}```\n", columns::text(&shown.timeline, WIDTH))?;
        if let Some(wire) = &shown.wire {
            writeln!(out, "```text\n{}\n```\n", on_the_wire(wire).trim_end())?;
        }
        if let Some(path) = &shown.written_to {
            writeln!(out, "Written to `{path}`.\n")?;
        }
    }
    Ok(())
}

/// Place × fault: `●` struck, `·` never, nothing where it cannot happen.
fn matrix(out: &mut String, coverage: &Coverage) -> fmt::Result {
    let mut faults: Vec<&str> = Vec::new();
    for place in &coverage.places {
        for fault in place.struck.iter().chain(&place.never) {
            if !faults.contains(&&**fault) {
                faults.push(fault);
            }
        }
    }
    // By moment, as they are explained.
    faults.sort_by_key(|fault| explain::ALL.iter().position(|explained| explained.name == *fault));
    let places: Vec<_> = coverage.places.iter().map(|place| format!("`{}`", place.place)).collect();
    writeln!(out, "| fault | {} |", places.join(" | "))?;
    writeln!(out, "|---|{}", ":-:|".repeat(places.len()))?;
    for fault in faults {
        let cells: Vec<_> = coverage
            .places
            .iter()
            .map(|place| {
                let has = |names: &[String]| names.iter().any(|name| name == fault);
                if has(&place.struck) {
                    "●"
                } else if has(&place.never) {
                    "·"
                } else {
                    ""
                }
            })
            .collect();
        writeln!(out, "| `{fault}` | {} |", cells.join(" | "))?;
    }
    writeln!(out, "\n● struck, · never; empty: cannot happen there\n")?;
    for (what, names) in [("Undos run", &coverage.undos_run), ("Error codes seen", &coverage.codes_seen)] {
        writeln!(out, "{what}: {}\n", if names.is_empty() { "none".to_owned() } else { names.join(", ") })?;
    }
    if !coverage.recovery.is_empty() {
        writeln!(out, "What was asked after a restart:\n")?;
        for way in coverage.recovery.iter().take(WAYS_MAX) {
            writeln!(out, "- {way}")?;
        }
        if coverage.recovery.len() > WAYS_MAX {
            writeln!(out, "- and {} more, in exploration.json", coverage.recovery.len() - WAYS_MAX)?;
        }
        out.push('\n');
    }
    Ok(())
}

/// Text in which nothing is markup but code.
fn escape(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*")
}
