//! An exploration → its report: findings with their smallest plans shrunk and run once more, coverage in words.

use std::hash::Hasher as _;
use std::sync::Arc;

use giftgenius::error::Code;

use super::findings::{Group, Key, add};
use super::judged::{AGAIN, AND_SO_ON, make};
use super::plan::Kind;
use super::shrink::shrink;
use super::{Ending, Explored, Runner, Runs, Space};
use crate::outcome::Outcome;
use crate::provider::ledger::EffectKind;
use crate::provider::operations;
use crate::report::build::{replay, shown};
use crate::report::document::Word;
use crate::report::exploration::document::{
    Coverage, EndingWord, Finding, LevelReport, NOT_RUN_MAX, Next, NotRun, NotRunPlan, PlaceReport, RandomReport,
    SHOWN_MAX, Shown, SpaceReport,
};
use crate::report::money;
use crate::run::{Asking, Printable, Printed};
use crate::scenario::model::{Scenario, StoreKind, WorldKind};
use crate::scenario::policy::profile_name;
use crate::scenario::write::write as write_scenario;
use crate::trace::provider_index;
use crate::watchdog::{Named, Stuck};

/// Effects that undo another.
const UNDOS: [EffectKind; 5] =
    [EffectKind::Refund, EffectKind::Close, EffectKind::Release, EffectKind::Expire, EffectKind::Restock];

/// What telling takes beside the exploration.
pub struct Telling<'a> {
    /// Makes the runs that are shown.
    pub runner: Runner<'a>,
    /// Whether a finding is there on the wire too, where that is asked for.
    pub confirm: Option<&'a super::Confirm<'a>>,
}

/// The report of one space.
pub fn tell(space: &Space, explored: &Explored, telling: &Telling<'_>) -> SpaceReport {
    let scenario = &space.scenario;
    let whole = explored.ending == Ending::Whole;
    let own = make(space, telling.runner, &[]);
    let mut report = SpaceReport {
        scenario: scenario.name.clone(),
        path: scenario.path.display().to_string(),
        title: scenario.title.clone(),
        profile: profile_name(scenario.policy.payment_profile).to_owned(),
        own_plan: scenario.plan.to_string(),
        seed: space.seed,
        menu: space.menu.name().to_owned(),
        print: print(space),
        depth: explored.depth,
        verdict: Word::Ok,
        ending: match explored.ending {
            Ending::Whole => EndingWord::Whole,
            Ending::OutOfTime => EndingWord::OutOfTime,
            Ending::Interrupted => EndingWord::Interrupted,
            Ending::Enough => EndingWord::Enough,
            Ending::Stuck => EndingWord::Stuck,
        },
        doubts: own.map_or_else(|_| Vec::new(), |own| own.doubts()),
        levels: levels(explored),
        random: explored.drawn.as_ref().map(|(draw, drawn)| RandomReport {
            seed: draw.seed.unwrap_or(space.seed),
            runs: drawn.run,
            broken: drawn.broken,
            planned: drawn.planned,
            dropped: drawn.dropped,
        }),
        generated: None,
        findings: findings(space, explored, telling),
        not_run: not_run(space, explored),
        coverage: Some(coverage(space, explored)),
        next: whole.then_some(Next { same: explored.further.same, core: explored.further.core }),
    };
    report.verdict = report.judged();
    report
}

/// The report of one space of an exploration that was ended in the middle because a run had no end. What is stuck is not
/// run again.
pub fn tell_stuck(space: &Space, explored: &Explored, runner: Runner<'_>, stuck: &Stuck) -> SpaceReport {
    let mut report = tell(space, explored, &Telling { runner: &Without { runner, stuck }, confirm: None });
    let runs = stuck.runs.iter().filter_map(Named::run);
    for (_, plan, _) in runs.filter(|(scenario, ..)| Arc::ptr_eq(scenario, &space.scenario)) {
        let level = plan.faults.len().saturating_sub(space.scenario.plan.faults.len());
        add(&mut report.not_run.counts, level, 1);
        report.not_run.first.truncate(NOT_RUN_MAX - 1);
        report.not_run.first.insert(
            0,
            NotRunPlan {
                level,
                number: 0,
                plan: plan.to_string(),
                replay: replay_line(space, plan),
                why: stuck.to_string(),
            },
        );
    }
    report.verdict = report.judged();
    report
}

