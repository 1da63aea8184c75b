//! The one document that every writer reads: what was run, what came of it, what was measured.
//!
//! It holds no type of the runner, so that a writer cannot look behind it and a reader elsewhere can parse it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline::Row;

/// The version of this document's form; rises when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Every rule was kept and every expectation met.
    Ok,
    /// Nothing was broken, and not everything was tried that should have been.
    Inconclusive,
    /// The system or the harness could not run.
    NotRun,
    /// A rule was broken or an expectation not met.
    Broken,
}

impl Word {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not run",
            Self::Broken => "broken",
        }
    }

    /// The exit code that it ends with.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Broken => 1,
            Self::Inconclusive => 3,
            Self::NotRun => 4,
        }
    }
}

/// What a gate run came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this document's form.
    pub format: u32,
    /// The version of misrule.
    pub misrule: String,
    /// The worst of all scenarios.
    pub verdict: Word,
    /// How much was run.
    pub extent: Extent,
    /// Every scenario, by name.
    pub scenarios: Vec<ScenarioReport>,
    /// What was done beyond the scenarios, when everything is run.
    pub beyond: Vec<Beyond>,
    /// What an option left out of the gate, a sentence each.
    pub left_out: Vec<String>,
    /// What was reached.
    pub coverage: Coverage,
    /// The worst case of provider calls for one purchase under the default policy.
    pub worst_case: WorstCase,
    /// What differs from run to run: times and rates. Nothing else in this document does.
    pub measured: Measured,
}

/// How much was run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Every scenario, in each of its worlds: what was never reached is a gap.
    Whole,
    /// Some scenarios, or one world, or all until a run had no end: what was not reached says nothing.
    Part,
    /// What there was until somebody interrupted it.
    Interrupted,
}

/// Something that the gate does beyond its scenarios: `explored` or `proved`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Beyond {
    /// What was done, in a word.
    pub what: String,
    /// How it went.
    pub verdict: Word,
    /// What it came to, in a line.
    pub said: String,
    /// What was found; empty if all is well.
    pub findings: Vec<BeyondFinding>,
}

/// Something found beyond the scenarios.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BeyondFinding {
    /// The rule.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// The line that shows it.
    pub replay: String,
    /// What happened, with the rows that show the breach marked; empty where no run of a scenario shows it.
    pub timeline: Vec<Row>,
}

/// What a scenario came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioReport {
    /// Theme and file name without ending.
    pub name: String,
    /// The file, as it was given.
    pub path: String,
    /// What happens.
    pub title: String,
    /// What it teaches.
    pub lesson: String,
    /// The requirements it covers.
    pub covers: Vec<String>,
    /// The worst of its runs.
    pub verdict: Word,
    /// Its runs: one a world, and any further seed that came to something else.
    pub runs: Vec<RunReport>,
}

/// What a run came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// `sim` or `wire`.
    pub world: String,
    /// The seed for identifiers and jitter.
    pub seed: u64,
    /// The fault plan: of a broken run the smallest part that still breaks the first rule.
    pub plan: String,
    /// The scenario's own plan, where that is larger.
    pub whole_plan: Option<String>,
    /// The line that repeats the run.
    pub replay: String,
    /// How it went.
    pub verdict: Word,
    /// What stands charged at the end and what is sold for it, in a few words; empty if it was not run.
    pub money: String,
    /// What was broken.
    pub findings: Vec<Finding>,
    /// Why it supports no verdict, one sentence each.
    pub doubts: Vec<String>,
    /// Why it could not run.
    pub not_run: Option<String>,
    /// What each oracle said.
    pub oracles: Vec<OracleReport>,
}

/// A breach.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The oracle's id, or `expectation`.
    pub rule: String,
    /// What is wrong, one sentence each.
    pub messages: Vec<String>,
    /// What happened, with the rows that show the breach marked.
    pub timeline: Vec<Row>,
    /// The scenario file that was left behind, if one could be.
    pub written_to: Option<String>,
}

/// What an oracle said of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OracleReport {
    /// Its id.
    pub id: String,
    /// What it said.
    pub verdict: OracleWord,
    /// Why, where there is more to say.
    pub why: Option<String>,
}

/// What an oracle said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OracleWord {
    /// The rule was kept.
    Kept,
    /// It was broken.
    Broken,
    /// It was broken, as the scenario says it must be.
    BrokenAsExpected,
    /// The scenario says that it does not judge.
    Excused,
    /// The evidence supports no verdict.
    NoVerdict,
}

