//! Simulated clock and log.

use giftgenius::ports::Clock;
use giftgenius::step_log::{LogLine, StepLog};
use jiff::Timestamp;

use crate::trace::{EventKind, Recorder};

/// Calendar time that follows the paused clock, from a fixed day on.
#[derive(Debug)]
pub struct SimClock {
    began: tokio::time::Instant,
}

/// 2026-01-01T00:00:00Z, in seconds since the Unix epoch.
const FIRST_DAY: i64 = 1_767_225_600;

impl SimClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { began: tokio::time::Instant::now() }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let first = Timestamp::from_second(FIRST_DAY).expect("a day in 2026 is a timestamp");
        giftgenius::time::add(first, self.began.elapsed())
    }
}

/// The structured log, into the trace.
#[derive(Debug)]
pub struct SimLog {
    recorder: Recorder,
}

impl SimLog {
    /// A log that writes to this record.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder }
    }
}

impl StepLog for SimLog {
    fn record(&self, line: LogLine) {
        self.recorder.push(EventKind::Log(Box::new(line)));
    }
}
