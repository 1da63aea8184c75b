//! All that touches the world, as traits: the network, the store, time, chance, background work and the log.
//!
//! `App` is wired from these and reaches the world in no other way. The production adapters stand beside their
//! subject (`providers::http`, `journal::sqlite`, `adapters`). Durations and delays run on tokio's clock; only points
//! in calendar time (expiries that outlive the process, Retry-After dates) come from [`Clock`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use tokio::time::Instant;

use crate::ids::CorrelationId;
pub use crate::journal::Journal;
pub use crate::step_log::StepLog;

/// A future behind a port; ports are object-safe so that they can be wired from outside.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An external service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Charges, refunds, payment methods.
    Payment,
    /// Products, prices, promo codes.
    Catalog,
    /// Reservations of stock.
    Inventory,
}

impl Provider {
    /// Every provider, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Payment, Self::Catalog, Self::Inventory];

    /// The provider's name in logs and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Catalog => "catalog",
            Self::Inventory => "inventory",
        }
    }
}

/// The HTTP method of a provider request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Reads.
    Get,
    /// Changes something.
    Post,
}

/// One request to a provider, as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    /// To whom.
    pub provider: Provider,
    /// The operation's full label, e.g. `payment.charge`; for logs and metrics, not sent.
    pub operation: &'static str,
    /// How.
    pub method: Method,
    /// Path and query below the provider's base URL, starting with `/`.
    pub path: SmolStr,
    /// Sent as `idempotency-key` on every effectful request.
    pub idempotency_key: Option<SmolStr>,
    /// Sent as `x-correlation-id`.
    pub correlation_id: CorrelationId,
    /// A JSON body, for POST.
    pub body: Bytes,
}

/// A provider's answer, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// The `retry-after` header as sent, several lines joined by commas: seconds or an HTTP date (RFC 9110 §10.2.3).
    pub retry_after: Option<String>,
    /// The `date` header as sent: the provider's own clock, by which a date in `retry_after` is meant.
    pub date: Option<String>,
    /// The body, whole.
    pub body: Bytes,
}

/// No answer came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection was made, so the request was certainly not applied.
    #[error("connection refused")]
    NotSent,
    /// The connection broke after the request may have been sent: it may have been applied.
    #[error("connection broken")]
    Broken,
    /// A reply began and was cut short, or was larger than is read: it was probably applied, but what it said is lost.
    #[error("reply cut short")]
    Cut,
}

/// The network to the providers. Never retries by itself: the one retry layer is [`crate::retry`].
pub trait Transport: Send + Sync {
    /// Sends one request once and waits for the whole reply, however long that takes; the caller holds the time-out. How
    /// much of a body is read has a bound.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}

/// Calendar time, and time that only goes forward.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;

    /// Now on the clock that nobody can set, from which spans are measured.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// What a random number is for; each purpose draws from a stream of its own, so that one more draw for one purpose
/// does not change another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Identifiers of sessions, orders and workflows.
    Id,
    /// Jitter of retry delays.
    Jitter,
}

/// Chance.
pub trait Entropy: Send + Sync {
    /// The next 64 random bits of a purpose's stream.
    fn next(&self, purpose: Purpose) -> u64;
}

/// Background work that outlives the call that began it.
pub trait Tasks: Send + Sync {
    /// Runs `work` to its end, unless the process ends first.
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>);
}

/// All ports, as [`crate::app::App`] is given them.
#[derive(Clone)]
pub struct Ports {
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// The durable store.
    pub journal: Arc<dyn Journal>,
    /// Calendar time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Background work.
    pub tasks: Arc<dyn Tasks>,
    /// The structured log.
    pub log: Arc<dyn StepLog>,
}

impl Ports {
    /// A new identifier `prefix` + 16 hexadecimal digits.
    pub fn new_id(&self, prefix: &str) -> SmolStr {
        format_smolstr!("{prefix}{:016x}", self.entropy.next(Purpose::Id))
    }

    /// Now plus `span`, in calendar time; saturates at the end of time.
    pub fn after(&self, span: Duration) -> Timestamp {
        crate::time::add(self.clock.now(), span)
    }
}
