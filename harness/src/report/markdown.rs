//! `report.md`, for a pull request: the verdict first, then the table, then each failure with the line that repeats it.

use std::fmt::{self, Write as _};

use super::document::{Report, RunReport, ScenarioReport, Word};
use super::terminal::summary;
use super::{columns, units};
use crate::visible::markdown as escape;

/// The widest line of a timeline.
const WIDTH: usize = 120;

/// The document.
pub fn write(report: &Report) -> String {
    let mut out = String::new();
    document(&mut out, report).expect("writing to a string does not fail");
    out
}

fn document(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "# misrule: {}\n", report.verdict.as_str())?;
    writeln!(out, "{}\n", summary(report))?;
    for line in report.never_reached().iter().chain(&report.left_out) {
        writeln!(out, "{}\n", escape(line))?;
    }
    for beyond in &report.beyond {
        writeln!(out, "{} {}\n", beyond.what, escape(&beyond.said))?;
        for finding in &beyond.findings {
            writeln!(out, "## BROKEN `{}` ({})\n\n{}\n", finding.rule, beyond.what, escape(&finding.message))?;
            writeln!(out, "```sh\n{}\n```\n", finding.replay)?;
            if !finding.timeline.is_empty() {
                writeln!(out, "```text\n{}```\n", columns::text(&finding.timeline, WIDTH))?;
            }
        }
    }
    if let Some(why) = report.codes_not_told() {
        writeln!(out, "## INCONCLUSIVE error codes\n\n{}\n", escape(&why))?;
    }
    for scenario in &report.scenarios {
        for run in &scenario.runs {
            failure(out, scenario, run)?;
        }
    }
    writeln!(out, "## Scenarios\n")?;
    writeln!(out, "| scenario | what happens | sim | wire | verdict |")?;
    writeln!(out, "|---|---|--:|--:|---|")?;
    for scenario in &report.scenarios {
        let median = |world| report.measured.median(&scenario.name, world).map_or_else(String::new, units::span);
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            scenario.name,
            escape(&scenario.title),
            median("sim"),
            median("wire"),
            verdict(scenario),
        )?;
    }
    worst_case(out, report)
}

fn worst_case(out: &mut String, report: &Report) -> fmt::Result {
    let worst = &report.worst_case;
    let parts: Vec<_> = worst.parts.iter().map(|part| format!("{} ({})", part.calls, part.what)).collect();
    writeln!(
        out,
        "\nWorst case under the default policy: {} provider calls per intent, whatever goes wrong: {}.",
        worst.calls_per_intent,
        parts.join(" + ")
    )
}

fn verdict(scenario: &ScenarioReport) -> String {
    match scenario.verdict {
        Word::Ok => "ok".to_owned(),
        Word::Inconclusive | Word::NotRun => format!("**{}**", scenario.verdict.as_str()),
        Word::Broken => "**BROKEN**".to_owned(),
    }
}

fn failure(out: &mut String, scenario: &ScenarioReport, run: &RunReport) -> fmt::Result {
    let replay = |out: &mut String| writeln!(out, "```sh\n{}\n```\n", run.replay);
    if let Some((first, others)) = run.findings.split_first() {
        writeln!(out, "## BROKEN `{}` in `{}` ({}): {}\n", first.rule, scenario.name, run.world, escape(&run.money))?;
        for message in &first.messages {
            writeln!(out, "{}\n", escape(message))?;
        }
        for (rule, message) in others.iter().flat_map(|other| other.messages.iter().map(|said| (&other.rule, said))) {
            writeln!(out, "`{rule}`: {}\n", escape(message))?;
        }
        replay(out)?;
        if let Some(whole) = &run.whole_plan {
            writeln!(out, "The smallest part of the scenario's plan that breaks the rule; the whole is `{whole}`.\n")?;
        }
        let text = columns::text(&run.timeline(), WIDTH);
        writeln!(out, "```text\n{text}```\n")?;
        if let Some(path) = &first.written_to {
            writeln!(out, "Written to `{path}`.\n")?;
        }
    }
    let (word, reasons) = match run.verdict {
        Word::Ok => return Ok(()),
        Word::Broken if run.doubts.is_empty() => return Ok(()),
        Word::Inconclusive | Word::Broken => ("INCONCLUSIVE", run.doubts.clone()),
        Word::NotRun => ("NOT RUN", run.not_run.iter().cloned().collect()),
    };
    writeln!(out, "## {word} `{}` ({})\n", scenario.name, run.world)?;
    for reason in &reasons {
        writeln!(out, "{}\n", escape(reason))?;
    }
    replay(out)
}
