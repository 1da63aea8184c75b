//! The report as a person sees it: a line a scenario, then what broke, then what to do.
//!
//! The cause in the first line, the replay line in the second, evidence after; as wide as the terminal, but for lines that
//! must stay whole to be copied.

use std::fmt::Write as _;

use super::document::{Extent, Report, RunReport, ScenarioReport, Word};
use super::timeline::Row;
use super::{columns, units};
pub use crate::screen::{WIDTH, width};

/// How far a timeline is set in.
const INDENT: &str = "    ";
/// The width of `sim 41 µs` with its gap.
const CELL: usize = 13;

/// What the writer is told beside the document.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    /// Whether to colour.
    pub colour: bool,
    /// Where the other reports were written, in words; empty if nowhere.
    pub written: &'a str,
    /// How misrule is called here; the document's replay lines say `misrule`.
    pub called: &'a str,
}

/// The whole report.
pub fn write(report: &Report, style: Style<'_>) -> String {
    let mut out = String::new();
    let paint = Paint(style.colour);
    head(&mut out, report);
    for scenario in &report.scenarios {
        line(&mut out, report, scenario, paint);
    }
    out.push('\n');
    out.push_str(&wrap(&summary(report), width()));
    for line in report.never_reached().iter().chain(&report.left_out) {
        out.push_str(&wrap(line, width()));
    }
    beyond(&mut out, report, style);
    for scenario in &report.scenarios {
        for (index, run) in scenario.runs.iter().enumerate() {
            let earlier = scenario.runs[..index].iter().find(|earlier| same_rules(earlier, run));
            broken(&mut out, scenario, run, earlier, style);
        }
    }
    for scenario in &report.scenarios {
        for run in &scenario.runs {
            doubtful(&mut out, scenario, run, style);
        }
    }
    if let Some(why) = report.codes_not_told() {
        put(&mut out, &format!("\n{} error codes", paint.verdict(Word::Inconclusive, "INCONCLUSIVE")));
        out.push_str(&beside("  ", &why, width()));
    }
    out.push('\n');
    if !style.written.is_empty() {
        put(&mut out, &format!("report: {}", style.written));
    }
    put(&mut out, &with_exit(&advice(report), exit_code(report), width()));
    out
}

/// What shells give for a command that ended by SIGINT.
pub const INTERRUPTED: u8 = 130;

/// The exit code: a rule that was broken outranks an interruption, which outranks the rest.
pub fn exit_code(report: &Report) -> u8 {
    match report.verdict {
        Word::Broken => Word::Broken.exit_code(),
        Word::Ok | Word::Inconclusive | Word::NotRun if report.extent == Extent::Interrupted => INTERRUPTED,
        word @ (Word::Ok | Word::Inconclusive | Word::NotRun) => word.exit_code(),
    }
}

/// How many findings of each thing beyond the scenarios are shown.
const BEYOND_MAX: usize = 5;

