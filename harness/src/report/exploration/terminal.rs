//! An exploration as a person sees it: what was tried, what was found, what was never reached, what to do next.

use std::fmt::Write as _;

use super::document::{EndingWord, Exploration, Finding, PlaceReport, SpaceReport, Wire, WireWord};
use crate::report::document::Word;
use crate::report::terminal::{Style, WIDTH, with_exit, wrap};
use crate::report::{columns, units};

/// Findings of one space that are shown with their timeline.
const WITH_TIMELINE: usize = 3;
/// Findings of one space that are shown at all; the others stand in the report files.
const SHOWN_MAX: usize = 12;
/// Names in a list of what was never reached.
const NAMED_MAX: usize = 6;
/// What shells give for a command that ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// The exit code: a rule that was broken outranks an interruption, which outranks the rest.
pub fn exit_code(report: &Exploration) -> u8 {
    match report.verdict {
        Word::Broken => Word::Broken.exit_code(),
        Word::Ok | Word::Inconclusive | Word::NotRun if report.interrupted() => INTERRUPTED,
        word @ (Word::Ok | Word::Inconclusive | Word::NotRun) => word.exit_code(),
    }
}

/// The whole report.
pub fn write(report: &Exploration, style: Style<'_>) -> String {
    let mut out = String::new();
    for (index, space) in report.spaces.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(&mut out, report, space, style);
    }
    out.push('\n');
    if report.spaces.len() > 1 {
        put(&mut out, &format!("{} runs in all, {}", units::grouped(report.runs()), speed(report)));
    }
    if !style.written.is_empty() {
        put(&mut out, &format!("report: {}", style.written));
    }
    let (text, code) = (next(report), exit_code(report));
    // The last of its lines carries the exit code.
    let text = wrap(&text, WIDTH - 10);
    let (before, last) =
        text.trim_end().rsplit_once('\n').map_or(("", text.trim_end()), |(before, last)| (before, last));
    if !before.is_empty() {
        put(&mut out, before);
    }
    put(&mut out, &with_exit(last, code, WIDTH));
    out
}

fn one(out: &mut String, report: &Exploration, space: &SpaceReport, style: Style<'_>) {
    let own = if space.own_plan.is_empty() { String::new() } else { ", beside its own faults".to_owned() };
    put(out, &format!("{}, payment profile {}{own}", space.scenario, space.profile));
    wrapped(out, "", &tried(report, space));
    if let Some(random) = &space.random {
        wrapped(
            out,
            "",
            &format!(
                "random beyond {}: {} runs, the same as --runs {} --seed {}; {} of {} planned faults found no site",
                units::count(space.depth, "fault"),
                units::grouped(random.runs),
                random.runs,
                random.seed,
                units::grouped(random.dropped),
                units::grouped(random.planned),
            ),
        );
    }
    let found = found(space);
    let found = paint(style, space.verdict, &found);
    if report.spaces.len() == 1 {
        put(out, &format!("{found}; {}", speed(report)));
    } else {
        put(out, &found);
    }
    for line in reached(space) {
        wrapped(out, "", &line);
    }
    for finding in space.findings.iter().take(SHOWN_MAX).enumerate() {
        broken(out, space, finding, style);
    }
    if space.findings.len() > SHOWN_MAX {
        put(out, &format!("\n… and {} more, in the report", space.findings.len() - SHOWN_MAX));
    }
    for doubt in &space.doubts {
        wrapped(out, "", &format!("INCONCLUSIVE {doubt}"));
    }
    if space.not_run.count() > 0 {
        put(
            out,
            &format!(
                "\nNOT RUN {}",
                units::count(usize::try_from(space.not_run.count()).unwrap_or(usize::MAX), "plan")
            ),
        );
        for not_run in &space.not_run.first {
            put(out, &format!("  {}", called(&not_run.replay, style)));
            wrapped(out, "  ", &not_run.why);
        }
    }
}

