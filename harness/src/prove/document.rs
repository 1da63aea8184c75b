//! The document of a proof: every defect with what gave it away, and what was said against GiftGenius as it is.
//!
//! It holds no type of the runner; writers see it and nothing else. What is measured stands apart.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DEPTH;
use super::hunt::{Caught, Hunted};
use super::space::{Accusation, Unchanged};
use crate::defect::Defect;
use crate::fault::menu::Breadth;
use crate::report::document::Word;
use crate::report::timeline::Row;

/// The version of this document's form; rises when a field changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// What a proof came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The version of this document's form.
    pub format: u32,
    /// The version of misrule.
    pub misrule: String,
    /// `ok`, or `broken` where a defect escaped or GiftGenius was accused.
    pub verdict: Word,
    /// The menu of faults.
    pub menu: String,
    /// The most faults that a defect was hunted with.
    pub depth: usize,
    /// Every defect that was hunted.
    pub defects: Vec<DefectReport>,
    /// GiftGenius as it is, in the same space.
    pub unchanged: UnchangedReport,
    /// Why it was ended in the middle, where it was: then only some of the defects were hunted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// What differs from run to run: times. Nothing else in this document does.
    pub measured: ProofMeasured,
}

/// What the hunt for a defect came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DefectReport {
    /// Its name.
    pub id: String,
    /// Which bug of real systems it stands for.
    pub about: String,
    /// The oracle whose rule it breaks.
    pub expected: String,
    /// What gave it away; absent where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught: Option<CaughtReport>,
    /// How many runs were made with it.
    pub runs: u64,
    /// Where it was hunted.
    pub grounds: Vec<String>,
    /// Why a run could not be made, if one could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
}

/// What gave a defect away.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CaughtReport {
    /// The scenario, with its payment profile where that is not its own.
    pub scenario: String,
    /// The plan, as text; empty where nothing had to go wrong.
    pub plan: String,
    /// The oracles that broke and do not for GiftGenius as it is.
    pub oracles: Vec<String>,
    /// What the one that was meant to break says, or else the first.
    pub message: String,
    /// Whether the one whose rule the defect breaks is among them.
    pub as_expected: bool,
    /// The line that repeats it, where a scenario file was left for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
}

/// What came of GiftGenius as it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnchangedReport {
    /// How many runs were made.
    pub runs: u64,
    /// What was found; empty if all is well.
    pub findings: Vec<AccusationReport>,
}

/// The first thing that is said against GiftGenius as it is on one scenario.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccusationReport {
    /// The scenario, with its payment profile where that is not its own.
    pub scenario: String,
    /// The plan, as text.
    pub plan: String,
    /// The rules; none where a run could not be made.
    pub rules: Vec<String>,
    /// What the first says, or why there was no run.
    pub message: String,
    /// The line that repeats it.
    pub replay: String,
    /// What happened, with the rows that show the first breach marked; empty where a run could not be made.
    pub timeline: Vec<Row>,
}

/// What was measured.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProofMeasured {
    /// The whole, in microseconds.
    pub elapsed_us: u64,
    /// How long each defect was hunted, in microseconds.
    pub after_us: BTreeMap<String, u64>,
}

impl Proof {
    /// The defects that were caught.
    pub fn caught(&self) -> usize {
        self.defects.iter().filter(|defect| defect.caught.is_some()).count()
    }

    /// The oracle by which a defect is told to be caught: the one that is meant to, if it is among them.
    pub fn caught_by(defect: &DefectReport) -> Option<&str> {
        let caught = defect.caught.as_ref()?;
        if caught.as_expected { Some(&defect.expected) } else { caught.oracles.first().map(String::as_str) }
    }

    /// The defects that nothing gave away.
    pub fn escaped(&self) -> impl Iterator<Item = &DefectReport> {
        self.defects.iter().filter(|defect| defect.caught.is_none())
    }

    /// The document as a file.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("the document is plain data");
        text.push('\n');
        text
    }
}

/// The document's JSON Schema (2020-12), as a file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Proof)).expect("a schema is plain data");
    text.push('\n');
    text
}

/// Ties a proof together.
pub(super) fn build(
    defects: &[&'static Defect],
    hunted: &[Hunted],
    unchanged: &Unchanged,
    menu: Breadth,
    elapsed: Duration,
) -> Proof {
    let us = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let reports: Vec<_> = defects.iter().zip(hunted).map(|(defect, hunted)| report(defect, hunted)).collect();
    let escaped = reports.iter().any(|report| report.caught.is_none());
    let after_us = defects.iter().zip(hunted).map(|(defect, hunted)| (defect.id.to_owned(), us(hunted.elapsed)));
    Proof {
        format: FORMAT,
        misrule: env!("CARGO_PKG_VERSION").to_owned(),
        verdict: if escaped || !unchanged.findings.is_empty() { Word::Broken } else { Word::Ok },
        menu: menu.name().to_owned(),
        depth: DEPTH,
        defects: reports,
        unchanged: UnchangedReport {
            runs: unchanged.runs,
            findings: unchanged.findings.iter().map(accusation).collect(),
        },
        ended: None,
        measured: ProofMeasured { elapsed_us: us(elapsed), after_us: after_us.collect() },
    }
}

fn report(defect: &Defect, hunted: &Hunted) -> DefectReport {
    DefectReport {
        id: defect.id.to_owned(),
        about: defect.about.to_owned(),
        expected: defect.caught_by.to_owned(),
        caught: hunted.caught.as_ref().map(|caught| caught_report(defect, caught)),
        runs: hunted.runs,
        grounds: hunted.grounds.clone(),
        not_run: hunted.not_run.clone(),
    }
}

fn caught_report(defect: &Defect, caught: &Caught) -> CaughtReport {
    CaughtReport {
        scenario: caught.ground.name(),
        plan: caught.plan.to_string(),
        oracles: caught.oracles.iter().map(|oracle| (*oracle).to_owned()).collect(),
        message: caught.message.clone(),
        as_expected: caught.oracles.contains(&defect.caught_by),
        replay: None,
    }
}

fn accusation(accusation: &Accusation) -> AccusationReport {
    AccusationReport {
        scenario: accusation.ground.name(),
        plan: accusation.plan.to_string(),
        rules: accusation.rules.iter().map(|rule| (*rule).to_owned()).collect(),
        message: accusation.message.clone(),
        replay: accusation.ground.replay(&accusation.plan),
        timeline: accusation.timeline.clone(),
    }
}
