//! How much a deep exploration takes, found out from a shallow one before it begins.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use super::{Control, Runner, Settings, Space, explore};
use crate::report::units;

/// What is expected of an exploration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Estimate {
    /// Plans in all.
    pub plans: u64,
    /// Runs a second of the shallow one.
    pub rate: u64,
}

/// Explores with one fault, which gives the exact number of plans of two; each further fault multiplies plans by about as
/// much as the second did. Plans that are merged are not run, so that the time is an upper bound.
pub fn estimate(
    spaces: &[Space],
    settings: &Settings,
    runner: Runner<'_>,
    pool: &ThreadPool,
    stop: &AtomicBool,
) -> Estimate {
    let began = Instant::now();
    let shallow = Settings { depth: 1, draw: None, time: None, shard: None, findings_max: None, reduction: true };
    let control = Control { stop, until: None, watch: &|_| {}, kept: None };
    let explored = explore(spaces, runner, &shallow, pool, &control);
    let took = began.elapsed();
    let plans = explored.iter().map(|explored| {
        let one: u64 = explored.levels.iter().skip(1).map(|level| level.plans).sum();
        let two = explored.further.same;
        let further = (2..settings.depth).scan(two, |plans, _| {
            *plans = plans.saturating_mul(two).checked_div(one).unwrap_or(0);
            Some(*plans)
        });
        (1 + one).saturating_add(two).saturating_add(further.fold(0, u64::saturating_add))
    });
    let plans = plans.fold(0, u64::saturating_add) / settings.shard.map_or(1, |shard| shard.of);
    let runs: u64 = explored.iter().map(super::Explored::runs).sum();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    Estimate { plans, rate: (runs.saturating_mul(1_000_000) / micros).max(1) }
}

impl Estimate {
    /// In a sentence.
    pub fn said(self, depth: usize) -> String {
        let time = units::roughly(Duration::from_secs((self.plans / self.rate).max(1)));
        format!("up to {depth} faults: about {} plans, at most about {time}", units::grouped(rounded(self.plans)))
    }
}

/// To two digits: more would look measured.
fn rounded(plans: u64) -> u64 {
    let digits = plans.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(1));
    (plans + unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_says_no_more_digits_than_it_knows() {
        assert_eq!([0, 7, 94, 123_456, 5_449_999].map(rounded), [0, 7, 94, 120_000, 5_400_000]);
        let said = Estimate { plans: 5_449_999, rate: 40_000 }.said(3);
        assert_eq!(said, "up to 3 faults: about 5,400,000 plans, at most about 2 min");
    }
}
