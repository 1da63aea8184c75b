//! Every number that decides how long, how often and how much, in one place, with the defaults of the domain.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the payment provider promises about repeated requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentProfile {
    /// Replays the stored result of a key, stored server errors included.
    Stripe,
    /// Replays stored results but not server errors: the same key then runs afresh. 409 while in flight, 422 on mismatch.
    Acp,
    /// Ignores keys; a merchant reference can be closed.
    Keyless,
    /// Ignores keys and cannot close a merchant reference.
    KeylessNoCancel,
}

impl PaymentProfile {
    /// Whether repeating a charge with the same key cannot charge twice.
    pub const fn deduplicates(self) -> bool {
        matches!(self, Self::Stripe | Self::Acp)
    }

    /// Whether a merchant reference can be closed against later charges.
    pub const fn can_close_reference(self) -> bool {
        !matches!(self, Self::KeylessNoCancel)
    }
}

/// How calls to a provider are repeated (F2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// Attempts in all, the first included.
    pub attempts_max: u32,
    /// Delay before the first retry; doubles with each further one.
    pub delay_base: Duration,
    /// The delay's cap, jitter apart.
    pub delay_cap: Duration,
    /// Jitter: a uniform draw from nothing to this is added.
    pub jitter_max: Duration,
    /// A longer Retry-After is cut to this.
    pub retry_after_cap: Duration,
}

/// How work in the background is repeated before it is parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BackgroundPolicy {
    /// Rounds before the order is parked.
    pub attempts_max: u32,
    /// Delay before the second round; doubles with each further one.
    pub delay_base: Duration,
    /// The delay's cap.
    pub delay_cap: Duration,
}

/// Retries a provider may cost beyond its ordinary calls (I11).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BudgetPolicy {
    /// Retries that are always there at first, and the balance's lower refill limit.
    pub retries_min: u32,
    /// Retries earned a hundred calls.
    pub retries_percent: u32,
    /// How long it takes until the minimum is there again.
    pub window: Duration,
}

/// What is accepted from the payment provider's webhooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookPolicy {
    /// How far the time in a signature may be from now, either way.
    pub tolerance: Duration,
    /// How long a delivery may take until it is answered: less than the provider waits.
    pub answer_within: Duration,
    /// How long an event's id is remembered: longer than the provider redelivers.
    pub event_retention: Duration,
}

/// What clients over HTTP may hold of this server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HttpPolicy {
    /// How long a client may take over the headers of a request, and be silent between two: then it is hung up on.
    pub headers_timeout: Duration,
    /// How long a client may take nothing of what is written to it: then it is hung up on.
    pub write_timeout: Duration,
    /// Connections of known clients (those that have carried an authorised request) that are served at once.
    pub connections_max: u32,
    /// Connections of others that are served at once: a further one takes the place of the oldest.
    pub strangers_max: u32,
    /// Requests a minute without a known token that are refused at once, and deliveries to the webhook that are not the
    /// provider's; the answers to further ones are held back, and their lines summed up.
    pub refusals_at_once: u32,
    /// For so long.
    pub refusal_delay: Duration,
}

/// What one user may have of this server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserPolicy {
    /// Calls within the window.
    pub calls_max: u32,
    /// The window.
    pub calls_window: Duration,
    /// Checkout sessions that are open at the same time.
    pub sessions_max: u32,
}

/// The whole policy; the defaults are production's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// Repeats of provider calls.
    pub retry: RetryPolicy,
    /// Repeats of background work.
    pub background: BackgroundPolicy,
    /// The retry budget of each provider.
    pub budget: BudgetPolicy,
    /// Each tool call answers within this.
    pub tool_deadline: Duration,
    /// How long an owner of an order may be silent before another takes over.
    pub lease: Duration,
    /// How long a quote can be paid.
    pub quote_ttl: Duration,
    /// How long a reservation of stock is asked for.
    pub reservation_ttl: Duration,
    /// How long an idempotency entry is kept after its terminal state.
    pub entry_retention: Duration,
    /// How long a session is kept after its quote expired, and a workflow after it was last moved, where no order that
    /// hangs on them is open or parked. Orders are kept.
    pub retention: Duration,
    /// The payment provider's declared bound on how late a request can still take effect.
    pub late_max: Duration,
    /// What the payment provider promises.
    pub payment_profile: PaymentProfile,
    /// What is accepted from its webhooks.
    pub webhooks: WebhookPolicy,
    /// What clients over HTTP may hold.
    pub http: HttpPolicy,
    /// What one user may have.
    pub users: UserPolicy,
}