/// `up to 2 faults, full menu: 41,300 plans, 38,112 run, 3,188 merged (…)`.
pub fn tried(report: &Exploration, space: &SpaceReport) -> String {
    let of = |count: fn(&super::document::LevelReport) -> u64| space.levels.iter().map(count).sum::<u64>();
    let run = of(|level| level.run);
    let (observed, restart, moot) =
        (of(|level| level.merged_observed), of(|level| level.merged_restart), of(|level| level.moot));
    let mut text = format!(
        "up to {}, {} menu: {} plans, {} run",
        units::count(space.depth, "fault"),
        space.menu,
        units::grouped(space.plans()),
        units::grouped(run)
    );
    if observed + restart > 0 {
        write!(
            text,
            ", {} merged (same state after a restart: {}; observed the same: {})",
            units::grouped(observed + restart),
            units::grouped(restart),
            units::grouped(observed)
        )
        .expect("writing to a string does not fail");
    }
    if moot > 0 {
        write!(text, "; {} not extended: their last fault struck nothing", units::grouped(moot))
            .expect("writing to a string does not fail");
    }
    if let Some(part) = report.shard {
        write!(text, "; shard {} of {}", part.number, part.of).expect("writing to a string does not fail");
    }
    match space.ending {
        EndingWord::Whole => {}
        EndingWord::Interrupted => text.push_str("; interrupted: the rest was not tried"),
        EndingWord::Enough => text.push_str("; ended early: so many findings were enough"),
    }
    text
}

/// What was found, in a line.
pub fn found(space: &SpaceReport) -> String {
    match space.findings.as_slice() {
        [] if space.not_run.count() > 0 => "found: nothing broken in what could be run".to_owned(),
        [] => "found: nothing broken".to_owned(),
        findings => {
            let mut rules: Vec<&str> = Vec::new();
            for finding in findings {
                if !rules.contains(&&*finding.rule) {
                    rules.push(&finding.rule);
                }
            }
            format!("found: {} ({})", units::count(findings.len(), "finding"), rules.join(", "))
        }
    }
}

/// Time and rate.
pub fn speed(report: &Exploration) -> String {
    let rate = report.runs_per_second().map_or_else(String::new, |rate| format!(", {} runs/s", units::grouped(rate)));
    let threads = units::count(report.measured.threads, "thread");
    let undisturbed = report.undisturbed_per_second();
    let undisturbed = undisturbed
        .map_or_else(String::new, |rate| format!("; without further faults {}/s on one", units::grouped(rate)));
    format!("{}{rate} on {threads}{undisturbed}", units::span(report.elapsed()))
}

/// What was reached and what never was, a line each.
pub fn reached(space: &SpaceReport) -> Vec<String> {
    let coverage = &space.coverage;
    let struck: usize = coverage.places.iter().map(|place| place.struck.len()).sum();
    let never: usize = coverage.places.iter().map(|place| place.never.len()).sum();
    let of = |yes: usize, no: usize| if no == 0 { format!("all {yes}") } else { format!("{yes} of {}", yes + no) };
    let recovery = match coverage.recovery.len() {
        0 => String::new(),
        1 => ", 1 way of recovering".to_owned(),
        ways => format!(", {ways} ways of recovering"),
    };
    let mut lines = vec![format!(
        "reached: {} pairs of place and fault, {} undos, {} error codes{recovery}",
        of(struck, never),
        of(coverage.undos_run.len(), coverage.undos_never.len()),
        of(coverage.codes_seen.len(), coverage.codes_never.len()),
    )];
    let places = |which: fn(&PlaceReport) -> bool| {
        let places = coverage.places.iter().filter(|place| which(place));
        places.map(|place| place.place.clone()).collect::<Vec<_>>()
    };
    let in_part = coverage.places.iter().filter(|place| !place.struck.is_empty());
    let table = [
        ("never came", places(|place| place.times_max == 0)),
        ("came and was never struck", places(|place| place.times_max > 0 && place.struck.is_empty())),
        (
            "never struck there",
            in_part.flat_map(|place| place.never.iter().map(|fault| format!("{}: {fault}", place.place))).collect(),
        ),
        ("never undone by", coverage.undos_never.clone()),
        ("never answered", coverage.codes_never.clone()),
    ];
    lines.extend(table.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| named(what, names)));
    lines
}

fn named(what: &str, names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what}: {}{more}", names[..names.len().min(NAMED_MAX)].join(", "))
}

