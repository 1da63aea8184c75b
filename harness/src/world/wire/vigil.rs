//! Watches over the open orders: one that is not touched for longer than its owner may be silent has lost its owner.
//!
//! In production housekeeping looks once a minute. A run waits for rest, so it looks as soon as there is reason to, and
//! not before: each look is a use of the system's store.

use std::time::Duration;

use giftgenius::journal::Version;
use tokio::time::Instant;

/// An open order and how often it was written.
pub(super) type Open = (String, Version);

/// What was open when something last happened.
pub(super) struct Vigil {
    patience: Duration,
    open: Vec<Open>,
    since: Instant,
}

impl Vigil {
    /// An owner that is silent for `patience` is gone.
    pub(super) fn begin(patience: Duration) -> Self {
        Self { patience, open: Vec::new(), since: Instant::now() }
    }

    /// Whether nothing has happened to the open orders for too long. Says so once, and then waits again.
    pub(super) fn is_abandoned(&mut self, open: Vec<Open>) -> bool {
        let silent = self.open == open;
        let abandoned = silent && !open.is_empty() && self.since.elapsed() >= self.patience;
        if !silent || abandoned {
            self.open = open;
            self.since = Instant::now();
        }
        abandoned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    async fn after(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn order(version: Version) -> Vec<Open> {
        vec![(String::from("order ord_1"), version)]
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_nobody_touches_is_abandoned_once_a_while() {
        let mut vigil = Vigil::begin(PATIENCE);
        assert!(!vigil.is_abandoned(order(4)));
        after(2999).await;
        assert!(!vigil.is_abandoned(order(4)));
        after(1).await;
        assert!(vigil.is_abandoned(order(4)));
        assert!(!vigil.is_abandoned(order(4)), "whoever takes it up has time to");
        after(3000).await;
        assert!(vigil.is_abandoned(order(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_somebody_writes_is_not() {
        let mut vigil = Vigil::begin(PATIENCE);
        for version in 1..9 {
            assert!(!vigil.is_abandoned(order(version)));
            after(2000).await;
        }
        assert!(!vigil.is_abandoned(Vec::new()));
        after(9000).await;
        assert!(!vigil.is_abandoned(Vec::new()), "nothing is open");
    }
}