/// What was reached, of what there is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Fault kinds that fired.
    pub faults_fired: Vec<String>,
    /// Fault kinds that did not.
    pub faults_never: Vec<String>,
    /// Error codes that a caller was told.
    pub codes_seen: Vec<String>,
    /// Error codes that none was told.
    pub codes_never: Vec<String>,
    /// Whether one that none was told makes the gate inconclusive: where all of the own scenarios were run.
    pub codes_owed: bool,
}

/// How many provider calls one purchase can come to at most, under any faults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorstCase {
    /// In all, from the quote to the end of its order, the undo of everything included.
    pub calls_per_intent: u32,
    /// What it is made of; the parts add up to it.
    pub parts: Vec<WorstCasePart>,
}

/// A part of the worst case.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WorstCasePart {
    /// What is asked, and how often.
    pub what: String,
    /// How many calls that is.
    pub calls: u32,
}

/// What differs from run to run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// From the first run to the last.
    pub elapsed_us: u64,
    /// Runs in simulation, those with further seeds included.
    pub simulated_runs: u64,
    /// Time spent in them, on one core.
    pub simulated_us: u64,
    /// The most uses of ports and polls that a simulated run took, explored and generated ones included; a run that takes
    /// 200,000 has run away.
    #[serde(default)]
    pub most_uses: u32,
    /// How long each scenario took in each world, in the median run.
    pub runs: Vec<MeasuredRun>,
    /// How long each thing beyond the scenarios took, in their order, in microseconds.
    pub beyond_us: Vec<u64>,
}

/// How long a scenario took in a world.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredRun {
    /// The scenario.
    pub scenario: String,
    /// The world.
    pub world: String,
    /// In the median run.
    pub median_us: u64,
}

impl Measured {
    /// Simulated runs a second on one core; `None` before there was one.
    pub fn runs_per_second(&self) -> Option<u64> {
        self.simulated_runs.saturating_mul(1_000_000).checked_div(self.simulated_us)
    }

    /// How long a scenario took in a world.
    pub fn median(&self, scenario: &str, world: &str) -> Option<Duration> {
        self.runs
            .iter()
            .find(|run| run.scenario == scenario && run.world == world)
            .map(|run| Duration::from_micros(run.median_us))
    }
}

impl RunReport {
    /// One timeline for all findings: what happened, with every row marked that shows any of them.
    pub fn timeline(&self) -> Vec<Row> {
        let mut timeline = self.findings.first().map(|first| first.timeline.clone()).unwrap_or_default();
        for (index, row) in timeline.iter_mut().enumerate() {
            row.marked = self.findings.iter().any(|finding| finding.timeline.get(index).is_some_and(|row| row.marked));
        }
        timeline
    }
}

impl Report {
    /// How many scenarios came to this.
    pub fn count(&self, word: Word) -> usize {
        self.scenarios.iter().filter(|scenario| scenario.verdict == word).count()
    }

    /// Every breach, with its scenario and run.
    pub fn findings(&self) -> impl Iterator<Item = (&ScenarioReport, &RunReport, &Finding)> {
        self.scenarios.iter().flat_map(|scenario| {
            scenario.runs.iter().flat_map(move |run| run.findings.iter().map(move |finding| (scenario, run, finding)))
        })
    }

    /// How many scenarios have a run in a world.
    pub fn run_in(&self, world: &str) -> usize {
        self.scenarios.iter().filter(|scenario| scenario.runs.iter().any(|run| run.world == world)).count()
    }

    /// What the whole of all scenarios never reached: a line for fault kinds and one for error codes, by name. Nothing
    /// if only a part was run.
    pub fn never_reached(&self) -> Vec<String> {
        let named = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
        let codes = if self.coverage.codes_owed { &[][..] } else { &self.coverage.codes_never };
        match self.extent {
            Extent::Part | Extent::Interrupted => Vec::new(),
            Extent::Whole => [
                named("fault kinds that never fired", &self.coverage.faults_never),
                named("error codes that no caller was told", codes),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// Why the gate is inconclusive although every run of it may be ok: error codes that were to be told and were not.
    pub fn codes_not_told(&self) -> Option<String> {
        let never = &self.coverage.codes_never;
        (self.coverage.codes_owed && !never.is_empty())
            .then(|| format!("no caller was told {}; what is never told is not tried", never.join(", ")))
    }
}
