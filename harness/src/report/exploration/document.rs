//! The document of an exploration: what was tried, what came of it, what was measured.
//!
//! It holds no type of the explorer. Everything but `measured` is the same for any number of threads and for every run
//! of the same command; the documents of all shards of a space join into that of the whole.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::untried;
use crate::report::document::Word;
use crate::report::timeline::Row;

/// The version of this document's form; rises when a field changes its meaning or goes.
pub const FORMAT: u32 = 2;
/// Findings that are shown in full.
pub const SHOWN_MAX: usize = 50;
/// Runs that could not be made and are told with their reason; the others are counted.
pub const NOT_RUN_MAX: usize = 5;

/// What an exploration came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exploration {
    /// The version of this document's form.
    pub format: u32,
    /// The version of misrule.
    pub misrule: String,
    /// The worst of all spaces.
    pub verdict: Word,
    /// Which part of the spaces this is; the whole if not said.
    pub shard: Option<Part>,
    /// The spaces: one a scenario and payment profile.
    pub spaces: Vec<SpaceReport>,
    /// Payment profiles that were asked for and make no sense for a scenario: faults of its own never strike there.
    pub left_out: Vec<LeftOut>,
    /// What was reached in all spaces together, where they are of several scenarios.
    pub coverage: Option<Coverage>,
    /// The sites and faults that the command named, in place of the scenarios' own.
    #[serde(default)]
    pub named: Named,
    /// Why the whole supports no verdict, one sentence each: what was named and never struck.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// What differs from run to run: times. Nothing else in this document does.
    pub measured: Measured,
}

/// Sites and faults that a command named.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    /// Places and providers.
    pub sites: Vec<String>,
    /// Faults: a name, or one with its arguments.
    pub faults: Vec<String>,
}

/// A scenario and a payment profile that makes no sense for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The scenario's name.
    pub scenario: String,
    /// The payment profile.
    pub profile: String,
    /// The scenario's own faults that never strike under it.
    pub unfired: Vec<String>,
}

/// One part of a space that several machines share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Which, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

/// What one space came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SpaceReport {
    /// The scenario: theme and file name without ending.
    pub scenario: String,
    /// Its file, as it was given.
    pub path: String,
    /// What happens in it.
    pub title: String,
    /// What the payment provider promises.
    pub profile: String,
    /// The scenario's own plan, which stands in every plan that was tried.
    pub own_plan: String,
    /// The seed of every run.
    pub seed: u64,
    /// The menu: `full` or `core`.
    pub menu: String,
    /// A print of everything that makes the space: scenario, menus, seed. Shards of one space have the same.
    pub print: String,
    /// The most faults that were tried in every combination, beside the scenario's own.
    pub depth: usize,
    /// How it went.
    pub verdict: Word,
    /// Whether it was gone to its end.
    pub ending: EndingWord,
    /// Why the scenario's own run supports no verdict, one sentence each.
    pub doubts: Vec<String>,
    /// By number of faults, from 0.
    pub levels: Vec<LevelReport>,
    /// Random plans beyond the depth.
    pub random: Option<RandomReport>,
    /// Generated scenarios, where the space is of those and of no scenario that somebody wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<GeneratedReport>,
    /// What broke, by rule and cause; smallest plans first.
    pub findings: Vec<Finding>,
    /// Runs that could not be made.
    pub not_run: NotRun,
    /// What was reached; of several scenarios it is told of all together.
    pub coverage: Option<Coverage>,
    /// How many plans of one fault more there are; only of a space that was gone to its end.
    pub next: Option<Next>,
}

/// Why an exploration ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndingWord {
    /// Everything was tried.
    Whole,
    /// Somebody interrupted it.
    Interrupted,
    /// As many findings as were asked for.
    Enough,
    /// Its time was over.
    OutOfTime,
    /// A run had no end, and misrule was ended with it.
    Stuck,
}

/// The plans of one number of faults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LevelReport {
    /// How many faults, beside the scenario's own.
    pub faults: usize,
    /// How many plans there are.
    pub plans: u64,
    /// How many of them were run.
    pub run: u64,
    /// Plans not run because another has the same future: the system observed the same, and all else was the same.
    pub merged_observed: u64,
    /// Plans not run because another has the same future: after a crash all that was left was the same.
    pub merged_restart: u64,
    /// Plans run whose last fault found nothing to strike: equal to the plan without it, and not extended.
    pub moot: u64,
    /// Plans that broke a rule.
    pub broken: u64,
}

