//! `exploration.md`, for a pull request: the verdict, what was tried, each finding, the matrix of what was reached.

use std::fmt::{self, Write as _};

use super::document::{Coverage, Exploration, Finding, Shown, SpaceReport};
use super::several;
use super::terminal::{found, on_the_wire, plans, reached, rules, speed, tried};
use crate::fault::explain;
use crate::report::columns;
use crate::report::document::Word;
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
    writeln!(out, "{}, {}\n", units::counted(report.runs(), "run"), speed(report))?;
    for doubt in &report.doubts {
        writeln!(out, "INCONCLUSIVE {}\n", escape(doubt))?;
    }
    if report.is_of_several() {
        return together(out, report);
    }
    for space in &report.spaces {
        one(out, report, space)?;
    }
    for line in several::left_out(report) {
        writeln!(out, "{}\n", escape(&line))?;
    }
    Ok(())
}

/// Several scenarios: what was tried of all, a row for each that is red, and each finding once.
fn together(out: &mut String, report: &Exploration) -> fmt::Result {
    let lines = several::tried(report).into_iter().chain(several::random(report));
    for line in lines.chain([several::found(report)]).chain(several::left_out(report)) {
        writeln!(out, "{}\n", escape(&line))?;
    }
    if report.verdict == Word::Broken {
        writeln!(out, "| scenario | payment profile | broken |\n|---|---|---|")?;
        for space in report.spaces.iter().filter(|space| !space.findings.is_empty()) {
            let rules = rules(space.findings.iter().map(|finding| &*finding.rule));
            writeln!(out, "| `{}` | {} | {rules} |", space.scenario, space.profile)?;
        }
        out.push('\n');
    }
    for group in several::groups(report) {
        finding(out, group.smallest, several::at_length(&group))?;
        let names: Vec<_> = group.spaces.iter().map(|space| several::place(space)).collect();
        writeln!(out, "In {}.\n", escape(&names.join(", ")))?;
    }
    for space in &report.spaces {
        doubts(out, space)?;
    }
    for line in report.coverage.iter().flat_map(reached) {
        writeln!(out, "{}\n", escape(&line))?;
    }
    report.coverage.as_ref().map_or(Ok(()), |coverage| matrix(out, coverage))
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
            "{} beyond that (`--runs {} --seed {}`)\n",
            units::counted(random.runs, "random run"),
            random.runs,
            random.seed
        )?;
    }
    writeln!(out, "{}\n", found(space))?;
    for found in &space.findings {
        finding(out, found, found.shown.as_ref())?;
    }
    doubts(out, space)?;
    for line in space.coverage.iter().flat_map(reached) {
        writeln!(out, "{}\n", escape(&line))?;
    }
    space.coverage.as_ref().map_or(Ok(()), |coverage| matrix(out, coverage))
}

fn doubts(out: &mut String, space: &SpaceReport) -> fmt::Result {
    for doubt in &space.doubts {
        writeln!(out, "INCONCLUSIVE {}: {}\n", several::place(space), escape(doubt))?;
    }
    for not_run in &space.not_run.first {
        writeln!(out, "### NOT RUN\n\n{}\n\n```sh\n{}\n```\n", escape(&not_run.why), not_run.replay)?;
    }
    Ok(())
}

/// A finding, with the timeline of what is given at length.
fn finding(out: &mut String, finding: &Finding, at_length: Option<&Shown>) -> fmt::Result {
    let money = finding.shown.as_ref().map_or_else(String::new, |shown| format!(": {}", escape(&shown.money)));
    writeln!(out, "### BROKEN `{}`{money}\n", finding.rule)?;
    if !finding.cause.is_empty() {
        writeln!(out, "By `{}`; {}.\n", finding.cause.join("` and `"), plans(finding))?;
    }
    let Some(shown) = &finding.shown else { return Ok(()) };
    for message in &shown.messages {
        writeln!(out, "{}\n", escape(message))?;
    }
    writeln!(out, "```sh\n{}\n```\n", shown.replay)?;
    if let Some(at_length) = at_length.filter(|shown| !shown.timeline.is_empty()) {
        if at_length.plan != shown.plan {
            writeln!(out, "What happened in\n\n```sh\n{}\n```\n", at_length.replay)?;
        }
        writeln!(out, "```text\n{}```\n", columns::text(&at_length.timeline, WIDTH))?;
    }
    if let Some(wire) = &shown.wire {
        writeln!(out, "```text\n{}\n```\n", on_the_wire(wire).trim_end())?;
    }
    if let Some(path) = &shown.written_to {
        writeln!(out, "Written to `{path}`.\n")?;
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
    crate::visible::markdown(text)
}
