//! Outcomes → [`Report`]. The only writer of the document; nothing is judged here that was not judged before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use giftgenius::error::Code;
use giftgenius::policy::Policy;

use super::document::{
    Beyond, Coverage, Extent, FORMAT, Finding, Measured, MeasuredRun, OracleReport, OracleWord, Report, RunReport,
    ScenarioReport, Word, WorstCase, WorstCasePart,
};
use super::money;
use super::normalise::Names;
use super::timeline::{self, Detail, Row};
use super::told;
use crate::fault::explain;
use crate::fault::plan::{Plan, Planned};
use crate::oracle::Verdict;
use crate::oracle::bounds::{self, Bounds};
use crate::outcome::{Outcome, Status};
use crate::provider::catalog::Source;
use crate::scenario::model::{Scenario, StoreKind, WorldKind};
use crate::trace::EventKind;
use crate::visible::{visible, visible_lines};

/// The rule of a finding that no oracle made.
pub const EXPECTATION: &str = "expectation";

/// Everything that was run of one scenario in one world.
pub struct Ran {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The world.
    pub world: WorldKind,
    /// The scenario's own seed first, then further ones; or why it could not run.
    pub outcomes: Result<Vec<Outcome>, String>,
    /// Of broken runs, the same with the smallest part of the plan that still breaks the first rule; not all have one.
    pub smallest: Vec<Outcome>,
}

impl Ran {
    /// What is shown of a run: the same with a smaller plan, where there is one.
    pub fn shown<'a>(&'a self, outcome: &'a Outcome) -> &'a Outcome {
        self.smallest.iter().find(|smallest| smallest.seed == outcome.seed).unwrap_or(outcome)
    }
}

/// The report of a gate run, in the order in which the scenarios are given.
pub fn build(ran: &[Ran], extent: Extent, elapsed: Duration) -> Report {
    let mut scenarios: Vec<ScenarioReport> = Vec::new();
    for ran in ran {
        let runs = runs(ran);
        let position = scenarios.iter().position(|scenario| scenario.name == ran.scenario.name);
        let index = position.unwrap_or_else(|| {
            scenarios.push(scenario(&ran.scenario));
            scenarios.len() - 1
        });
        scenarios[index].runs.extend(runs);
    }
    for scenario in &mut scenarios {
        scenario.verdict = worst(scenario.runs.iter().map(|run| run.verdict));
    }
    Report {
        format: FORMAT,
        misrule: env!("CARGO_PKG_VERSION").to_owned(),
        verdict: worst(scenarios.iter().map(|scenario| scenario.verdict)),
        extent,
        scenarios,
        beyond: Vec::new(),
        left_out: Vec::new(),
        coverage: coverage(ran),
        worst_case: worst_case(&Policy::default()),
        measured: measured(ran, elapsed),
    }
}

/// Holds a gate of the own scenarios to the error codes: one that no caller was told was not tried.
pub fn hold_to_codes(report: &mut Report) {
    report.coverage.codes_owed = true;
    if !report.coverage.codes_never.is_empty() {
        report.verdict = worst([report.verdict, Word::Inconclusive].into_iter());
    }
}

/// Adds what was done beyond the scenarios; `elapsed` is the whole.
pub fn add_beyond(report: &mut Report, beyond: Vec<(Beyond, Duration)>, elapsed: Duration) {
    report.verdict = worst(beyond.iter().map(|(beyond, _)| beyond.verdict).chain([report.verdict]));
    report.measured.beyond_us = beyond.iter().map(|(_, took)| micros(*took)).collect();
    report.measured.elapsed_us = micros(elapsed);
    report.beyond = beyond.into_iter().map(|(beyond, _)| beyond).collect();
}

fn worst(words: impl Iterator<Item = Word>) -> Word {
    words.max().unwrap_or(Word::Ok)
}

fn scenario(scenario: &Scenario) -> ScenarioReport {
    ScenarioReport {
        name: scenario.name.clone(),
        path: scenario.path.display().to_string(),
        title: visible(&scenario.title).into_owned(),
        lesson: visible(&scenario.lesson).into_owned(),
        covers: scenario.covers.clone(),
        verdict: Word::Ok,
        runs: Vec::new(),
    }
}

