//! An exploration as a person sees it: what was tried, what was found, what was never reached, what to do next.

use std::fmt::Write as _;
use std::time::Duration;

use super::document::{
    Coverage, EndingWord, Exploration, Finding, GeneratedReport, PlaceReport, Shown, SpaceReport, Wire, WireWord,
};
use super::several;
use crate::report::document::Word;
use crate::report::terminal::{Style, width, with_exit, wrap};
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
    if report.is_of_several() {
        together(&mut out, report, style);
    } else {
        for (index, space) in report.spaces.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            one(&mut out, report, space, style);
        }
        for line in several::left_out(report) {
            out.push('\n');
            wrapped(&mut out, "", &line);
        }
        out.push('\n');
        if report.spaces.len() > 1 {
            wrapped(&mut out, "", &format!("{} in all, {}", units::counted(report.runs(), "run"), speed(report)));
        }
    }
    for doubt in &report.doubts {
        wrapped(&mut out, "", &format!("INCONCLUSIVE {doubt}"));
    }
    if !style.written.is_empty() {
        put(&mut out, &format!("report: {}", style.written));
    }
    let (text, code) = (next(report), exit_code(report));
    put(&mut out, &with_exit(&text, code, width()));
    out
}

/// Several scenarios: what was tried of all, a line for each that is red, and each finding once.
fn together(out: &mut String, report: &Exploration, style: Style<'_>) {
    for line in several::tried(report).into_iter().chain(several::random(report)) {
        wrapped(out, "", &line);
    }
    let found = wrap(&several::found(report), width());
    put(out, &paint(style, report.verdict, found.trim_end()));
    wrapped(out, "", &speed(report));
    let coverage = report.coverage.iter().flat_map(reached);
    for line in coverage.chain(several::left_out(report)) {
        wrapped(out, "", &line);
    }
    let red: Vec<_> = report.spaces.iter().filter(|space| !space.findings.is_empty()).collect();
    if !red.is_empty() {
        out.push('\n');
    }
    let widest = |of: fn(&SpaceReport) -> &str| red.iter().map(|space| of(space).chars().count()).max().unwrap_or(0);
    let (name, profile) = (widest(|space| &space.scenario), widest(|space| &space.profile));
    for space in &red {
        let rules = rules(space.findings.iter().map(|finding| &*finding.rule));
        let said = format!("{:name$}  {:profile$}  {}", space.scenario, space.profile, rules);
        let lines = wrap(&said, width() - 2);
        for (index, line) in lines.lines().enumerate() {
            put(out, &format!("  {}{line}", if index == 0 { "" } else { "  " }));
        }
    }
    let groups = several::groups(report);
    let mut timelines = Vec::new();
    for group in groups.iter().take(SHOWN_MAX) {
        let rule = &*group.smallest.rule;
        let with_timeline = timelines.len() < WITH_TIMELINE && !timelines.contains(&rule);
        if with_timeline {
            timelines.push(rule);
        }
        broken(out, group.smallest, with_timeline.then(|| several::at_length(group)).flatten(), style);
        let others: Vec<_> = group.spaces.iter().filter(|space| !std::ptr::eq(**space, group.space)).collect();
        if !others.is_empty() {
            let names: Vec<_> = others.iter().map(|space| several::place(space)).collect();
            wrapped(out, "  ", &named("there too", &names));
        }
    }
    if groups.len() > SHOWN_MAX {
        put(out, &format!("\n… and {} more, in the report", groups.len() - SHOWN_MAX));
    }
    for space in &report.spaces {
        for doubt in &space.doubts {
            wrapped(out, "", &format!("\nINCONCLUSIVE {}: {doubt}", several::place(space)));
        }
        not_run(out, space, style);
    }
    out.push('\n');
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
                "random beyond {}: {}, the same as --runs {} --seed {}; {}",
                units::count(space.depth, "fault"),
                units::counted(random.runs, "run"),
                random.runs,
                random.seed,
                several::fired(random.runs, random.planned, random.dropped),
            ),
        );
    }
    let found = wrap(&found(space), width());
    put(out, &paint(style, space.verdict, found.trim_end()));
    if report.spaces.len() == 1 {
        wrapped(out, "", &speed(report));
    }
    for line in space.coverage.iter().flat_map(reached) {
        wrapped(out, "", &line);
    }
    for (index, finding) in space.findings.iter().take(SHOWN_MAX).enumerate() {
        let first = !space.findings[..index].iter().any(|earlier| earlier.rule == finding.rule);
        let at_length = finding.shown.as_ref().filter(|_| index < WITH_TIMELINE && first);
        broken(out, finding, at_length, style);
    }
    if space.findings.len() > SHOWN_MAX {
        put(out, &format!("\n… and {} more, in the report", space.findings.len() - SHOWN_MAX));
    }
    for doubt in &space.doubts {
        wrapped(out, "", &format!("INCONCLUSIVE {doubt}"));
    }
    not_run(out, space, style);
}

fn not_run(out: &mut String, space: &SpaceReport, style: Style<'_>) {
    if space.not_run.count() == 0 {
        return;
    }
    let plans = units::counted(space.not_run.count(), "plan");
    put(out, &format!("\nNOT RUN {plans}"));
    for not_run in &space.not_run.first {
        put(out, &format!("  {}", called(&not_run.replay, style)));
        wrapped(out, "  ", &not_run.why);
    }
}

