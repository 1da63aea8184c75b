//! A proof as a person sees it: a line a defect, then what escaped, then what was said against GiftGenius.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{DefectReport, Proof};
use crate::report::terminal::{WIDTH, with_exit, wrap};
use crate::report::units;

/// How many accusations are shown.
const ACCUSATIONS_MAX: usize = 5;

/// The whole proof.
pub fn write(proof: &Proof) -> String {
    let mut out = String::new();
    table(&mut out, proof);
    for defect in proof.escaped() {
        escaped(&mut out, defect, proof);
    }
    accusations(&mut out, proof);
    put(&mut out, &with_exit(&last(proof), proof.verdict.exit_code(), WIDTH));
    out
}

/// Counts in one line, times apart.
pub(super) fn summary(proof: &Proof) -> String {
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
    let by = widest(proof, |defect| Proof::caught_by(defect).map(str::len)).max("caught by".len());
    put(out, &format!("{:id$}  {:by$}  {:>7}  {:>7}  smallest plan", "defect", "caught by", "runs", "after"));
    for defect in &proof.defects {
        let after = Duration::from_micros(proof.measured.after_us.get(&defect.id).copied().unwrap_or_default());
        let head = format!(
            "{:id$}  {:by$}  {:>7}  {:>7}  ",
            defect.id,
            Proof::caught_by(defect).unwrap_or("ESCAPED"),
            units::grouped(defect.runs),
            units::span(after)
        );
        put(out, format!("{head}{}", plan(defect)).trim_end());
    }
    out.push('\n');
}

fn widest(proof: &Proof, width: impl Fn(&DefectReport) -> Option<usize>) -> usize {
    proof.defects.iter().filter_map(width).max().unwrap_or(0)
}

/// The plan, and the scenario where that is not the plainest one.
fn plan(defect: &DefectReport) -> String {
    let Some(caught) = &defect.caught else { return String::new() };
    let plan = if caught.plan.is_empty() { "(none)" } else { &caught.plan };
    format!("{plan}  in {}", caught.scenario)
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

fn accusations(out: &mut String, proof: &Proof) {
    let findings = &proof.unchanged.findings;
    for finding in findings.iter().take(ACCUSATIONS_MAX) {
        let rules = if finding.rules.is_empty() { "not run".to_owned() } else { finding.rules.join(", ") };
        put(out, &format!("ACCUSED {rules}  in {}", finding.scenario));
        let plan = if finding.plan.is_empty() { "(none)" } else { &finding.plan };
        put(out, &format!("  plan: {plan}"));
        indented(out, &finding.message);
        out.push('\n');
    }
    if findings.len() > ACCUSATIONS_MAX {
        put(out, &format!("and {} more\n", units::count(findings.len() - ACCUSATIONS_MAX, "finding")));
    }
}

fn indented(out: &mut String, text: &str) {
    for line in wrap(text, WIDTH - 2).lines() {
        writeln!(out, "  {line}").expect("writing to a string does not fail");
    }
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}
