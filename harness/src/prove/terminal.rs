//! A proof as a person sees it: a line a defect, then what escaped, then what was said against GiftGenius.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{DefectReport, Proof};
use crate::report::terminal::{width, with_exit, wrap};
use crate::report::{columns, units};

/// How far the lines that belong to a defect's are set in.
const INDENT: &str = "    ";

/// How many accusations are shown.
const ACCUSATIONS_MAX: usize = 5;

/// The whole proof; `called`: how misrule is called here.
pub fn write(proof: &Proof, called: &str) -> String {
    let mut out = String::new();
    table(&mut out, proof);
    for defect in proof.escaped() {
        escaped(&mut out, defect, proof);
    }
    accusations(&mut out, proof, called);
    let replay = proof.defects.iter().find_map(|defect| defect.caught.as_ref()?.replay.as_ref());
    if let Some(replay) = replay {
        put(&mut out, &format!("see one of them: {}", replay.replacen("misrule", called, 1)));
    }
    if let Some(why) = &proof.ended {
        put(&mut out, "ENDED in the middle");
        indented(&mut out, &format!("{why}."));
        out.push('\n');
    }
    put(&mut out, &with_exit(&last(proof), proof.verdict.exit_code(), width()));
    out
}

/// Counts in one line, times apart.
pub(crate) fn summary(proof: &Proof) -> String {
    let itself = match proof.unchanged.findings.len() {
        0 => format!("nothing found in {} runs", units::grouped(proof.unchanged.runs)),
        found => format!("{} in {} runs", units::count(found, "finding"), units::grouped(proof.unchanged.runs)),
    };
    format!("{} of {} caught; GiftGenius itself: {itself}", proof.caught(), proof.defects.len())
}

fn last(proof: &Proof) -> String {
    format!("{}, {}", summary(proof), units::span(Duration::from_micros(proof.measured.elapsed_us)))
}

fn table(out: &mut String, proof: &Proof) {
    let id = proof.defects.iter().map(|defect| defect.id.len()).max().unwrap_or(0).max("defect".len());
    let by = proof.defects.iter().filter_map(Proof::caught_by).map(str::len).max().unwrap_or(0).max("caught by".len());
    // Where a terminal is too narrow for all of it, every defect takes two lines.
    let narrow = id + by + 32 > width();
    let row = |defect: &str, caught: &str, runs: &str, after: &str| {
        let rest = format!("{caught:by$}  {runs:>6}  {after:>6}  ");
        if narrow { format!("{defect}\n{INDENT}{rest}") } else { format!("{defect:id$}  {rest}") }
    };
    put(out, &format!("{}smallest plan", row("defect", "caught by", "runs", "after")));
    for defect in &proof.defects {
        let after = Duration::from_micros(proof.measured.after_us.get(&defect.id).copied().unwrap_or_default());
        let caught = Proof::caught_by(defect).unwrap_or("ESCAPED");
        let head = row(&defect.id, caught, &units::grouped(defect.runs), &units::span(after));
        let plan = match &defect.caught {
            None => "",
            Some(caught) if caught.plan.is_empty() => "(none)",
            Some(caught) => &caught.plan,
        };
        // A plan is whole, so that it can be copied: one that is too long has lines of its own.
        let last = head.lines().last().map_or(0, |last| last.chars().count());
        if last + plan.chars().count() <= width() {
            put(out, format!("{head}{plan}").trim_end());
        } else {
            put(out, head.trim_end());
            for line in wrap(plan, width() - INDENT.len()).lines() {
                put(out, &format!("{INDENT}{line}"));
            }
        }
        if let Some(caught) = defect.caught.as_ref().filter(|caught| !caught.as_expected) {
            put(
                out,
                &format!("{INDENT}and not `{}`, whose rule it breaks: {}", defect.expected, caught.oracles.join(", ")),
            );
        }
    }
    out.push('\n');
}

fn escaped(out: &mut String, defect: &DefectReport, proof: &Proof) {
    put(out, &format!("ESCAPED {}", defect.id));
    let what = format!(
        "{}. No oracle broke in {} runs of up to {} faults ({} menu) in {}. It should have been `{}`: a fault or a \
         scenario is missing in which this bug shows, or the rule that it breaks.",
        defect.about,
        units::grouped(defect.runs),
        proof.depth,
        proof.menu,
        defect.grounds.join(", "),
        defect.expected
    );
    indented(out, &what);
    if let Some(why) = &defect.not_run {
        indented(out, &format!("A run could not be made: {why}"));
    }
    out.push('\n');
}

fn accusations(out: &mut String, proof: &Proof, called: &str) {
    let findings = &proof.unchanged.findings;
    for finding in findings.iter().take(ACCUSATIONS_MAX) {
        let rules = if finding.rules.is_empty() { "not run".to_owned() } else { finding.rules.join(", ") };
        put(out, &format!("ACCUSED {rules}  in {}", finding.scenario));
        put(out, &format!("  replay: {}", finding.replay.replacen("misrule", called, 1)));
        indented(out, &finding.message);
        if !finding.timeline.is_empty() {
            out.push('\n');
            for line in columns::text(&finding.timeline, width() - INDENT.len()).lines() {
                put(out, &format!("{INDENT}{line}"));
            }
        }
        out.push('\n');
    }
    if findings.len() > ACCUSATIONS_MAX {
        put(out, &format!("and {} more\n", units::count(findings.len() - ACCUSATIONS_MAX, "finding")));
    }
}

fn indented(out: &mut String, text: &str) {
    for line in wrap(text, width() - 2).lines() {
        writeln!(out, "  {line}").expect("writing to a string does not fail");
    }
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}
