//! GiftGenius as it is, in the space that defects were hunted in: whatever an oracle says against it there is either a bug
//! of GiftGenius or a false accusation, and then what it says against a defect is worth as little.

use rayon::ThreadPool;

use super::hunt::Ground;
use crate::explore::{Budget, First, Runs, Simulated, first_finding};
use crate::fault::menu::Breadth;
use crate::fault::plan::Plan;
use crate::report::build::shown;
use crate::report::timeline::Row;

/// The first thing that is said against GiftGenius as it is on one ground.
#[derive(Clone, Debug)]
pub struct Accusation {
    /// Where.
    pub ground: Ground,
    /// Under which plan; empty where a run could not be made.
    pub plan: Plan,
    /// The rules that it breaks; none where a run could not be made.
    pub rules: Vec<&'static str>,
    /// What the first says, or why there was no run.
    pub message: String,
    /// What happened; empty where a run could not be made.
    pub timeline: Vec<Row>,
}

/// What came of the unchanged system.
#[derive(Clone, Debug, Default)]
pub struct Unchanged {
    /// How many runs were made.
    pub runs: u64,
    /// What was found.
    pub findings: Vec<Accusation>,
}

/// Tries every plan of up to so many faults on each ground, until something is found there.
pub(super) fn try_unchanged(spaces: &[(Ground, usize)], menu: Breadth, pool: &ThreadPool) -> Unchanged {
    let runner = Simulated::default();
    let mut unchanged = Unchanged::default();
    for (ground, depth) in spaces {
        let First { runs, found, not_run } =
            first_finding(&ground.space(menu), &runner, Budget::of(*depth), &|_| true, pool);
        unchanged.runs += runs;
        if let Some((plan, rules)) = found {
            let outcome = runner.run(&ground.scenario, &plan, ground.scenario.seed);
            let shown = outcome.ok().zip(rules.first()).map(|(outcome, rule)| shown(&outcome, rule));
            let (messages, timeline) = shown.unwrap_or_default();
            let message = messages.into_iter().next().unwrap_or_default();
            unchanged.findings.push(Accusation { ground: ground.clone(), plan, rules, message, timeline });
        }
        if let Some(message) = not_run {
            let (plan, rules, timeline) = (Plan::default(), Vec::new(), Vec::new());
            unchanged.findings.push(Accusation { ground: ground.clone(), plan, rules, message, timeline });
        }
    }
    unchanged
}
