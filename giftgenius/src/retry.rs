//! The one retry layer (F2, F3): what a failed attempt means, how long to wait, and when to stop.
//!
//! [`classify`] says whether a request may have been applied; [`Retry`] paces the attempts of one call; [`Budgets`] ends
//! storms (I11). Nothing else in GiftGenius repeats a request, but for background rounds, which have one attempt each.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::attempts;
use crate::policy::{BudgetPolicy, RetryPolicy};
use crate::ports::{Ports, Provider, Purpose, Response, TransportError};
use crate::providers::contract::{self, Says};

mod wait;

pub use wait::told;

/// Why one attempt did not bring a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The provider refuses this very request with a code of the contract: this attempt was not applied, and asking again
    /// brings the same.
    Refused(Refusal),
    /// The provider's own reply says that this attempt was turned away: not applied, to be asked again later.
    NotNow {
        /// As the reply says.
        retry_after: Option<Duration>,
    },
    /// The provider does not accept our API key: not applied, and not to be asked again before a person has seen to it.
    Denied,
    /// No connection was made: certainly not applied.
    NotSent,
    /// It may have been applied: time-out, broken connection, server error, garbled reply, or a reply of any status that
    /// is not the contract's.
    Unclear {
        /// As the reply says, where there was one.
        retry_after: Option<Duration>,
    },
}

impl Failure {
    /// The class of the outcome, as log lines name it.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NotNow { .. } => "not_now",
            Self::Denied => "denied",
            Self::NotSent => "not_sent",
            Self::Unclear { .. } => "unclear",
        }
    }
}

/// A provider's definite no, reduced to what is safe to repeat to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The provider's error code: one that the contract lists for the operation.
    pub code: String,
    /// `decline_code` or `sku` if it looks like one: a provider's free text is never passed on.
    pub detail: Option<String>,
}

/// A call that ended without a result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallFailed {
    /// The last attempt's failure.
    pub last: Failure,
    /// Whether any attempt may have been applied.
    pub maybe_applied: bool,
}

impl CallFailed {
    /// How long the provider asked to wait, where it did.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.last {
            Failure::NotNow { retry_after } | Failure::Unclear { retry_after } => retry_after,
            Failure::Refused(_) | Failure::Denied | Failure::NotSent => None,
        }
    }
}

/// What a reply to `operation` (or its lack) means; `Ok` is a 2xx whose body is still to be read.
///
/// A reply proves something only in the provider's own words ([`contract`]): what stands in between answers any status
/// with any body, also after the provider did the work.
pub fn classify(operation: &str, reply: Result<Response, TransportError>, now: Timestamp) -> Result<Response, Failure> {
    let response = match reply {
        Ok(response) => response,
        Err(TransportError::NotSent) => return Err(Failure::NotSent),
        Err(TransportError::Broken | TransportError::Cut) => return Err(Failure::Unclear { retry_after: None }),
    };
    if (200..=299).contains(&response.status) {
        return Ok(response);
    }
    let retry_after = response.retry_after.as_deref().and_then(|text| {
        let theirs = response.date.as_deref().and_then(|date| their_time(date, now));
        wait::asked(text, theirs.unwrap_or(now))
    });
    let Some(refusal) = read_refusal(&response) else { return Err(Failure::Unclear { retry_after }) };
    Err(match contract::says(operation, refusal.status, &refusal.code) {
        Says::Refused => Failure::Refused(refusal),
        Says::Later => Failure::NotNow { retry_after },
        Says::Denied => Failure::Denied,
        // A 409 `in_flight` is among these: an earlier copy of this very request is being worked on.
        Says::Nothing => Failure::Unclear { retry_after },
    })
}

/// As long as a SKU may be in a call.
const SKU_BYTES_MAX: usize = 320;

/// An error body in the contract's shape.
fn read_refusal(response: &Response) -> Option<Refusal> {
    #[derive(serde::Deserialize)]
    struct Body {
        error: Inner,
    }
    #[derive(serde::Deserialize)]
    struct Inner {
        code: String,
        decline_code: Option<String>,
        sku: Option<String>,
    }
    let Inner { code, decline_code, sku } = serde_json::from_slice::<Body>(&response.body).ok()?.error;
    // A SKU is the caller's own text or of no use: it is passed on only where it is among the caller's.
    let sku = sku.filter(|sku| sku.len() <= SKU_BYTES_MAX);
    let detail = decline_code.filter(|code| is_word(code)).or(sku);
    Some(Refusal { status: response.status, code, detail })
}

/// Whether a provider's text looks like a code or a SKU: lower-case words and few digits, never long enough in digits for
/// a card number, nor in mixture for a token.
fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && text.bytes().filter(u8::is_ascii_digit).count() <= 6
}

/// How far apart two clocks may be before the other one counts: an HTTP date has whole seconds.
const CLOCKS_AGREE: Duration = Duration::from_secs(2);

/// The time by a provider's clock, where it is another than ours: a date that it names is meant by its own clock, and
/// ours may have jumped.
fn their_time(date: &str, now: Timestamp) -> Option<Timestamp> {
    let theirs = Timestamp::try_from(httpdate::parse_http_date(date).ok()?).ok()?;
    let apart = crate::time::until(now, theirs).max(crate::time::until(theirs, now));
    (apart >= CLOCKS_AGREE).then_some(theirs)
}

/// The delay before retry `number` (from 1), jitter apart.
pub fn backoff(base: Duration, cap: Duration, number: u32) -> Duration {
    let factor = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
    base.saturating_mul(factor).min(cap)
}

