//! The bound on a run in real time. A system can tell its caller to come back in a hundred years; a run does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::RunError;

/// How long a run may take, and what it waits for.
pub(super) struct Limit {
    bound: Duration,
    ends: Instant,
    /// The wait of the host that is under way, or that would be too long.
    wait: Mutex<Option<Duration>>,
    refused: Notify,
}

impl Limit {
    /// A run that begins now.
    pub(super) fn begin(bound: Duration) -> Self {
        Self { bound, ends: Instant::now() + bound, wait: Mutex::new(None), refused: Notify::new() }
    }

    /// Waits as long as the host wants to; one that would last longer than the run is refused at once, and never ends.
    pub(super) async fn wait(&self, span: Duration) {
        self.note(Some(span));
        if Instant::now().checked_add(span).is_none_or(|until| until > self.ends) {
            self.refused.notify_one();
            std::future::pending::<()>().await;
        }
        sleep(span).await;
        self.note(None);
    }

    /// Waits until the run has taken too long, or would. `otherwise` says what it waits for where no pause is under way.
    pub(super) async fn exceeded(&self, otherwise: impl FnOnce() -> String) -> RunError {
        let waited_for = tokio::select! {
            biased;
            () = self.refused.notified() => "the host was to wait for {} before its next call, as the script or the \
                 last answer's retry_after_ms asks",
            () = sleep_until(self.ends) => "",
        };
        let wait = *self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        let waited_for = match wait {
            Some(span) if !waited_for.is_empty() => waited_for.replace("{}", &format!("{span:?}")),
            Some(span) => format!("it waited in a pause of {span:?} between two calls"),
            None => otherwise(),
        };
        RunError::TooLong { bound: self.bound, waited_for }
    }

    fn note(&self, wait: Option<Duration>) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_of_a_hundred_years_is_refused_at_once_and_named() {
        let limit = Limit::begin(Duration::from_secs(120));
        let began = Instant::now();
        let error = tokio::select! {
            () = limit.wait(Duration::from_secs(4_294_967_295)) => panic!("it was waited"),
            error = limit.exceeded(String::new) => error.to_string(),
        };
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(error.contains("4294967295s") && error.contains("120s"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_only_takes_long_ends_at_its_bound() {
        let limit = Limit::begin(Duration::from_secs(120));
        let began = Instant::now();
        limit.wait(Duration::from_secs(100)).await;
        let error = limit.exceeded(|| "it waited for rest".to_owned()).await.to_string();
        assert_eq!(began.elapsed(), Duration::from_secs(120));
        assert!(error.contains("waited for rest"), "{error}");
    }
}
