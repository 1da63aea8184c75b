//! The result of one run: the record, the verdicts, and whether that is good.

use std::sync::Arc;
use std::time::Duration;

use crate::choice::Asked;
use crate::fault::Fault;
use crate::fault::plan::{Plan, Planned};
use crate::oracle::{Oracle, Verdict, Violation};
use crate::rest::Rest;
use crate::scenario::model::{Scenario, WorldKind};
use crate::trace;

/// One run, judged.
pub struct Outcome {
    /// What was run.
    pub scenario: Arc<Scenario>,
    /// Where.
    pub world: WorldKind,
    /// What went wrong.
    pub plan: Plan,
    /// The seed for identifiers and jitter.
    pub seed: u64,
    /// Trace and ledger.
    pub record: trace::Record,
    /// How things stood when nothing was left to do.
    pub rest: Rest,
    /// What each oracle says, in the order of the table.
    pub verdicts: Vec<(&'static Oracle, Verdict)>,
    /// The expectations that were not met, one sentence each; none under a plan that is not the scenario's own.
    pub unmet: Vec<String>,
    /// The planned faults whose site never came.
    pub unfired: Vec<Planned>,
    /// Every choice that was asked, with its answer.
    pub asked: Vec<Asked>,
    /// Measured wall time; in no snapshot.
    pub elapsed: Duration,
}

/// Whether an outcome is well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// Every rule was kept and every expectation met.
    Ok,
    /// Nothing was broken, and not everything was tried that should have been.
    Inconclusive,
    /// A rule was broken or an expectation not met.
    Broken,
}

impl Status {
    /// The word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Inconclusive => "inconclusive",
            Self::Broken => "broken",
        }
    }
}

impl Outcome {
    /// Every breach that counts: by an oracle that judges this scenario and is not expected to be broken.
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.verdicts.iter().filter(|(oracle, _)| !self.is_excused(oracle) && !self.is_expected(oracle)).flat_map(
            |(_, verdict)| match verdict {
                Verdict::Broken(violations) => violations.as_slice(),
                Verdict::Kept | Verdict::NoVerdict(_) => &[],
            },
        )
    }

    /// Whether the scenario says that an oracle does not judge it.
    pub fn is_excused(&self, oracle: &Oracle) -> bool {
        self.scenario.excused.contains_key(oracle.id)
    }

    /// Whether the scenario says that an oracle must be broken.
    pub fn is_expected(&self, oracle: &Oracle) -> bool {
        self.scenario.expects_of(&self.plan) && self.scenario.expect.broken.iter().any(|id| id == oracle.id)
    }

    /// Why the run supports no verdict, one sentence each; none if it does.
    pub fn doubts(&self) -> Vec<String> {
        let unfired = self.unfired.iter().map(|planned| {
            let why = if matches!(planned, Planned::At(_, Fault::Malformed(_))) && self.came(planned) {
                "the call has no field for this mistake"
            } else if self.was_indifferent(planned) {
                "it would have changed nothing about this request"
            } else if self.came(planned) {
                "another fault of the plan strikes the same request"
            } else {
                "its site did not come"
            };
            format!("The planned fault `{planned}` never fired: {why}.")
        });
        let kept = self
            .verdicts
            .iter()
            .filter(|(oracle, verdict)| self.is_expected(oracle) && !matches!(verdict, Verdict::Broken(_)))
            .map(|(oracle, _)| format!("`{}` was expected to be broken and was not.", oracle.id));
        unfired.chain(kept).collect()
    }

    /// Whether a request came that a planned fault names.
    fn came(&self, planned: &Planned) -> bool {
        match planned {
            Planned::At(address, _) => self.asked.iter().any(|asked| address.names(&asked.site)),
            Planned::Over(..) => false,
        }
    }

    /// Whether a planned fault struck, and made no difference.
    fn was_indifferent(&self, planned: &Planned) -> bool {
        match planned {
            Planned::At(address, fault @ Fault::Circumstance(_)) => {
                self.asked.iter().any(|asked| address.names(&asked.site) && !asked.chosen.has(fault))
            }
            Planned::At(..) | Planned::Over(..) => false,
        }
    }

    /// Whether it is well.
    pub fn status(&self) -> Status {
        if self.violations().next().is_some() || !self.unmet.is_empty() {
            Status::Broken
        } else if self.doubts().is_empty() {
            Status::Ok
        } else {
            Status::Inconclusive
        }
    }
}
