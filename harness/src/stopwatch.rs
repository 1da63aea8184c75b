//! Time since a run began. A run asks for it several times an event, and tokio's paused clock, made for tests, takes its
//! time to answer; so in virtual time it is asked once for all that happens at an instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What virtual time was found to be, for as long as it stands still.
///
/// A paused clock moves in one place: where its runtime has nothing to do, and parks. Whoever builds the runtime says
/// so there, by [`Self::moved`] in `on_thread_unpark`.
#[derive(Clone, Debug)]
pub struct StandingTime(Arc<AtomicU64>);

/// Nanoseconds that no run lasts: time has to be asked for.
const UNKNOWN: u64 = u64::MAX;

impl Default for StandingTime {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(UNKNOWN)))
    }
}

impl StandingTime {
    /// Time may have moved.
    pub fn moved(&self) {
        self.0.store(UNKNOWN, Ordering::Relaxed);
    }
}

/// Measures from the beginning of a run.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    began: Instant,
    standing: Option<StandingTime>,
}

impl Stopwatch {
    /// Begins now; the clock is asked each time.
    pub fn start() -> Self {
        Self { began: Instant::now(), standing: None }
    }

    /// Begins now, on a paused runtime that tells `standing` when time has moved.
    pub fn start_paused(standing: StandingTime) -> Self {
        Self { standing: Some(standing), ..Self::start() }
    }

    /// The instant that is so far ahead.
    pub fn ahead(&self, span: Duration) -> Instant {
        self.began + self.elapsed() + span
    }

    /// Time since it began.
    pub fn elapsed(&self) -> Duration {
        let Some(StandingTime(known)) = &self.standing else { return self.began.elapsed() };
        let ns = known.load(Ordering::Relaxed);
        if ns != UNKNOWN {
            let elapsed = Duration::from_nanos(ns);
            debug_assert_eq!(elapsed, self.began.elapsed(), "time moves only where the runtime parks");
            return elapsed;
        }
        let elapsed = self.began.elapsed();
        known.store(u64::try_from(elapsed.as_nanos()).unwrap_or(UNKNOWN), Ordering::Relaxed);
        elapsed
    }
}
