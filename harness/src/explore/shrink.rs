//! Shrinking: put a plan's entries back to *nothing goes wrong* and look whether the same rule still breaks.

use super::Runner;
use super::judged::make;
use super::plan::Deviation;
use super::space::Space;
use crate::report::build::rules_broken;

/// A part of a failing plan that still breaks the rule and of which nothing can be left out. What is made of a
/// candidate in which a fault never fires is no proof: another fault may have led to its site.
pub(super) fn shrink(space: &Space, runner: Runner<'_>, rule: &'static str, plan: &[Deviation]) -> Vec<Deviation> {
    let mut smallest = plan.to_vec();
    let mut index = 0;
    // From the last fault to the first: what came late hangs on what came early, and not the other way round.
    while index < smallest.len() {
        let mut candidate = smallest.clone();
        candidate.remove(smallest.len() - 1 - index);
        if breaks(space, runner, rule, &candidate) {
            smallest = candidate;
            index = 0;
        } else {
            index += 1;
        }
    }
    smallest
}

fn breaks(space: &Space, runner: Runner<'_>, rule: &'static str, plan: &[Deviation]) -> bool {
    make(space, runner, plan).is_ok_and(|outcome| {
        let own = &space.scenario.plan.faults;
        outcome.unfired.iter().all(|unfired| own.contains(unfired)) && rules_broken(&outcome).contains(&rule)
    })
}
