//! GiftGenius as it is, in the space that defects were hunted in: whatever an oracle says against it there is either a bug
//! of GiftGenius or a false accusation, and then what it says against a defect is worth as little.

use super::hunt::{Extended, Ground, attempt, broken, extended};
use super::{Menu, in_parallel};
use crate::fault::plan::Plan;

/// Plans that are run in one go by one thread.
const CHUNK: usize = 64;

/// What an oracle says against GiftGenius as it is.
#[derive(Clone, Debug)]
pub struct Accusation {
    /// Where.
    pub ground: Ground,
    /// Under which plan.
    pub plan: Plan,
    /// The oracles; empty where the run could not be made.
    pub oracles: Vec<&'static str>,
    /// What the first says, or why there was no run.
    pub message: String,
}

/// What came of the unchanged system.
#[derive(Clone, Debug, Default)]
pub struct Unchanged {
    /// How many runs were made.
    pub runs: u64,
    /// What was found.
    pub findings: Vec<Accusation>,
}

/// Tries every plan of up to so many faults on each ground.
pub(super) fn try_unchanged(spaces: &[(Ground, usize)], menu: Menu, threads: usize) -> Unchanged {
    let mut unchanged = Unchanged::default();
    for (ground, depth) in spaces {
        let mut level = vec![Extended { plan: ground.scenario.plan.clone(), from: 0 }];
        for faults in 0..=*depth {
            unchanged.runs += u64::try_from(level.len()).unwrap_or(u64::MAX);
            let grows = faults < *depth;
            let chunks: Vec<_> = level.chunks(CHUNK).collect();
            let judged = in_parallel(&chunks, threads, |plans| {
                plans.iter().map(|tried| judge(ground, tried, grows.then_some(menu))).collect::<Vec<_>>()
            });
            let mut longer = Vec::new();
            for (accusation, further) in judged.into_iter().flatten() {
                unchanged.findings.extend(accusation);
                longer.extend(further);
            }
            level = longer;
        }
    }
    unchanged
}

fn judge(ground: &Ground, tried: &Extended, menu: Option<Menu>) -> (Option<Accusation>, Vec<Extended>) {
    let accuse = |oracles, message| Accusation { ground: ground.clone(), plan: tried.plan.clone(), oracles, message };
    match attempt(&ground.scenario, &tried.plan, None) {
        Err(why) => (Some(accuse(Vec::new(), why)), Vec::new()),
        Ok(outcome) => {
            let accusation = broken(&outcome).map(|(oracles, message)| accuse(oracles, message));
            (accusation, menu.map_or_else(Vec::new, |menu| extended(&outcome, tried.from, menu).collect()))
        }
    }
}
