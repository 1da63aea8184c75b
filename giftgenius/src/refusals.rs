//! Requests over HTTP without a known token, and deliveries to the webhook that are not the provider's: each is logged, and
//! where there are many, answered late. Neither token nor signature can be guessed in any time; this keeps who tries from
//! making the server busy with it, and shows that it happens.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::HttpPolicy;
use crate::throttle::Summary;

/// What has been refused of late.
#[derive(Debug)]
pub(crate) struct Refusals {
    at_once: u32,
    delay: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    refused: u32,
    lines: Summary,
}

/// For so long a refusal counts.
const WINDOW: Duration = Duration::from_secs(60);

impl Refusals {
    pub(crate) fn new(policy: &HttpPolicy) -> Self {
        let lines = Summary::after(policy.refusals_at_once.into());
        let state = State { begun: Instant::now(), refused: 0, lines };
        Self { at_once: policy.refusals_at_once, delay: policy.refusal_delay, state: Mutex::new(state) }
    }

    /// Takes note of a refusal.
    pub(crate) fn note(&self) -> Noted {
        let mut state = self.state.lock().expect("nothing panics while it holds the refusals");
        let now = Instant::now();
        if now >= state.begun + WINDOW {
            state.begun = now;
            state.refused = 0;
        }
        state.refused = state.refused.saturating_add(1);
        Noted { untold: state.lines.count(), delay: (state.refused > self.at_once).then_some(self.delay) }
    }
}

/// What becomes of a refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Noted {
    /// How many there were since the last line, where another is due.
    pub(crate) untold: Option<u64>,
    /// How long the answer is to be held back, if at all.
    pub(crate) delay: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[tokio::test(start_paused = true)]
    async fn the_first_are_answered_at_once_and_the_others_late_until_a_minute_is_over() {
        let delay = Duration::from_secs(1);
        let refusals =
            Refusals::new(&HttpPolicy { refusals_at_once: 2, refusal_delay: delay, ..Policy::default().http });
        for _ in 0..2 {
            let noted = [(); 4].map(|()| refusals.note());
            assert_eq!(noted.map(|noted| noted.delay), [None, None, Some(delay), Some(delay)]);
            tokio::time::advance(WINDOW).await;
        }
    }
}