/// What was done beyond the scenarios: a line each, then what was found.
fn beyond(out: &mut String, report: &Report, style: Style<'_>) {
    for (beyond, took) in report.beyond.iter().zip(&report.measured.beyond_us) {
        let took = std::time::Duration::from_micros(*took);
        let took = if took.is_zero() { String::new() } else { format!(" in {}", units::span(took)) };
        out.push_str(&wrap(&format!("{} {}{took}", beyond.what, beyond.said), width()));
        for finding in beyond.findings.iter().take(BEYOND_MAX) {
            put(out, &format!("\n{}", Paint(style.colour).verdict(Word::Broken, &format!("BROKEN {}", finding.rule))));
            put(out, &format!("  replay: {}", finding.replay.replacen("misrule", style.called, 1)));
            for line in wrap(&finding.message, width() - 2).lines() {
                put(out, &format!("  {line}"));
            }
            timeline(out, &finding.timeline);
        }
        if beyond.findings.len() > BEYOND_MAX {
            put(out, &format!("and {} more; report.json has them all", beyond.findings.len() - BEYOND_MAX));
        }
    }
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// A text with `exit N` at the end of its last line, or below it where there is no room.
pub fn with_exit(text: &str, code: u8, width: usize) -> String {
    let exit = format!("exit {code}");
    let text = wrap(text, width);
    let text = text.trim_end();
    let used = text.lines().last().map_or(0, |last| last.chars().count());
    match width.checked_sub(used + exit.len()).filter(|gap| *gap >= 2) {
        Some(gap) => format!("{text}{}{exit}", " ".repeat(gap)),
        None => format!("{text}\n{exit:>width$}"),
    }
}

/// A text beside a prefix; what does not fit goes on below, set in as far as the text is.
pub fn beside(prefix: &str, text: &str, width: usize) -> String {
    let indent = prefix.chars().count();
    let lines = wrap(text, width.saturating_sub(indent).max(1));
    let mut out = String::new();
    for (index, line) in lines.lines().enumerate() {
        let before = if index == 0 { prefix.to_owned() } else { " ".repeat(indent) };
        put(&mut out, format!("{before}{line}").trim_end());
    }
    out
}

fn head(out: &mut String, report: &Report) {
    let scenarios = units::count(report.scenarios.len(), "scenario");
    let wire = match (report.scenarios.len(), report.run_in("sim"), report.run_in("wire")) {
        (_, _, 0) => String::new(),
        (_, 0, _) => ", on the wire only".to_owned(),
        (1, _, _) => ", on the wire too".to_owned(),
        (all, _, wire) if wire == all => ", all of them on the wire too".to_owned(),
        (_, _, wire) => format!(", {wire} of them on the wire too"),
    };
    put(out, &format!("misrule {}  {scenarios}{wire}\n", report.misrule));
}

fn line(out: &mut String, report: &Report, scenario: &ScenarioReport, paint: Paint) {
    /// The room that a verdict needs beside its scenario.
    const VERDICT: usize = 14;
    let longest = |scenario: &ScenarioReport| scenario.name.chars().count();
    let name = report.scenarios.iter().map(longest).max().unwrap_or(0).min(50);
    let mut cells = String::new();
    for world in ["sim", "wire"].into_iter().filter(|world| report.run_in(world) > 0) {
        let cell = report
            .measured
            .median(&scenario.name, world)
            .map_or_else(String::new, |median| format!("{world} {}", units::span(median)));
        write!(cells, "{cell:CELL$}").expect("writing to a string does not fail");
    }
    let (verdict, rules) = match scenario.verdict {
        Word::Ok => ("ok", String::new()),
        Word::Inconclusive => ("inconclusive", String::new()),
        Word::NotRun => ("NOT RUN", String::new()),
        Word::Broken => ("BROKEN", format!("  {}", rules(scenario))),
    };
    // Where a terminal is too narrow for all of it, every scenario takes two lines.
    let whole = format!("  {:name$}  {cells}", scenario.name);
    let before = if 2 + name + 2 + cells.chars().count() + VERDICT <= width() {
        whole
    } else {
        put(out, &format!("  {}", scenario.name));
        format!("    {cells}")
    };
    let line = beside(&before, &format!("{verdict}{rules}"), width());
    let (before, after) = line.split_at(before.len());
    out.push_str(before);
    out.push_str(&after.replacen(verdict, &paint.verdict(scenario.verdict, verdict), 1));
}

fn rules(scenario: &ScenarioReport) -> String {
    let mut rules: Vec<&str> = Vec::new();
    for finding in scenario.runs.iter().flat_map(|run| &run.findings) {
        if !rules.contains(&&*finding.rule) {
            rules.push(&finding.rule);
        }
    }
    rules.join(", ")
}

/// Counts, time, rate and, where all was run, coverage in one line.
pub fn summary(report: &Report) -> String {
    let counts: Vec<_> = [Word::Broken, Word::Ok, Word::Inconclusive, Word::NotRun]
        .into_iter()
        .filter(|word| report.count(*word) > 0)
        .map(|word| format!("{} {}", report.count(word), word.as_str()))
        .collect();
    let measured = &report.measured;
    let rate = measured.runs_per_second().map_or_else(String::new, |rate| {
        let runs = usize::try_from(measured.simulated_runs).unwrap_or(usize::MAX);
        format!(" ({} simulated at {} runs/s)", units::count(runs, "run"), units::grouped(rate))
    });
    let took = units::span(std::time::Duration::from_micros(measured.elapsed_us));
    format!("{} in {took}{rate}{}", counts.join(", "), coverage(report))
}

/// How much of what there is was reached; nothing where only a part was run, of which nothing can be missing.
fn coverage(report: &Report) -> String {
    let Extent::Whole = report.extent else {
        return String::new();
    };
    let of = |reached: &[String], never: &[String], what: &str| match never.len() {
        0 => format!("all {} {what}", reached.len()),
        missing => format!("{} of {} {what}", reached.len(), reached.len() + missing),
    };
    let coverage = &report.coverage;
    format!(
        "; {} fired, {} seen{}",
        of(&coverage.faults_fired, &coverage.faults_never, "fault kinds"),
        of(&coverage.codes_seen, &coverage.codes_never, "error codes"),
        units::most_uses(report.measured.most_uses),
    )
}

/// Whether two runs broke the same rules.
fn same_rules(one: &RunReport, other: &RunReport) -> bool {
    let rules = |run: &RunReport| run.findings.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>();
    rules(one) == rules(other)
}

/// A run that broke rules: the first one and its replay line, the sentences of all, and one timeline in which everything
/// that shows a breach is marked. A run that only repeats an `earlier` one is two lines.
fn broken(out: &mut String, scenario: &ScenarioReport, run: &RunReport, earlier: Option<&RunReport>, style: Style<'_>) {
    let Some((first, others)) = run.findings.split_first() else { return };
    let place = place(run, earlier);
    out.push('\n');
    let head = beside("", &format!("BROKEN {}  in {}{place}: {}", first.rule, scenario.name, run.money), width());
    out.push_str(&head.replacen("BROKEN", &Paint(style.colour).verdict(Word::Broken, "BROKEN"), 1));
    put(out, &format!("  replay: {}", replay(run, style)));
    if earlier.is_some() {
        return;
    }
    if let Some(whole) = &run.whole_plan {
        let whole = format!("the smallest part of the scenario's plan that breaks the rule; the whole is {whole}");
        out.push_str(&beside("  ", &whole, width()));
    }
    let sentences = first.messages.iter().cloned();
    let more = others.iter().flat_map(|other| other.messages.iter().map(|said| format!("{}: {said}", other.rule)));
    for sentence in sentences.chain(more) {
        for line in wrap(&sentence, width() - 2).lines() {
            put(out, &format!("  {line}"));
        }
    }
    timeline(out, &run.timeline());
    if let Some(path) = &first.written_to {
        put(out, &format!("  written to {path}"));
    }
}

fn timeline(out: &mut String, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    out.push('\n');
    for line in columns::text(rows, width() - INDENT.len()).lines() {
        put(out, &format!("{INDENT}{line}"));
    }
}

/// Where a run was, where that is not plain.
fn place(run: &RunReport, earlier: Option<&RunReport>) -> String {
    let world = if run.world == "sim" { String::new() } else { format!(" on the {}", run.world) };
    match earlier {
        Some(earlier) if earlier.world == run.world => format!(", with seed {} too", run.seed),
        Some(_) => format!("{world} too"),
        None => world,
    }
}

/// The line that repeats a run, as it is typed here.
fn replay(run: &RunReport, style: Style<'_>) -> String {
    match run.replay.strip_prefix("misrule ") {
        Some(words) => format!("{} {words}", style.called),
        None => run.replay.clone(),
    }
}

fn doubtful(out: &mut String, scenario: &ScenarioReport, run: &RunReport, style: Style<'_>) {
    let (word, reasons) = match run.verdict {
        Word::Ok => return,
        Word::Broken if run.doubts.is_empty() => return,
        Word::Inconclusive | Word::Broken => ("INCONCLUSIVE", run.doubts.clone()),
        Word::NotRun => ("NOT RUN", run.not_run.iter().cloned().collect()),
    };
    let place = if run.world == "sim" { String::new() } else { format!(" on the {}", run.world) };
    out.push('\n');
    let word = Paint(style.colour).verdict(run.verdict, word);
    put(out, &format!("{word} {}{place}", scenario.name));
    put(out, &format!("  replay: {}", replay(run, style)));
    for reason in reasons {
        for line in wrap(&reason, width() - 2).lines() {
            put(out, &format!("  {line}"));
        }
    }
}

fn advice(report: &Report) -> String {
    if report.extent == Extent::Interrupted && report.verdict != Word::Broken {
        return "interrupted: nothing was broken until then".to_owned();
    }
    match report.verdict {
        Word::Ok => {
            let scenarios = units::count(report.scenarios.len(), "scenario");
            format!("all is well: every rule was kept in {scenarios}")
        }
        Word::Broken => "next: repeat a run that broke with its replay line".to_owned(),
        Word::Inconclusive if report.count(Word::Inconclusive) == 0 => {
            "next: provoke the error codes that no caller was told".to_owned()
        }
        Word::Inconclusive => "next: mend the scenarios whose faults never fired; they prove nothing".to_owned(),
        Word::NotRun => "next: see above why a run could not be made".to_owned(),
    }
}

/// Lines of at most `width` characters, broken at spaces; a text that already has lines keeps them.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut used = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out.push('\n');
    }
    out
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn verdict(self, word: Word, text: &str) -> String {
        let code = match word {
            Word::Ok => 32,
            Word::Inconclusive => 33,
            Word::NotRun | Word::Broken => 31,
        };
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
