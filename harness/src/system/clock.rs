//! The decorator around GiftGenius's calendar clock: the machine's time, and how far misrule has it be wrong. Durations run
//! on another clock, which is always right.

use std::sync::atomic::{AtomicI64, Ordering};

use giftgenius::adapters::SystemClock;
use giftgenius::ports::Clock;
use jiff::{SignedDuration, Timestamp};

/// The machine's calendar clock, off by some milliseconds.
#[derive(Debug)]
pub(crate) struct OffClock(AtomicI64);

impl OffClock {
    /// Off by so many milliseconds.
    pub(crate) fn by(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Goes forward by so many milliseconds at once.
    pub(crate) fn jump(&self, ms: u64) {
        self.0.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Clock for OffClock {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        now.saturating_add(SignedDuration::from_millis(self.0.load(Ordering::Relaxed))).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_goes_on_and_jumps() {
        let clock = OffClock::by(3_600_000);
        let ahead = |clock: &OffClock| clock.now().duration_since(SystemClock.now()).as_secs();
        assert!((3598..=3600).contains(&ahead(&clock)));
        clock.jump(7_200_000);
        assert!((10_798..=10_800).contains(&ahead(&clock)));
    }
}
