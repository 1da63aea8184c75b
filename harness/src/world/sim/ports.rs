//! Simulated clock, chance and log.

use std::sync::Mutex;

use giftgenius::ports::{Clock, Entropy, Purpose};
use giftgenius::step_log::{LogLine, StepLog};
use jiff::Timestamp;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

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

/// Chance from a seed, one stream a purpose.
#[derive(Debug)]
pub struct SimEntropy {
    seed: u64,
    /// Made at first use: most runs draw from one stream only.
    streams: Mutex<[Option<ChaCha8Rng>; 2]>,
}

impl SimEntropy {
    /// Chance from this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, streams: Mutex::new([None, None]) }
    }
}

impl Entropy for SimEntropy {
    fn next(&self, purpose: Purpose) -> u64 {
        let stream = match purpose {
            Purpose::Id => 0,
            Purpose::Jitter => 1,
        };
        let mut streams = self.streams.lock().expect("no holder of the streams panics");
        let rng = streams[stream].get_or_insert_with(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(u64::try_from(stream).expect("a small number"));
            rng
        });
        rng.next_u64()
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
