//! What a run costs in which nothing goes wrong: the measure for all that goes on top of it.

use std::time::{Duration, Instant};

use super::judged::guarded;
use super::{Runner, Space};
use crate::fault::plan::Plan;
use crate::run::{Printed, TOGETHER};

/// For so long it is measured: a blink beside any exploration.
const MEASURED_FOR: Duration = Duration::from_millis(40);

/// The time that a run takes on one core in which nothing happens but what the scenario plans itself, judged by all
/// oracles: of batches such as exploration makes, the median's part of one run. `None` where one could not be made.
pub fn undisturbed(space: &Space, runner: Runner<'_>) -> Option<Duration> {
    let plans: Vec<Plan> = vec![space.plan(&[]); TOGETHER];
    let began = Instant::now();
    let mut batches = Vec::new();
    while batches.is_empty() || began.elapsed() < MEASURED_FOR {
        let batch = Instant::now();
        let runs = guarded(|| Ok(runner.run_together(&space.scenario, &plans, space.seed, Printed::No))).ok()?;
        if runs.iter().any(Result::is_err) {
            return None;
        }
        drop(runs);
        batches.push(batch.elapsed());
    }
    batches.sort_unstable();
    let of_one = u32::try_from(TOGETHER).expect("a handful");
    Some(batches[batches.len() / 2] / of_one)
}
