//! Simulated clock and log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use giftgenius::ports::Clock;
use giftgenius::step_log::{LogLine, StepLog};
use jiff::Timestamp;
use tokio::time::Instant;

use super::life::Pulse;
use crate::stopwatch::Stopwatch;
use crate::trace::{EventKind, Recorder};

/// Calendar time that follows the paused clock, from a fixed day on, and may be wrong.
#[derive(Debug)]
pub struct SimClock {
    stopwatch: Stopwatch,
    /// What it showed when the run began, in nanoseconds since the Unix epoch, and what was added to it since.
    began_ns: AtomicI64,
}

const NS_A_SECOND: i64 = 1_000_000_000;

/// 2026-01-01T00:00:00Z.
const FIRST_DAY_NS: i64 = 1_767_225_600 * NS_A_SECOND;

impl SimClock {
    /// A clock that is right.
    pub fn new(stopwatch: Stopwatch) -> Self {
        Self::off_by(stopwatch, 0)
    }

    /// A clock that is off by so many milliseconds.
    pub fn off_by(stopwatch: Stopwatch, ms: i64) -> Self {
        let began_ns = FIRST_DAY_NS.saturating_add(ms.saturating_mul(1_000_000));
        Self { stopwatch, began_ns: AtomicI64::new(began_ns) }
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

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        // Asked again and again by every step of a run: sums of integers, no calendar arithmetic.
        let ns = self.began_ns.load(Ordering::Relaxed).saturating_add(in_ns(self.stopwatch.elapsed()));
        let within_second = i32::try_from(ns.rem_euclid(NS_A_SECOND)).expect("less than a thousand million");
        Timestamp::new(ns.div_euclid(NS_A_SECOND), within_second).expect("292 years around 1970 are timestamps")
    }

    // Four atomic operations fewer than to ask tokio, twenty times a run.
    fn instant(&self) -> Instant {
        self.stopwatch.ahead(Duration::ZERO)
    }
}

/// The structured log, into the trace.
#[derive(Debug)]
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
        if !self.pulse.is_dead() {
            self.recorder.push_in(self.pulse.incarnation, EventKind::Log(Box::new(line)));
        }
    }
}