/// Random plans.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RandomReport {
    /// The seed that they were drawn with.
    pub seed: u64,
    /// How many were run; the same `--runs` and `--seed` run the same ones.
    pub runs: u64,
    /// Of those, how many broke a rule.
    pub broken: u64,
    /// Faults planned in all.
    pub planned: u64,
    /// Planned faults whose site never came, which were dropped.
    pub dropped: u64,
}

/// Generated scenarios.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GeneratedReport {
    /// How many scenarios were made.
    pub scenarios: u64,
    /// How many runs: each scenario without faults, and then with one fault more each time.
    pub runs: u64,
    /// Of those, how many broke a rule.
    pub broken: u64,
    /// Faults planned in all.
    pub planned: u64,
    /// Planned faults that never struck.
    pub dropped: u64,
}

/// One thing that is wrong: a rule, and the kinds of faults that it takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The oracle's id, or `expectation`.
    pub rule: String,
    /// The kinds of faults, each as `payment.charge: lost_reply`; none for the scenario as it is.
    pub cause: Vec<String>,
    /// The number of faults of the first plan that shows it; one more than the depth for a random one.
    pub level: usize,
    /// The first plan's place among those, from 0.
    pub number: u64,
    /// How many plans show it, by number of faults; the last count, beyond the depth, is of random ones.
    pub plans: Vec<u64>,
    /// Its smallest plan in full; left out of all but the first findings.
    pub shown: Option<Shown>,
}

impl Finding {
    /// How many plans show it.
    pub fn plans_all(&self) -> u64 {
        self.plans.iter().sum()
    }
}

/// A finding's smallest plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// The whole plan, the scenario's own faults included.
    pub plan: String,
    /// The line that repeats it.
    pub replay: String,
    /// What stands charged at the end and what is sold for it, in a few words.
    pub money: String,
    /// What is wrong, one sentence each.
    pub messages: Vec<String>,
    /// What happened, with the rows that show the breach marked; empty where an earlier space shows the same finding.
    pub timeline: Vec<Row>,
    /// A scenario file that is this run, whole; empty where the timeline is.
    pub scenario: String,
    /// Where that file was written, if it could be.
    pub written_to: Option<String>,
    /// What came of it on the wire, where that was asked for.
    pub wire: Option<Wire>,
}

/// What a plan came to on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Wire {
    /// Whether the wire agrees.
    pub word: WireWord,
    /// Why not, or how the two runs differ.
    pub why: Option<String>,
}

/// Whether the wire agrees with the simulation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WireWord {
    /// The same rule is broken there.
    Confirmed,
    /// The rule is not broken there.
    Disagrees,
    /// The plan or the scenario cannot be run there.
    Impossible,
    /// The run could not be made.
    NotRun,
}

/// Runs that could not be made.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotRun {
    /// How many, by number of faults; the last count, beyond the depth, is of random ones.
    pub counts: Vec<u64>,
    /// The first ones.
    pub first: Vec<NotRunPlan>,
}

impl NotRun {
    /// How many in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One run that could not be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotRunPlan {
    /// How many faults.
    pub level: usize,
    /// Its place among those, from 0.
    pub number: u64,
    /// Its plan.
    pub plan: String,
    /// The line that tries again.
    pub replay: String,
    /// Why.
    pub why: String,
}

/// What was reached, and what never was.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Every place and provider that has a menu here.
    pub places: Vec<PlaceReport>,
    /// Error codes that the host was answered.
    pub codes_seen: Vec<String>,
    /// Error codes that it never was.
    pub codes_never: Vec<String>,
    /// Undos that ran.
    pub undos_run: Vec<String>,
    /// Undos that never did.
    pub undos_never: Vec<String>,
    /// What the system asked of providers after it had been started again, each way once.
    pub recovery: Vec<String>,
}

impl Coverage {
    /// Adds what was reached elsewhere: what either reached was reached.
    pub fn unite(&mut self, other: Self) {
        for other in other.places {
            match self.places.iter_mut().find(|place| place.place == other.place) {
                None => self.places.push(other),
                Some(place) => {
                    place.times_max = place.times_max.max(other.times_max);
                    join((&mut place.struck, &mut place.never), (other.struck, other.never));
                }
            }
        }
        join((&mut self.codes_seen, &mut self.codes_never), (other.codes_seen, other.codes_never));
        join((&mut self.undos_run, &mut self.undos_never), (other.undos_run, other.undos_never));
        self.recovery = sorted(self.recovery.drain(..).chain(other.recovery));
    }
}