fn broken(out: &mut String, space: &SpaceReport, (index, finding): (usize, &Finding), style: Style<'_>) {
    let cause = if finding.cause.is_empty() { String::new() } else { format!("  by {}", finding.cause.join(" and ")) };
    out.push('\n');
    put(out, &format!("{} {}{cause}", paint(style, Word::Broken, "BROKEN"), finding.rule));
    let plans = plans(finding);
    let Some(shown) = &finding.shown else {
        put(out, &format!("  {plans}"));
        return;
    };
    put(out, &format!("  replay: {}", called(&shown.replay, style)));
    for message in &shown.messages {
        wrapped(out, "  ", message);
    }
    if index < WITH_TIMELINE && !space.findings[..index].iter().any(|earlier| earlier.rule == finding.rule) {
        out.push('\n');
        for line in columns::text(&shown.timeline, WIDTH - 4).lines() {
            put(out, &format!("    {line}"));
        }
    }
    if let Some(wire) = &shown.wire {
        for line in on_the_wire(wire).lines() {
            put(out, &format!("  {line}"));
        }
    }
    let written = shown.written_to.as_ref().map_or_else(String::new, |path| format!("; written to {path}"));
    put(out, &format!("  {plans}{written}"));
}

/// `smallest of 214 failing plans`.
pub fn plans(finding: &Finding) -> String {
    match finding.plans_all() {
        1 => "the only failing plan of its kind".to_owned(),
        plans => format!("smallest of {} failing plans", units::grouped(plans)),
    }
}

/// What the wire says of a finding.
pub fn on_the_wire(wire: &Wire) -> String {
    let why = |why: &Option<String>| why.clone().unwrap_or_default();
    match wire.word {
        WireWord::Confirmed => match &wire.why {
            None => "confirmed on the wire, in every event".to_owned(),
            Some(differs) => {
                format!("confirmed on the wire: the same rule is broken; the two runs differ in\n{differs}")
            }
        },
        WireWord::Disagrees => match &wire.why {
            None => "the wire disagrees: the same events, and the rule is kept".to_owned(),
            Some(differs) => format!("the wire disagrees: the rule is kept there; the two runs differ in\n{differs}"),
        },
        WireWord::Impossible => format!("not confirmed: {}", why(&wire.why)),
        WireWord::NotRun => format!("not confirmed, the run on the wire could not be made: {}", why(&wire.why)),
    }
}

/// What to do next.
fn next(report: &Exploration) -> String {
    match report.verdict {
        Word::Broken => return "next: repeat a finding with its replay line".to_owned(),
        Word::NotRun => return "next: see above why a run could not be made".to_owned(),
        Word::Inconclusive => return "next: mend the scenario; its own faults never fired".to_owned(),
        Word::Ok => {}
    }
    if report.interrupted() {
        return "interrupted: nothing was broken until then".to_owned();
    }
    if let Some(part) = report.shard {
        return format!("next: misrule merge, with the reports of all {} shards", part.of);
    }
    let sum = |of: fn(&super::document::Next) -> u64| {
        report.spaces.iter().filter_map(|space| space.next.as_ref()).map(of).sum::<u64>()
    };
    let (same, core) = (sum(|next| next.same), sum(|next| next.core));
    let Some(space) = report.spaces.first() else { return String::new() };
    if same == 0 {
        return "all is well: there is no plan of more faults".to_owned();
    }
    let took = |plans: u64| {
        let seconds = report.runs_per_second().and_then(|rate| plans.checked_div(rate));
        seconds.map_or_else(String::new, |seconds| format!(", about {}", roughly(seconds.max(1))))
    };
    let deeper = space.depth + 1;
    let by = |menu: &str, plans: u64| {
        format!("--depth {deeper} --menu {menu}: {} plans more{}", units::grouped(plans), took(plans))
    };
    if space.menu == "core" || core == 0 || core == same {
        format!("all is well; next: {}", by(&space.menu, same))
    } else {
        format!("all is well; next: {}\n      or {}", by("core", core), by("full", same))
    }
}

/// A span that is only guessed.
fn roughly(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn called(replay: &str, style: Style<'_>) -> String {
    replay.strip_prefix("misrule ").map_or_else(|| replay.to_owned(), |words| format!("{} {words}", style.called))
}

fn paint(style: Style<'_>, word: Word, text: &str) -> String {
    let code = match word {
        Word::Ok => 32,
        Word::Inconclusive => 33,
        Word::NotRun | Word::Broken => 31,
    };
    if style.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn wrapped(out: &mut String, indent: &str, text: &str) {
    for line in wrap(text, WIDTH - indent.len()).lines() {
        put(out, &format!("{indent}{line}"));
    }
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