/// Runs, but for those that are stuck.
pub(super) struct Without<'a> {
    pub(super) runner: Runner<'a>,
    pub(super) stuck: &'a Stuck,
}

impl Runs for Without<'_> {
    fn run_together(&self, runs: &[Asking<'_>], printed: Printed) -> Vec<Result<Printable, String>> {
        let one = |run: &Asking<'_>| {
            let (scenario, plan, seed) = run;
            let mut stuck = self.stuck.runs.iter().filter_map(Named::run);
            if stuck.any(|(its, under, with)| Arc::ptr_eq(its, scenario) && under == *plan && with == *seed) {
                return Err(self.stuck.to_string());
            }
            self.runner.run_together(&[*run], printed).pop().expect("one run was asked for")
        };
        runs.iter().map(one).collect()
    }
}

fn levels(explored: &Explored) -> Vec<LevelReport> {
    let level = |(faults, level): (usize, &super::exhaustive::Level)| LevelReport {
        faults,
        plans: level.plans,
        run: level.run,
        merged_observed: level.merged.observed,
        merged_restart: level.merged.restarted,
        moot: level.moot,
        broken: level.broken,
    };
    explored.levels.iter().enumerate().map(level).collect()
}

fn findings(space: &Space, explored: &Explored, telling: &Telling<'_>) -> Vec<Finding> {
    let mut groups: Vec<(&Key, &Group)> = explored.findings.groups.iter().collect();
    groups.sort_by_key(|(key, group)| (group.at, *key));
    let finding = |(index, (key, group)): (usize, &(&Key, &Group))| Finding {
        rule: key.rule.to_owned(),
        cause: key.cause.iter().map(|(kind, fault)| format!("{}: {fault}", label(*kind))).collect(),
        level: group.at.level,
        number: group.at.number,
        plans: group.plans.clone(),
        shown: (index < SHOWN_MAX).then(|| show(space, key.rule, group, telling)).flatten(),
    };
    groups.iter().enumerate().map(finding).collect()
}

fn label(kind: usize) -> &'static str {
    Kind::all().nth(kind).map_or("", Kind::label)
}

/// The smallest plan of a finding, run once more.
fn show(space: &Space, rule: &'static str, group: &Group, telling: &Telling<'_>) -> Option<Shown> {
    let smallest = shrink(space, telling.runner, rule, &group.plan);
    let outcome = make(space, telling.runner, &smallest).ok()?;
    let line = replay_line(space, &outcome.plan);
    let (messages, timeline) = shown(&outcome, rule);
    let (scenario, plan) = (file(&outcome, &line), outcome.plan.to_string());
    let wire = telling.confirm.map(|confirm| super::confirm::confirm(confirm, &outcome, rule));
    let money = money::said(&outcome.record.ledger);
    Some(Shown { plan, replay: line, money, messages, timeline, scenario, written_to: None, wire })
}

/// The line that repeats a run.
fn replay_line(space: &Space, plan: &crate::fault::plan::Plan) -> String {
    let line = replay(&space.scenario, WorldKind::Sim, plan, space.seed);
    space.foreign.map_or(line.clone(), |profile| format!("{line} --profile {profile}"))
}

/// A scenario file that is this run. What the scenario expects of its own plan is not expected of another.
fn file(outcome: &Outcome, replay: &str) -> String {
    let mut scenario = Scenario::clone(&outcome.scenario);
    if !scenario.expects_of(&outcome.plan) {
        scenario = scenario.without_expectations();
    }
    scenario.plan = outcome.plan.clone();
    scenario.seed = outcome.seed;
    // It repeats one run; the gate need not explore it too.
    scenario.explore.gate_depth = 0;
    format!(
        "# Left behind by an exploration that found a broken rule; repeat it with\n# {replay}\n\n{}",
        write_scenario(&scenario)
    )
}

