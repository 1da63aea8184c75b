//! The joint result of several scenarios: counts, which of them are red, and their findings by rule and cause.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{EndingWord, Exploration, Finding, SpaceReport};
use super::terminal::rules;
use crate::report::document::Word;
use crate::report::units;

/// One thing that is wrong, wherever it shows.
pub struct Group<'a> {
    /// The smallest plan of all that show it: fewest faults, then the first scenario.
    pub smallest: &'a Finding,
    /// Its space.
    pub space: &'a SpaceReport,
    /// Every space that shows it, in order.
    pub spaces: Vec<&'a SpaceReport>,
    /// How many plans show it, in all of them.
    pub plans: u64,
}

/// The findings of all spaces by rule and cause; those of fewest faults first.
pub fn groups(report: &Exploration) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(&str, &[String]), Group<'_>> = BTreeMap::new();
    for space in &report.spaces {
        for finding in &space.findings {
            let new = || Group { smallest: finding, space, spaces: Vec::new(), plans: 0 };
            let group = groups.entry((&finding.rule, &finding.cause)).or_insert_with(new);
            if finding.level < group.smallest.level {
                (group.smallest, group.space) = (finding, space);
            }
            group.spaces.push(space);
            group.plans += finding.plans_all();
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| group.smallest.level);
    groups
}

/// A finding at length: that of the first space that shows it has the timeline.
pub fn at_length<'a>(group: &Group<'a>) -> Option<&'a super::document::Shown> {
    let same = |finding: &&Finding| finding.rule == group.smallest.rule && finding.cause == group.smallest.cause;
    group.spaces.first()?.findings.iter().find(same)?.shown.as_ref()
}

/// What was explored: a scenario by its name, several by their number.
pub fn whereabouts(report: &Exploration) -> String {
    match scenarios(report).as_slice() {
        [one] => (*one).to_owned(),
        all => format!("any of {} scenarios", all.len()),
    }
}

/// The scenarios, each once.
fn scenarios(report: &Exploration) -> Vec<&str> {
    let mut scenarios: Vec<&str> = report.spaces.iter().map(|space| &*space.scenario).collect();
    scenarios.dedup();
    scenarios
}

/// What was tried, a line each.
pub fn tried(report: &Exploration) -> Vec<String> {
    let scenarios = scenarios(report);
    let each = |of: fn(&SpaceReport) -> &str| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for space in &report.spaces {
            *counts.entry(of(space)).or_default() += 1;
        }
        counts
    };
    let profiles = each(|space| &space.profile);
    let profiles: Vec<_> = profiles.iter().map(|(profile, count)| format!("{profile} {count}")).collect();
    let menus = each(|space| &space.menu).into_keys().collect::<Vec<_>>().join(" and ");
    let sum = |of: fn(&SpaceReport) -> u64| report.spaces.iter().map(of).sum::<u64>();
    let depth = report.spaces.iter().map(|space| space.depth).max().unwrap_or(0);
    let run = sum(|space| space.levels.iter().map(|level| level.run).sum());
    let mut text = format!(
        "up to {}, {menus} menu: {}, {} run",
        units::count(depth, "fault"),
        units::counted(sum(SpaceReport::plans), "plan"),
        units::grouped(run),
    );
    let merged = sum(|space| space.levels.iter().map(|level| level.merged_observed + level.merged_restart).sum());
    if merged > 0 {
        write!(text, ", {} merged", units::grouped(merged)).expect("writing to a string does not fail");
    }
    if let Some(part) = report.shard {
        write!(text, "; shard {} of {}", part.number, part.of).expect("writing to a string does not fail");
    }
    let ended = |ending| report.spaces.iter().filter(|space| space.ending == ending).count();
    for (ending, why) in [
        (EndingWord::Interrupted, "interrupted"),
        (EndingWord::Enough, "ended early, so many findings were enough"),
        (EndingWord::OutOfTime, "its time was over"),
        (EndingWord::Stuck, "ended, because a run had no end"),
    ] {
        if ended(ending) > 0 {
            write!(text, "; {why}: {} of {} not tried to the end", ended(ending), report.spaces.len())
                .expect("writing to a string does not fail");
        }
    }
    vec![format!("{}; payment profiles: {}", units::count(scenarios.len(), "scenario"), profiles.join(", ")), text]
}

/// What came of random plans, if there were any.
pub fn random(report: &Exploration) -> Option<String> {
    let drawn: Vec<_> = report.spaces.iter().filter_map(|space| space.random.as_ref()).collect();
    let first = drawn.first()?;
    let sum = |of: fn(&super::document::RandomReport) -> u64| drawn.iter().map(|random| of(random)).sum::<u64>();
    let (runs, planned, dropped) =
        (sum(|random| random.runs), sum(|random| random.planned), sum(|random| random.dropped));
    let depth = report.spaces.iter().map(|space| space.depth).max().unwrap_or(0);
    let seed = if drawn.iter().all(|random| random.seed == first.seed) {
        format!(" --seed {}", first.seed)
    } else {
        String::new()
    };
    Some(format!(
        "random beyond {}: {}, the same as --runs {runs}{seed}; {}",
        units::count(depth, "fault"),
        units::counted(runs, "run"),
        fired(runs, planned, dropped)
    ))
}

/// How many of the planned faults fired: `on average 1.84 of 3.10 planned faults fired`.
pub fn fired(runs: u64, planned: u64, dropped: u64) -> String {
    let average = |faults: u64| {
        let hundredths = faults.saturating_mul(100).checked_div(runs).unwrap_or(0);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    format!("on average {} of {} planned faults fired", average(planned.saturating_sub(dropped)), average(planned))
}

/// What was found, in a line.
pub fn found(report: &Exploration) -> String {
    let red = report.spaces.iter().filter(|space| space.verdict == Word::Broken).count();
    let all = report.spaces.len();
    let groups = groups(report);
    if groups.is_empty() {
        let in_part = report.spaces.iter().any(|space| space.not_run.count() > 0);
        return if in_part { "found: nothing broken in what could be run" } else { "found: nothing broken" }.to_owned();
    }
    let rules = rules(groups.iter().map(|group| &*group.smallest.rule));
    format!("found: {} ({rules}) in {red} of {all} spaces", units::count(groups.len(), "finding"))
}

/// Scenarios under the profiles that make no sense for them, a line a profile.
pub fn left_out(report: &Exploration) -> Vec<String> {
    let mut by_profile: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for left_out in &report.left_out {
        by_profile.entry(&left_out.profile).or_default().push(&left_out.scenario);
    }
    let line = |(profile, scenarios): (&str, Vec<&str>)| {
        format!(
            "not tried under {profile}, where faults of their own plan never strike ({}): {}",
            scenarios.len(),
            scenarios.join(", ")
        )
    };
    by_profile.into_iter().map(line).collect()
}

/// The space by scenario and payment profile.
pub fn place(space: &SpaceReport) -> String {
    format!("{} ({})", space.scenario, space.profile)
}