/// One report of the scenario's own seed, and one of each further seed with another result.
fn runs(ran: &Ran) -> Vec<RunReport> {
    let outcomes = match &ran.outcomes {
        Ok(outcomes) => outcomes,
        Err(why) => return vec![not_run(ran, why)],
    };
    let Some((first, further)) = outcomes.split_first() else { return Vec::new() };
    let others = further.iter().filter(|outcome| !same_verdict(first, outcome));
    [first].into_iter().chain(others).map(|outcome| run(outcome, ran.shown(outcome))).collect()
}

fn same_verdict(first: &Outcome, outcome: &Outcome) -> bool {
    first.status() == outcome.status() && rules_broken(first) == rules_broken(outcome)
}

/// The rules that an outcome breaks, each once, in the order of the oracles; what was not met comes last.
pub fn rules_broken(outcome: &Outcome) -> Vec<&'static str> {
    let mut rules = Vec::new();
    for violation in outcome.violations() {
        if !rules.contains(&violation.oracle) {
            rules.push(violation.oracle);
        }
    }
    if !outcome.unmet.is_empty() {
        rules.push(EXPECTATION);
    }
    rules
}

const fn word(status: Status) -> Word {
    match status {
        Status::Ok => Word::Ok,
        Status::Inconclusive => Word::Inconclusive,
        Status::Broken => Word::Broken,
    }
}

fn not_run(ran: &Ran, why: &str) -> RunReport {
    let scenario = &ran.scenario;
    RunReport {
        world: ran.world.name().to_owned(),
        seed: scenario.seed,
        plan: scenario.plan.to_string(),
        whole_plan: None,
        replay: replay(scenario, ran.world, &scenario.plan, scenario.seed),
        verdict: Word::NotRun,
        money: String::new(),
        findings: Vec::new(),
        doubts: Vec::new(),
        not_run: Some(visible_lines(why)),
        oracles: Vec::new(),
    }
}

/// The report of a run, of which `shown` is what there is to see.
fn run(outcome: &Outcome, shown: &Outcome) -> RunReport {
    let names = Names::of(&shown.record);
    let findings = rules_broken(shown).into_iter().map(|rule| finding(shown, &names, rule)).collect();
    RunReport {
        world: outcome.world.name().to_owned(),
        seed: outcome.seed,
        plan: shown.plan.to_string(),
        whole_plan: (shown.plan != outcome.plan).then(|| outcome.plan.to_string()),
        replay: replay(&shown.scenario, shown.world, &shown.plan, shown.seed),
        verdict: word(outcome.status()),
        money: money::said(&shown.record.ledger),
        findings,
        doubts: outcome.doubts(),
        not_run: None,
        oracles: oracles(shown, &names),
    }
}

fn finding(outcome: &Outcome, names: &Names, rule: &'static str) -> Finding {
    let (messages, timeline) = breaches(outcome, names, rule);
    Finding { rule: rule.to_owned(), messages, timeline, written_to: None }
}

/// What is wrong in a run by one rule, and what happened in it.
pub fn shown(outcome: &Outcome, rule: &'static str) -> (Vec<String>, Vec<Row>) {
    breaches(outcome, &Names::of(&outcome.record), rule)
}

fn breaches(outcome: &Outcome, names: &Names, rule: &'static str) -> (Vec<String>, Vec<Row>) {
    let mut messages = Vec::new();
    let mut events = Vec::new();
    if rule == EXPECTATION {
        messages.extend(outcome.unmet.iter().map(|unmet| visible(&names.rename(unmet)).into_owned()));
    }
    for violation in outcome.violations().filter(|violation| violation.oracle == rule) {
        messages.push(visible(&names.rename(&violation.message)).into_owned());
        events.extend(violation.events.iter().copied());
    }
    (messages, timeline::rows(&outcome.record, names, Detail::Brief, &events))
}

