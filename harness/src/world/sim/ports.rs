//! Simulated clock, chance and log. Each use of them takes fuel.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use giftgenius::ports::{Clock, Entropy, Purpose};
use giftgenius::step_log::{LogLine, StepLog};
use jiff::Timestamp;
use tokio::time::Instant;

use super::fuel::{Fuel, Use};
use super::life::Pulse;
use crate::stopwatch::Stopwatch;
use crate::system::entropy::SeededEntropy;
use crate::trace::{EventKind, Recorder};

/// Calendar time that follows the paused clock, from a fixed day on, and may be wrong.
pub struct SimClock {
    stopwatch: Stopwatch,
    /// What it showed when the run began, in nanoseconds since the Unix epoch, and what was added to it since.
    began_ns: AtomicI64,
    /// What a look at it takes from, where it is the system's.
    fuel: Option<Arc<Fuel>>,
}

const NS_A_SECOND: i64 = 1_000_000_000;

/// 2026-01-01T00:00:00Z.
const FIRST_DAY_NS: i64 = 1_767_225_600 * NS_A_SECOND;

impl SimClock {
    /// A clock that is right, for the world itself.
    pub fn new(stopwatch: Stopwatch) -> Self {
        Self { stopwatch, began_ns: AtomicI64::new(FIRST_DAY_NS), fuel: None }
    }

    /// A clock of the system's that is off by so many milliseconds.
    pub fn off_by(stopwatch: Stopwatch, ms: i64, fuel: Arc<Fuel>) -> Self {
        let began_ns = FIRST_DAY_NS.saturating_add(ms.saturating_mul(1_000_000));
        Self { stopwatch, began_ns: AtomicI64::new(began_ns), fuel: Some(fuel) }
    }

    /// Goes forward by this much at once.
    pub fn jump(&self, span: Duration) {
        let jumped = self.began_ns.load(Ordering::Relaxed).saturating_add(in_ns(span));
        self.began_ns.store(jumped, Ordering::Relaxed);
    }
}

/// 292 years at most.
fn in_ns(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

impl SimClock {
    /// What it shows, to the world.
    pub fn shows(&self) -> Timestamp {
        // Asked again and again by every step of a run: sums of integers, no calendar arithmetic.
        let ns = self.began_ns.load(Ordering::Relaxed).saturating_add(in_ns(self.stopwatch.elapsed()));
        let within_second = i32::try_from(ns.rem_euclid(NS_A_SECOND)).expect("less than a thousand million");
        Timestamp::new(ns.div_euclid(NS_A_SECOND), within_second).expect("292 years around 1970 are timestamps")
    }

    /// The system looks at it.
    fn is_looked_at(&self) {
        if let Some(fuel) = &self.fuel {
            fuel.spend(Use::Clock);
        }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.is_looked_at();
        self.shows()
    }

    // Four atomic operations fewer than to ask tokio, twenty times a run.
    fn instant(&self) -> Instant {
        self.is_looked_at();
        self.stopwatch.ahead(Duration::ZERO)
    }
}

/// The structured log, into the trace.
pub struct SimLog {
    recorder: Recorder,
    pulse: Arc<Pulse>,
}

impl SimLog {
    /// A log that writes to this record as long as its incarnation lives.
    pub fn new(recorder: Recorder, pulse: Arc<Pulse>) -> Self {
        Self { recorder, pulse }
    }
}

impl StepLog for SimLog {
    fn record(&self, line: LogLine) {
        if !self.pulse.is_dead() && self.pulse.fuel.spend(Use::Log) {
            self.recorder.push_in(self.pulse.incarnation, EventKind::Log(Box::new(line)));
        }
    }
}

/// Seeded chance.
pub struct SimEntropy {
    seeded: SeededEntropy,
    fuel: Arc<Fuel>,
}

impl SimEntropy {
    /// Chance for one life of the system, counted from 1.
    pub fn new(seed: u64, incarnation: u32, fuel: Arc<Fuel>) -> Self {
        Self { seeded: SeededEntropy::new(seed, incarnation), fuel }
    }
}

impl Entropy for SimEntropy {
    fn next(&self, purpose: Purpose) -> u64 {
        self.fuel.spend(Use::Draw);
        self.seeded.next(purpose)
    }
}