/// How urgent a call is: who waits for it and what may end it early.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// A caller waits: attempts up to the policy's number, none begun after this instant, and the budget counts.
    Caller {
        /// The tool call's deadline.
        deadline: Instant,
    },
    /// An undo with a caller perhaps still there: attempts up to the policy's number, none but the first begun after this
    /// instant (the background takes it from there, under a lease that covers its delays); the budget does not count.
    Undo {
        /// The tool call's deadline.
        until: Instant,
    },
    /// A round in the background: one attempt.
    Round,
}

/// Paces the attempts of one call.
pub struct Retry<'a> {
    ports: &'a Ports,
    policy: &'a RetryPolicy,
    budgets: &'a Budgets,
    provider: Provider,
    urgency: Urgency,
    attempts: u32,
    maybe_applied: bool,
}

impl<'a> Retry<'a> {
    /// The pace of a call to `provider`.
    pub fn new(
        ports: &'a Ports,
        policy: &'a RetryPolicy,
        budgets: &'a Budgets,
        provider: Provider,
        urgency: Urgency,
    ) -> Self {
        budgets.count_call(provider);
        attempts::urgent(urgency);
        Self { ports, policy, budgets, provider, urgency, attempts: 1, maybe_applied: false }
    }

    /// Whether any attempt so far may have been applied.
    pub const fn maybe_applied(&self) -> bool {
        self.maybe_applied
    }

    /// Takes a failure: waits and returns if another attempt may be made, ends the call otherwise.
    pub async fn again(&mut self, failure: Failure) -> Result<(), CallFailed> {
        let retry_after = match failure {
            Failure::Refused(_) | Failure::Denied => return Err(self.failed(failure)),
            Failure::NotSent => None,
            Failure::NotNow { retry_after } => retry_after,
            Failure::Unclear { retry_after } => {
                self.maybe_applied = true;
                retry_after
            }
        };
        let attempts_max = match self.urgency {
            Urgency::Caller { .. } | Urgency::Undo { .. } => self.policy.attempts_max,
            Urgency::Round => 1,
        };
        if self.attempts >= attempts_max {
            return Err(self.failed(failure));
        }
        // A `Retry-After` never makes the own delay shorter. Jitter keeps clients with the same one from coming back all
        // at once.
        let asked = retry_after.map_or(Duration::ZERO, |asked| asked.min(self.policy.retry_after_cap));
        let delay = backoff(self.policy.delay_base, self.policy.delay_cap, self.attempts).max(asked) + self.jitter();
        let may_go_on = match self.urgency {
            Urgency::Caller { deadline } => Instant::now() + delay < deadline && self.budgets.take(self.provider),
            Urgency::Undo { until } => Instant::now() + delay < until,
            Urgency::Round => true,
        };
        if !may_go_on {
            return Err(self.failed(failure));
        }
        attempts::waits(delay);
        tokio::time::sleep(delay).await;
        self.attempts += 1;
        Ok(())
    }

    fn failed(&self, last: Failure) -> CallFailed {
        CallFailed { last, maybe_applied: self.maybe_applied }
    }

    fn jitter(&self) -> Duration {
        let max = u64::try_from(self.policy.jitter_max.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.ports.entropy.next(Purpose::Jitter) % (max + 1))
    }
}

/// The retry budgets of all providers: a retry costs one token; calls earn a fraction; time restores the minimum.
pub struct Budgets {
    policy: BudgetPolicy,
    providers: Mutex<[Budget; 3]>,
}

#[derive(Clone, Copy)]
struct Budget {
    /// In hundredths of a retry.
    balance: u32,
    /// When time last restored something.
    restored_at: Instant,
    /// How many attempts failed in a row; `None` before the first.
    failures: Option<u32>,
}

/// The most a busy provider can save up, in hundredths of a retry.
const BALANCE_MAX: u32 = 100 * 100;

impl Budgets {
    /// Full budgets.
    pub fn new(policy: BudgetPolicy) -> Self {
        let full = Budget { balance: policy.retries_min * 100, restored_at: Instant::now(), failures: None };
        Self { policy, providers: Mutex::new([full; 3]) }
    }

    fn with<T>(&self, provider: Provider, act: impl FnOnce(&mut Budget, &BudgetPolicy) -> T) -> T {
        let index = match provider {
            Provider::Payment => 0,
            Provider::Catalog => 1,
            Provider::Inventory => 2,
        };
        let mut providers = self.providers.lock().expect("no holder of the budgets panics");
        act(&mut providers[index], &self.policy)
    }

    fn count_call(&self, provider: Provider) {
        self.with(provider, |budget, policy| {
            budget.balance = (budget.balance + policy.retries_percent).min(BALANCE_MAX);
        });
    }

    /// Pays for one retry; false if the budget is spent.
    fn take(&self, provider: Provider) -> bool {
        self.with(provider, |budget, policy| {
            let minimum = policy.retries_min * 100;
            if budget.restored_at.elapsed() >= policy.window {
                budget.restored_at = Instant::now();
                budget.balance = budget.balance.max(minimum);
            }
            let paid = budget.balance >= 100;
            if paid {
                budget.balance -= 100;
            }
            paid
        })
    }

    /// Notes how an attempt went; answers how many have failed in a row by now.
    pub fn note(&self, provider: Provider, reachable: bool) -> u32 {
        self.with(provider, |budget, _| {
            let failures = if reachable { 0 } else { budget.failures.unwrap_or(0).saturating_add(1) };
            budget.failures = Some(failures);
            failures
        })
    }

    /// How many attempts at a provider failed in a row; `None` before the first attempt.
    pub fn failures_in_a_row(&self, provider: Provider) -> Option<u32> {
        self.with(provider, |budget, _| budget.failures)
    }
}

#[cfg(test)]
mod tests;
