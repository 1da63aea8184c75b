//! What a run costs in which nothing goes wrong: the measure for all that goes on top of it.

use std::time::{Duration, Instant};

use super::judged::guarded;
use super::{Runner, Space};
use crate::run::{Printed, TOGETHER};

/// The shortest and the longest time for which it is measured; in between, a tenth of what it is the measure for.
const MEASURED_FOR: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// The time that a run takes on one core in which nothing happens but what the scenario plans itself, judged by all
/// oracles: of batches such as exploration makes, the fastest one's part of one run, since whatever else the machine does
/// only adds to it. `None` where one could not be made.
pub fn undisturbed(space: &Space, runner: Runner<'_>, beside: Duration) -> Option<Duration> {
    let plan = space.plan(&[]);
    let asked = [(&space.scenario, &plan, space.seed); TOGETHER];
    let span = (beside / 10).clamp(MEASURED_FOR[0], MEASURED_FOR[1]);
    let began = Instant::now();
    let mut fastest: Option<Duration> = None;
    while fastest.is_none() || began.elapsed() < span {
        let batch = Instant::now();
        let runs = guarded(|| Ok(runner.run_together(&asked, Printed::No))).ok()?;
        if runs.iter().any(Result::is_err) {
            return None;
        }
        drop(runs);
        let took = batch.elapsed();
        fastest = Some(fastest.map_or(took, |known| known.min(took)));
    }
    let of_one = u32::try_from(TOGETHER).expect("a handful");
    fastest.map(|fastest| fastest / of_one)
}
