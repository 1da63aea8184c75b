//! Arithmetic between calendar time and durations, saturating instead of failing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `at` + `span`, at most the last representable instant.
pub fn add(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// How long from `from` until `to`; zero when `to` has passed.
pub fn until(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