fn not_run(space: &Space, explored: &Explored) -> NotRun {
    let first = explored.not_run.first.iter().map(|not_run| {
        let plan = space.plan(&not_run.plan);
        NotRunPlan {
            level: not_run.at.level,
            number: not_run.at.number,
            plan: plan.to_string(),
            replay: replay_line(space, &plan),
            why: not_run.why.to_string(),
        }
    });
    NotRun { counts: explored.not_run.counts.clone(), first: first.collect() }
}

fn coverage(space: &Space, explored: &Explored) -> Coverage {
    let reached = &explored.coverage;
    let struck: Vec<(Kind, &str)> =
        space.each_entry().zip(&reached.struck).filter(|(_, struck)| **struck).map(|(entry, _)| entry).collect();
    let places = space.kinds().map(|(kind, names)| {
        let (yes, no): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| struck.contains(&(kind, *name)));
        let times_max = match kind {
            Kind::At(place) => reached.sites_max[place.index()].into(),
            Kind::Over(provider) => reached.providers_max[provider_index(provider)].into(),
        };
        PlaceReport { place: kind.label().to_owned(), times_max, struck: owned(yes), never: owned(no) }
    });
    let codes = Code::ALL.iter().enumerate();
    let (seen, never): (Vec<_>, Vec<_>) = codes.partition(|(index, _)| reached.codes & (1 << index) != 0);
    let code = |codes: Vec<(usize, &Code)>| owned(codes.into_iter().map(|(_, code)| code.as_str()));
    let (run, not): (Vec<_>, Vec<_>) = UNDOS.into_iter().partition(|kind| reached.effects & (1 << (*kind as u16)) != 0);
    let undo = |kinds: Vec<EffectKind>| owned(kinds.into_iter().map(EffectKind::name));
    Coverage {
        places: places.collect(),
        codes_seen: code(seen),
        codes_never: code(never),
        undos_run: undo(run),
        undos_never: undo(not),
        recovery: {
            let mut ways: Vec<_> = reached.recovery.iter().map(|path| recovery(path)).collect();
            ways.sort();
            ways
        },
    }
}

/// In alphabetical order, so that the reports of shards join into that of the whole.
fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    names.sort();
    names
}

/// A way of recovering in words: `payment.look_up → inventory.commit`.
fn recovery(path: &[u8]) -> String {
    if path.is_empty() {
        return "nothing was left to ask".to_owned();
    }
    let word = |step: &u8| match *step {
        AGAIN => "(started again)",
        AND_SO_ON => "…",
        operation => operations::ALL[usize::from(operation)].label,
    };
    path.iter().map(word).collect::<Vec<_>>().join(" → ")
}

/// A print of everything that makes a space.
fn print(space: &Space) -> String {
    // FNV: the same on every machine and in every version of the compiler.
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(write_scenario(&space.scenario).as_bytes());
    hasher.write(space.scenario.name.as_bytes());
    hasher.write(&space.seed.to_le_bytes());
    // No file says which store it is.
    hasher.write(match space.scenario.store {
        StoreKind::Memory => b"",
        StoreKind::Sqlite => b"sqlite",
    });
    for (index, (kind, _)) in space.each_entry().enumerate() {
        hasher.write(kind.label().as_bytes());
        hasher.write(space.entry_text(index).as_bytes());
    }
    format!("{:016x}", hasher.finish())
}

struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_of_recovering_is_told_in_words() {
        assert_eq!(recovery(&[]), "nothing was left to ask");
        let charge = u8::try_from(operations::CHARGE.index).expect("few operations");
        assert_eq!(
            recovery(&[charge, AGAIN, charge, AND_SO_ON]),
            "payment.charge → (started again) → payment.charge → …"
        );
    }
}
