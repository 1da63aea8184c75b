//! Background work on tokio, counted, so that a shutdown can wait for what is about to end.
//!
//! Nothing is lost by not waiting: whatever is still open is in the journal and is taken up at the next start. Waiting
//! spares the person a `pending` that would have been a `success` a second later. Work that only waits to look at something
//! again is not waited for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::task::TaskTracker;

use crate::ports::{BoxFuture, Tasks};
use crate::resting::Busy;

/// Background work on the running tokio runtime.
#[derive(Clone, Debug, Default)]
pub struct TokioTasks {
    tracker: TaskTracker,
    busy: Busy,
}

impl TokioTasks {
    /// Waits up to `grace` until all work has ended or rests; answers how many pieces have not ended. Work may still be
    /// begun meanwhile, by work that is running.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.tracker.close();
        // Whether the time ran out shows in the count.
        let _ = tokio::time::timeout(grace, self.busy.none()).await;
        self.left()
    }

    /// How many pieces of work have not ended.
    pub fn left(&self) -> usize {
        self.tracker.len()
    }
}

impl Tasks for TokioTasks {
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        let work = self.busy.during(work);
        self.tracker.spawn(async move {
            // The panic hook has logged what and where; this says which work it took down.
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(task = name, "background work panicked; recovery takes it up at the next start");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_work_that_ends_in_time() {
        let tasks = TokioTasks::default();
        tasks.spawn("short", Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_counts_the_work_it_leaves() {
        let tasks = TokioTasks::default();
        tasks.spawn("long", Box::pin(tokio::time::sleep(Duration::from_secs(60))));
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_does_not_wait_for_work_that_waits_to_look_again() {
        let tasks = TokioTasks::default();
        let begun = tokio::time::Instant::now();
        tasks.spawn("resting", Box::pin(crate::resting::rest_for(Duration::from_secs(60))));
        tasks.spawn("short", Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 1);
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        tasks.spawn(
            "rested",
            Box::pin(async {
                crate::resting::rest_for(Duration::from_millis(100)).await;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }),
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 2);
        assert_eq!(begun.elapsed(), Duration::from_secs(7), "what has rested works again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_takes_down_its_own_work_only() {
        let tasks = TokioTasks::default();
        tasks.spawn("bad", Box::pin(async { panic!("on purpose") }));
        tasks.spawn("good", Box::pin(async {}));
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 0);
    }
}
