//! How much a process of the system says: on its log and on the control channel, together. A process that floods is ended
//! long before its lines fill misrule's memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Flood;

/// So many lines may come within a second. A busy run comes to some hundred.
const LINES_A_SECOND_MAX: u32 = 5_000;

/// So much may come in the life of a process.
const BYTES_MAX: usize = 256 << 20;

const A_SECOND: Duration = Duration::from_secs(1);

/// What has come of one process.
#[derive(Debug)]
pub(super) struct Flow(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    bytes: usize,
    /// When the second began that is counted, and what came in it.
    since: Instant,
    lines: u32,
    flood: Option<Flood>,
}

impl Flow {
    /// Nothing yet.
    pub(super) fn begin() -> Self {
        Self(Mutex::new(Counts { bytes: 0, since: Instant::now(), lines: 0, flood: None }))
    }

    /// A line of so many bytes came. True: it is to be dropped, because too much did.
    pub(super) fn comes(&self, bytes: usize) -> bool {
        let (now, mut counts) = (Instant::now(), self.counts());
        if now.duration_since(counts.since) >= A_SECOND {
            (counts.since, counts.lines) = (now, 0);
        }
        counts.lines += 1;
        counts.bytes = counts.bytes.saturating_add(bytes);
        if counts.lines > LINES_A_SECOND_MAX {
            counts.flood.get_or_insert(Flood::Lines { a_second_max: LINES_A_SECOND_MAX });
        }
        if counts.bytes > BYTES_MAX {
            counts.flood.get_or_insert(Flood::Bytes { mib_max: BYTES_MAX >> 20 });
        }
        counts.flood.is_some()
    }

    /// Whether too much has come.
    pub(super) fn flood(&self) -> Option<Flood> {
        self.counts().flood
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_lines_are_a_flood_within_a_second_and_none_over_a_minute() {
        let flow = Flow::begin();
        for _second in 0..60 {
            assert!((0..LINES_A_SECOND_MAX).all(|_line| !flow.comes(10)));
            tokio::time::advance(A_SECOND).await;
        }
        assert_eq!(flow.flood(), None);
        assert!((0..=LINES_A_SECOND_MAX).any(|_line| flow.comes(10)));
        assert!(matches!(flow.flood(), Some(Flood::Lines { .. })));
        tokio::time::advance(A_SECOND).await;
        assert!(flow.comes(10), "it stays one");
    }

    #[tokio::test(start_paused = true)]
    async fn few_long_lines_are_one_too() {
        let flow = Flow::begin();
        let lines = (0..10_000).take_while(|_line| !flow.comes(1 << 20)).count();
        assert_eq!((lines, flow.flood()), (256, Some(Flood::Bytes { mib_max: 256 })));
    }
}