/// Names that were reached and names that were not, in alphabetical order.
fn join((reached, never): (&mut Vec<String>, &mut Vec<String>), theirs: (Vec<String>, Vec<String>)) {
    *reached = sorted(reached.drain(..).chain(theirs.0));
    *never = sorted(never.drain(..).chain(theirs.1).filter(|name| !reached.contains(name)));
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What was reached at one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlaceReport {
    /// The place: `payment.charge`, `provider.payment`.
    pub place: String,
    /// How often it came in the run where it came most often.
    pub times_max: u64,
    /// Faults that struck there, by name.
    pub struck: Vec<String>,
    /// Faults of the menu that never did.
    pub never: Vec<String>,
}

/// How many plans of one fault more there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Next {
    /// With the same menu.
    pub same: u64,
    /// With the core menu.
    pub core: u64,
}

/// What was measured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// The whole, in microseconds.
    pub elapsed_us: u64,
    /// Of that, what runs took, in microseconds.
    pub running_us: u64,
    /// Threads that shared the runs.
    pub threads: usize,
    /// What a run takes on one core in which nothing goes wrong beyond the scenario's own plan, in nanoseconds; of several
    /// spaces or machines the longest, absent where none could be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undisturbed_ns: Option<u64>,
    /// The most uses of ports and polls that a run took; one that takes 200,000 has run away.
    #[serde(default)]
    pub most_uses: u32,
}

impl Exploration {
    /// Runs made in all.
    pub fn runs(&self) -> u64 {
        self.spaces.iter().map(SpaceReport::runs).sum()
    }

    /// Runs a second, where any were made.
    pub fn runs_per_second(&self) -> Option<u64> {
        self.runs().saturating_mul(1_000_000).checked_div(self.measured.running_us)
    }

    /// Runs a second and core in which nothing goes wrong, where that was measured.
    pub fn undisturbed_per_second(&self) -> Option<u64> {
        1_000_000_000_u64.checked_div(self.measured.undisturbed_ns?)
    }

    /// Whether somebody interrupted it.
    pub fn interrupted(&self) -> bool {
        self.spaces.iter().any(|space| space.ending == EndingWord::Interrupted)
    }

    /// Whether its spaces are of several scenarios.
    pub fn is_of_several(&self) -> bool {
        self.spaces.iter().any(|space| space.path != self.spaces[0].path)
    }

    /// Brings the whole into line with its spaces: of several scenarios one coverage; what was named and never struck; the
    /// verdict; and each finding shown at length once.
    pub fn settle(&mut self) {
        if self.is_of_several() {
            for coverage in self.spaces.iter_mut().filter_map(|space| space.coverage.take()) {
                self.coverage.get_or_insert_default().unite(coverage);
            }
        }
        // What one shard leaves out another one may strike, and an interruption says enough.
        self.doubts = if self.shard.is_some() || self.interrupted() { Vec::new() } else { untried::doubts(self) };
        let own = if self.doubts.is_empty() { Word::Ok } else { Word::Inconclusive };
        self.verdict = self.spaces.iter().map(|space| space.verdict).fold(own, Ord::max);
        let mut known = BTreeSet::new();
        for space in &mut self.spaces {
            let key = |finding: &Finding| (finding.rule.clone(), finding.cause.clone());
            let own: Vec<_> = space.findings.iter().map(key).collect();
            for (finding, key) in space.findings.iter_mut().zip(&own) {
                if let Some(shown) = finding.shown.as_mut().filter(|_| known.contains(key)) {
                    shown.timeline = Vec::new();
                    shown.scenario = String::new();
                }
            }
            known.extend(own);
        }
    }

    /// How long it took.
    pub const fn elapsed(&self) -> Duration {
        Duration::from_micros(self.measured.elapsed_us)
    }
}

impl SpaceReport {
    /// Runs made.
    pub fn runs(&self) -> u64 {
        let levels = self.levels.iter().map(|level| level.run).sum::<u64>();
        let random = self.random.as_ref().map_or(0, |random| random.runs);
        levels + random + self.generated.as_ref().map_or(0, |generated| generated.runs)
    }

    /// Plans there are, to the depth.
    pub fn plans(&self) -> u64 {
        self.levels.iter().map(|level| level.plans).sum()
    }

    /// How it went, of what it holds.
    pub fn judged(&self) -> Word {
        if !self.findings.is_empty() {
            Word::Broken
        } else if self.not_run.count() > 0 {
            Word::NotRun
        } else if self.doubts.is_empty() {
            Word::Ok
        } else {
            Word::Inconclusive
        }
    }
}