/// Two numbers of a policy that do not go together; each message is a whole sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Disagreement {
    /// Another owner could take an order up in the middle of a round.
    #[error(
        "a lease of {lease:?} is too short for calls of up to {tool_deadline:?}: a round can go on for two attempts of \
         {attempt_timeout:?} after the deadline, and nobody else may take its order up until then"
    )]
    Lease {
        /// How long an owner may be silent.
        lease: Duration,
        /// How long a call may take.
        tool_deadline: Duration,
        /// How long an attempt may take.
        attempt_timeout: Duration,
    },
    /// Stock could be gone before the money is known to stand.
    #[error(
        "a reservation of {reservation_ttl:?} is too short: it has to outlast a call of {tool_deadline:?} and the \
         {late_max:?} within which its charge can still take effect"
    )]
    Reservation {
        /// How long stock is reserved.
        reservation_ttl: Duration,
        /// How long a call may take.
        tool_deadline: Duration,
        /// How late a charge can take effect.
        late_max: Duration,
    },
    /// A quote could not be paid in one call.
    #[error("a quote that holds for {quote_ttl:?} expires within one call of {tool_deadline:?}")]
    Quote {
        /// How long a quote holds.
        quote_ttl: Duration,
        /// How long a call may take.
        tool_deadline: Duration,
    },
    /// A session could be gone while a saved answer still names it.
    #[error(
        "sessions and workflows that are kept for {retention:?} can be gone before the keys that lead to them, which are \
         kept for {entry_retention:?}"
    )]
    Retention {
        /// How long sessions and workflows are kept.
        retention: Duration,
        /// How long keys are kept.
        entry_retention: Duration,
    },
    /// Nothing would ever be asked.
    #[error("without a single attempt, in the foreground and in the background, nothing is ever asked")]
    NoAttempts,
    /// Nobody could buy anything.
    #[error("without a single call and a single open checkout session a user can buy nothing")]
    NoUse,
    /// Nobody would ever be served.
    #[error(
        "without a connection, and without time to send headers and to take an answer, nobody is ever served over HTTP"
    )]
    NoConnections,
}

impl Policy {
    /// The defaults for calls with this deadline: the lease outlasts a round of such a call.
    pub fn for_calls_of(tool_deadline: Duration) -> Self {
        let defaults = Self::default();
        let round = tool_deadline + 2 * defaults.retry.attempt_timeout;
        Self { tool_deadline, lease: defaults.lease.max(round + Duration::from_secs(1)), ..defaults }
    }