/// `up to 2 faults, full menu: 41,300 plans, 38,112 run, 3,188 merged (…)`.
pub fn tried(report: &Exploration, space: &SpaceReport) -> String {
    if let Some(generated) = &space.generated {
        return of_generated(generated, space);
    }
    let of = |count: fn(&super::document::LevelReport) -> u64| space.levels.iter().map(count).sum::<u64>();
    let run = of(|level| level.run);
    let (observed, restart, moot) =
        (of(|level| level.merged_observed), of(|level| level.merged_restart), of(|level| level.moot));
    let mut text = format!(
        "up to {}, {} menu: {}, {} run",
        units::count(space.depth, "fault"),
        space.menu,
        units::counted(space.plans(), "plan"),
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
        EndingWord::OutOfTime => text.push_str("; its time was over: the rest was not tried"),
        EndingWord::Stuck => text.push_str("; ended, because a run had no end: the rest was not tried"),
    }
    text
}

fn of_generated(generated: &GeneratedReport, space: &SpaceReport) -> String {
    let GeneratedReport { scenarios, runs, broken: _, planned, dropped } = generated;
    let interrupted = match space.ending {
        EndingWord::Interrupted => "; interrupted",
        EndingWord::Stuck => "; ended, because a run had no end",
        EndingWord::Whole | EndingWord::Enough | EndingWord::OutOfTime => "",
    };
    format!(
        "{}, {}, the same as --generate --runs {runs} --seed {}; {}{interrupted}",
        units::counted(*scenarios, "scenario"),
        units::counted(*runs, "run"),
        space.seed,
        several::fired(*runs, *planned, *dropped),
    )
}

/// What was found, in a line.
pub fn found(space: &SpaceReport) -> String {
    match space.findings.as_slice() {
        [] if space.not_run.count() > 0 => "found: nothing broken in what could be run".to_owned(),
        [] => "found: nothing broken".to_owned(),
        findings => {
            let rules = rules(findings.iter().map(|finding| &*finding.rule));
            format!("found: {} ({rules})", units::count(findings.len(), "finding"))
        }
    }
}

/// Each rule once, in order.
pub fn rules<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let mut rules: Vec<&str> = Vec::new();
    for rule in all {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules.join(", ")
}

/// Time and rate.
pub fn speed(report: &Exploration) -> String {
    let rate = report.runs_per_second().map_or_else(String::new, |rate| format!(", {} runs/s", units::grouped(rate)));
    let threads = units::count(report.measured.threads, "thread");
    let undisturbed = report.undisturbed_per_second();
    let undisturbed = undisturbed
        .map_or_else(String::new, |rate| format!("; without further faults {}/s on one", units::grouped(rate)));
    let most = units::most_uses(report.measured.most_uses);
    format!("{}{rate} on {threads}{undisturbed}{most}", units::span(report.elapsed()))
}

/// What was reached and what never was, a line each.
pub fn reached(coverage: &Coverage) -> Vec<String> {
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

/// A finding, with the timeline of what is given at length.
fn broken(out: &mut String, finding: &Finding, at_length: Option<&Shown>, style: Style<'_>) {
    let cause = if finding.cause.is_empty() { String::new() } else { format!("  by {}", finding.cause.join(" and ")) };
    out.push('\n');
    let money = finding.shown.as_ref().map_or_else(String::new, |shown| format!(": {}", shown.money));
    let head = wrap(&format!("BROKEN {}{money}{cause}", finding.rule), width());
    let head = head.trim_end().replacen("BROKEN", &paint(style, Word::Broken, "BROKEN"), 1);
    put(out, &head);
    let plans = plans(finding);
    let Some(shown) = &finding.shown else {
        put(out, &format!("  {plans}"));
        return;
    };
    put(out, &format!("  replay: {}", called(&shown.replay, style)));
    for message in &shown.messages {
        wrapped(out, "  ", message);
    }
    if let Some(at_length) = at_length.filter(|shown| !shown.timeline.is_empty()) {
        out.push('\n');
        if at_length.plan != shown.plan {
            put(out, &format!("  there: {}", called(&at_length.replay, style)));
        }
        for line in columns::text(&at_length.timeline, width() - 4).lines() {
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
        Word::Inconclusive if report.doubts.is_empty() => {
            return "next: mend the scenario; its own faults never fired".to_owned();
        }
        Word::Inconclusive => {
            return "next: name sites that come and faults that strike there, or go deeper; `misrule list --sites` shows \
                    which there are"
                .to_owned();
        }
        Word::Ok => {}
    }
    if report.interrupted() {
        return "interrupted: nothing was broken until then".to_owned();
    }
    if report.spaces.iter().any(|space| space.ending == EndingWord::OutOfTime) {
        return "nothing was broken until its time was over".to_owned();
    }
    if let Some(part) = report.shard {
        return format!("next: misrule merge, with the reports of all {} shards", part.of);
    }
    if let Some(generated) = report.spaces.iter().find(|space| space.generated.is_some()) {
        return format!("all is well; next: another seed, --seed {}", generated.seed.wrapping_add(1));
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
        let about = |seconds: u64| format!(", about {}", units::roughly(Duration::from_secs(seconds.max(1))));
        seconds.map_or_else(String::new, about)
    };
    let deeper = space.depth + 1;
    let by = |menu: &str, plans: u64| {
        format!("--depth {deeper} --menu {menu}: {} more{}", units::counted(plans, "plan"), took(plans))
    };
    if space.menu == "core" || core == 0 || core == same {
        format!("all is well; next: {}", by(&space.menu, same))
    } else {
        format!("all is well; next: {}\n      or {}", by("core", core), by("full", same))
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
    for line in wrap(text, width() - indent.len()).lines() {
        put(out, &format!("{indent}{line}"));
    }
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
