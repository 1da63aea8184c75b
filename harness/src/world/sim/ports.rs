//! Simulated clock and log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use giftgenius::ports::Clock;
use giftgenius::step_log::{LogLine, StepLog};
use jiff::{SignedDuration, Timestamp};

use super::life::Pulse;
use crate::trace::{EventKind, Recorder};

/// Calendar time that follows the paused clock, from a fixed day on, and may be wrong.
#[derive(Debug)]
pub struct SimClock {
    began: tokio::time::Instant,
    /// How far it is off, in milliseconds.
    off_ms: AtomicI64,
}

/// 2026-01-01T00:00:00Z, in seconds since the Unix epoch.
const FIRST_DAY: i64 = 1_767_225_600;

impl SimClock {
    /// A clock that starts now, and is right.
    pub fn start() -> Self {
        Self::off_by(0)
    }

    /// A clock that starts now, off by so many milliseconds.
    pub fn off_by(ms: i64) -> Self {
        Self { began: tokio::time::Instant::now(), off_ms: AtomicI64::new(ms) }
    }

    /// Goes forward by this much at once.
    pub fn jump(&self, span: Duration) {
        self.off_ms.fetch_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let first = Timestamp::from_second(FIRST_DAY).expect("a day in 2026 is a timestamp");
        let now = giftgenius::time::add(first, self.began.elapsed());
        let off = SignedDuration::from_millis(self.off_ms.load(Ordering::Relaxed));
        now.saturating_add(off).unwrap_or(now)
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
            self.recorder.push(EventKind::Log(Box::new(line)));
        }
    }
}