    /// Whether the numbers go together; the first pair that does not.
    pub fn check(&self) -> Result<(), Disagreement> {
        let Self { lease, tool_deadline, reservation_ttl, late_max, quote_ttl, .. } = *self;
        let attempt_timeout = self.retry.attempt_timeout;
        if lease <= tool_deadline + 2 * attempt_timeout {
            return Err(Disagreement::Lease { lease, tool_deadline, attempt_timeout });
        }
        if reservation_ttl <= tool_deadline + late_max {
            return Err(Disagreement::Reservation { reservation_ttl, tool_deadline, late_max });
        }
        if quote_ttl <= tool_deadline {
            return Err(Disagreement::Quote { quote_ttl, tool_deadline });
        }
        let Self { retention, entry_retention, .. } = *self;
        if retention < entry_retention {
            return Err(Disagreement::Retention { retention, entry_retention });
        }
        if self.retry.attempts_max == 0 || self.background.attempts_max == 0 {
            return Err(Disagreement::NoAttempts);
        }
        if self.users.calls_max == 0 || self.users.sessions_max == 0 {
            return Err(Disagreement::NoUse);
        }
        let HttpPolicy { headers_timeout, write_timeout, connections_max, strangers_max, .. } = self.http;
        if connections_max == 0 || strangers_max == 0 || headers_timeout.is_zero() || write_timeout.is_zero() {
            return Err(Disagreement::NoConnections);
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: RetryPolicy {
                attempt_timeout: Duration::from_secs(2),
                attempts_max: 4,
                delay_base: Duration::from_millis(200),
                delay_cap: Duration::from_secs(10),
                jitter_max: Duration::from_millis(200),
                retry_after_cap: Duration::from_secs(30),
            },
            background: BackgroundPolicy {
                attempts_max: 8,
                delay_base: Duration::from_secs(5),
                delay_cap: Duration::from_secs(600),
            },
            budget: BudgetPolicy { retries_min: 3, retries_percent: 10, window: Duration::from_secs(10) },
            tool_deadline: Duration::from_secs(25),
            lease: Duration::from_secs(30),
            quote_ttl: Duration::from_secs(30 * 60),
            reservation_ttl: Duration::from_secs(60 * 60),
            entry_retention: Duration::from_secs(24 * 60 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            late_max: Duration::from_secs(120),
            payment_profile: PaymentProfile::Stripe,
            webhooks: WebhookPolicy {
                tolerance: Duration::from_secs(5 * 60),
                answer_within: Duration::from_secs(4),
                event_retention: Duration::from_secs(7 * 24 * 60 * 60),
            },
            http: HttpPolicy {
                headers_timeout: Duration::from_secs(30),
                write_timeout: Duration::from_secs(30),
                // A body of a megabyte each at most is half a gigabyte.
                connections_max: 512,
                // Bodies of strangers are not read, but for those of events.
                strangers_max: 128,
                refusals_at_once: 20,
                refusal_delay: Duration::from_secs(1),
            },
            users: UserPolicy { calls_max: 60, calls_window: Duration::from_secs(60), sessions_max: 20 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_go_together() {
        assert_eq!(Policy::default().check(), Ok(()));
    }

    #[test]
    fn numbers_that_do_not_go_together_are_told_apart() {
        type Change = fn(&mut Policy, Duration);
        let second = Duration::from_secs(1);
        let cases: [(Change, &str); 10] = [
            (|policy, second| policy.tool_deadline = 26 * second, "a lease of 30s is too short"),
            (|policy, second| policy.lease = policy.tool_deadline + 4 * second, "for calls of up to 25s"),
            (|policy, second| policy.reservation_ttl = 145 * second, "a reservation of 145s is too short"),
            (|policy, second| policy.late_max = 3600 * second, "can still take effect"),
            (|policy, second| policy.quote_ttl = 25 * second, "expires within one call of 25s"),
            (|policy, _| policy.background.attempts_max = 0, "nothing is ever asked"),
            (|policy, second| policy.retention = 3600 * second, "can be gone before the keys"),
            (|policy, _| policy.users.sessions_max = 0, "can buy nothing"),
            (|policy, _| policy.http.strangers_max = 0, "nobody is ever served over HTTP"),
            (|policy, _| policy.http.write_timeout = Duration::ZERO, "nobody is ever served over HTTP"),
        ];
        for (change, expected) in cases {
            let mut policy = Policy::default();
            change(&mut policy, second);
            let told = policy.check().expect_err(expected).to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn the_lease_outlasts_calls_of_any_length_that_can_be_set() {
        for millis in [100, 25_000, 26_000, 300_000] {
            assert_eq!(Policy::for_calls_of(Duration::from_millis(millis)).check(), Ok(()), "{millis} ms");
        }
        assert_eq!(Policy::for_calls_of(Duration::from_secs(25)), Policy::default());
    }
}
