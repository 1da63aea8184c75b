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
    /// How long an event's id is remembered: longer than the provider redelivers.
    pub event_retention: Duration,
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
    /// The payment provider's declared bound on how late a request can still take effect.
    pub late_max: Duration,
    /// What the payment provider promises.
    pub payment_profile: PaymentProfile,
    /// What is accepted from its webhooks.
    pub webhooks: WebhookPolicy,
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
            late_max: Duration::from_secs(120),
            payment_profile: PaymentProfile::Stripe,
            webhooks: WebhookPolicy {
                tolerance: Duration::from_secs(5 * 60),
                event_retention: Duration::from_secs(7 * 24 * 60 * 60),
            },
        }
    }
}