fn oracles(outcome: &Outcome, names: &Names) -> Vec<OracleReport> {
    let report = |oracle: &crate::oracle::Oracle, verdict: &Verdict| {
        let (word, why) = if let Some(reason) = outcome.scenario.excused.get(oracle.id) {
            (OracleWord::Excused, Some(reason.clone()))
        } else {
            match verdict {
                Verdict::Kept => (OracleWord::Kept, None),
                Verdict::Broken(_) if outcome.is_expected(oracle) => (OracleWord::BrokenAsExpected, None),
                Verdict::Broken(_) => (OracleWord::Broken, None),
                Verdict::NoVerdict(reason) => (OracleWord::NoVerdict, Some(names.rename(reason))),
            }
        };
        OracleReport { id: oracle.id.to_owned(), verdict: word, why }
    };
    outcome.verdicts.iter().map(|(oracle, verdict)| report(oracle, verdict)).collect()
}

/// The line that repeats a run.
pub fn replay(scenario: &Scenario, world: WorldKind, plan: &Plan, seed: u64) -> String {
    let world = match world {
        WorldKind::Sim => "",
        WorldKind::Wire => " --world wire",
    };
    let path = quoted(&scenario.path.display().to_string());
    let fixtures = match &scenario.shop.source {
        Source::BuiltIn | Source::Scenario => String::new(),
        Source::Folder(folder) => format!(" --fixtures {}", quoted(&folder.display().to_string())),
    };
    let store = match scenario.store {
        StoreKind::Memory => "",
        StoreKind::Sqlite => " --journal sqlite",
    };
    format!("misrule replay {path} --plan \"{plan}\" --seed {seed}{world}{store}{fixtures}")
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./:@%+=,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn worst_case(policy: &Policy) -> WorstCase {
    let part = |part: bounds::Part| WorstCasePart { what: part.what, calls: part.requests };
    WorstCase {
        calls_per_intent: Bounds::of(policy).per_intent,
        parts: bounds::parts(policy).into_iter().map(part).collect(),
    }
}

fn coverage(ran: &[Ran]) -> Coverage {
    let mut fired = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for outcome in ran.iter().flat_map(|ran| ran.outcomes.iter().flatten()) {
        for planned in &outcome.plan.faults {
            if !outcome.unfired.contains(planned) {
                fired.insert(match planned {
                    Planned::At(_, fault) => fault.name(),
                    Planned::Over(_, fault) => fault.name(),
                });
            }
        }
        for event in &outcome.record.trace.events {
            if let EventKind::CallEnded { reply, .. } = &event.kind
                && let Some(code) = told::code(reply)
            {
                seen.insert(code);
            }
        }
    }
    let split = |all: Vec<&str>, reached: &BTreeSet<&str>| {
        let (yes, no): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| reached.contains(name));
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        (owned(yes), owned(no))
    };
    let faults = explain::ALL.iter().map(|explained| explained.name);
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let (faults_fired, faults_never) = split(faults.collect(), &fired);
    let (codes_seen, codes_never) = split(codes.collect(), &seen);
    Coverage { faults_fired, faults_never, codes_seen, codes_never, codes_owed: false }
}

fn measured(ran: &[Ran], elapsed: Duration) -> Measured {
    let mut measured = Measured {
        elapsed_us: micros(elapsed),
        simulated_runs: 0,
        simulated_us: 0,
        most_uses: 0,
        runs: Vec::new(),
        beyond_us: Vec::new(),
    };
    let mut simulated = Duration::ZERO;
    for ran in ran {
        let mut spent: Vec<_> = ran.outcomes.iter().flatten().map(|outcome| outcome.elapsed).collect();
        spent.sort_unstable();
        let Some(median) = spent.get(spent.len() / 2) else { continue };
        if ran.world == WorldKind::Sim {
            measured.simulated_runs += u64::try_from(spent.len()).unwrap_or(u64::MAX);
            simulated += spent.iter().sum::<Duration>();
        }
        measured.runs.push(MeasuredRun {
            scenario: ran.scenario.name.clone(),
            world: ran.world.name().to_owned(),
            median_us: micros(*median),
        });
    }
    measured.simulated_us = micros(simulated);
    measured
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
