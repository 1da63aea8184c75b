//! The results of generated scenarios → a report, each finding with a scenario file of its own.

use std::collections::BTreeMap;
use std::path::Path;

use super::lower::lower;
use super::{Generated, Group, Key, run};
use crate::explore::tell::Without;
use crate::explore::{Ending, Runner};
use crate::report::build::{replay, shown};
use crate::report::document::Word;
use crate::report::exploration::document::{
    EndingWord, Finding, GeneratedReport, NotRun, NotRunPlan, SHOWN_MAX, Shown, SpaceReport,
};
use crate::report::money;
use crate::scenario::model::WorldKind;
use crate::scenario::policy::profile_name;
use crate::scenario::write::write as write_scenario;
use crate::watchdog::{Named, Stuck};

/// The report; scenario files of findings will be left in `failures`.
pub fn tell(generated: &Generated, runner: Runner<'_>, failures: &Path) -> SpaceReport {
    let Generated { generating, stories, runs, planned, dropped, broken, .. } = generated;
    let mut groups: Vec<(&Key, &Group)> = generated.groups.iter().collect();
    groups.sort_by_key(|(key, group)| (group.number, *key));
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut finding = |(index, (key, group)): (usize, (&Key, &Group))| {
        let shown = (index < SHOWN_MAX).then(|| {
            let count = counts.entry(key.rule).or_default();
            *count += 1;
            let path = failures.join(format!("{}-{count}.toml", key.rule));
            show(key, group, runner, &path)
        });
        Finding {
            rule: key.rule.to_owned(),
            cause: key.cause.clone(),
            level: group.story.faults.len(),
            number: group.number,
            plans: vec![group.count],
            shown: shown.flatten(),
        }
    };
    let findings = groups.into_iter().enumerate().map(&mut finding).collect();
    let again = |number: u64| format!("misrule explore --generate --seed {} (scenario {number})", generating.seed);
    let not_run = NotRun {
        counts: vec![generated.not_run.0],
        first: generated
            .not_run
            .1
            .iter()
            .map(|(number, why)| NotRunPlan {
                level: 0,
                number: *number,
                plan: String::new(),
                replay: again(*number),
                why: why.clone(),
            })
            .collect(),
    };
    let mut report = SpaceReport {
        scenario: "generated".to_owned(),
        path: String::new(),
        title: "Purchases that nobody wrote".to_owned(),
        profile: generating.profile.map_or("any", profile_name).to_owned(),
        own_plan: String::new(),
        seed: generating.seed,
        menu: "full".to_owned(),
        print: String::new(),
        depth: 0,
        verdict: Word::Ok,
        ending: match generated.ending {
            Ending::Interrupted => EndingWord::Interrupted,
            Ending::Stuck => EndingWord::Stuck,
            Ending::Whole | Ending::Enough | Ending::OutOfTime => EndingWord::Whole,
        },
        doubts: Vec::new(),
        levels: Vec::new(),
        random: None,
        generated: Some(GeneratedReport {
            scenarios: *stories,
            runs: *runs,
            broken: *broken,
            planned: *planned,
            dropped: *dropped,
        }),
        findings,
        not_run,
        coverage: None,
        next: None,
    };
    report.verdict = report.judged();
    report
}

/// The report of generated scenarios that were ended in the middle because the run of one had no end. That one has a file
/// of its own, which `replay` repeats.
pub fn tell_stuck(
    generated: &Generated,
    runner: Runner<'_>,
    failures: &Path,
    stuck: &Stuck,
    replay: &str,
) -> SpaceReport {
    let mut report = tell(generated, &Without { runner, stuck }, failures);
    let run = stuck.runs.iter().find_map(Named::run);
    report.ending = EndingWord::Stuck;
    report.not_run.counts[0] += 1;
    report.not_run.first.insert(
        0,
        NotRunPlan {
            level: 0,
            number: generated.stories,
            plan: run.map_or_else(String::new, |(_, plan, _)| plan.to_string()),
            replay: replay.to_owned(),
            why: stuck.to_string(),
        },
    );
    report.verdict = report.judged();
    report
}

fn show(key: &Key, group: &Group, runner: Runner<'_>, path: &Path) -> Option<Shown> {
    let outcome = run(&group.story, group.number, runner)?;
    let mut scenario = lower(&group.story, group.number).scenario;
    path.clone_into(&mut scenario.path);
    scenario.plan = outcome.plan.clone();
    let line = replay(&scenario, WorldKind::Sim, &outcome.plan, outcome.seed);
    let (messages, timeline) = shown(&outcome, key.rule);
    let text = format!(
        "# Left behind by generated scenarios, one of which broke a rule; repeat it with\n# {line}\n\n{}",
        write_scenario(&scenario)
    );
    Some(Shown {
        plan: outcome.plan.to_string(),
        replay: line,
        money: money::said(&outcome.record.ledger),
        messages,
        timeline,
        scenario: text,
        written_to: None,
        wire: None,
    })
}
