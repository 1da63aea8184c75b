//! The providers' clients: typed requests and replies over the transport, one attempt at a time.
//!
//! [`Caller::once`] sends one attempt and returns its result; the loops that repeat attempts are where the step is
//! decided ([`crate::checkout::steps`], [`Caller::read`] for reads), all paced by [`crate::retry::Retry`].

pub mod catalog;
pub mod contract;
pub mod http;
pub mod inventory;
pub mod payment;

use std::pin::pin;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::attempts::{self, Counts};
use crate::ids::CorrelationId;
use crate::operations::alerts::Alerts;
use crate::policy::Policy;
use crate::ports::{Method, Ports, Provider, Request, Response, TransportError};
use crate::retry::{Budgets, CallFailed, Failure, Retry, Urgency, classify};
use crate::step_log::AttemptOutcome;

/// Sends requests to providers.
pub struct Caller {
    /// The ports.
    pub ports: Ports,
    /// The policy.
    pub policy: Policy,
    /// The retry budgets.
    pub budgets: Budgets,
    /// What a person has been called for.
    pub alerts: Alerts,
    /// How many requests were sent for what is under way.
    pub counts: Counts,
}

/// What a request is, apart from its body.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Whom it asks.
    pub provider: Provider,
    /// Its label.
    pub operation: &'static str,
    /// Path and query.
    pub path: &'a str,
    /// The provider key, for effectful requests.
    pub key: Option<&'a SmolStr>,
    /// The correlation id.
    pub correlation: &'a CorrelationId,
}

impl Caller {
    /// One attempt: a GET without `body`, a POST with it. A reply that is not what was promised is `Unclear`.
    pub async fn once<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Failure> {
        let (method, body) = match body {
            None => (Method::Get, Bytes::new()),
            Some(body) => (
                Method::Post,
                Bytes::from(serde_json::to_vec(body).expect("requests hold only strings, numbers and lists")),
            ),
        };
        let (reply, attempt) = self.exchange(call, method, body).await;
        let Attempt { outcome, status, ended } = attempt;
        match reply.map(|response| read_body(&response.body)) {
            Ok(Ok(reply)) => {
                attempts::ended(outcome, status, None, ended);
                Ok(reply)
            }
            Ok(Err(_)) => {
                attempts::ended(AttemptOutcome::Unreadable, status, None, ended);
                Err(Failure::Unclear { retry_after: None })
            }
            Err(failure) => {
                attempts::ended(outcome, status, Some(&failure), ended);
                Err(failure)
            }
        }
    }

    /// One attempt up to the body of its reply. Apart from [`Self::once`], which is compiled for each pair of body and reply:
    /// this is the larger part of it, and the same code for all of them stays at hand.
    async fn exchange(&self, call: &Call<'_>, method: Method, body: Bytes) -> (Result<Response, Failure>, Attempt) {
        let request = Request {
            provider: call.provider,
            operation: call.operation,
            method,
            path: call.path.into(),
            idempotency_key: call.key.cloned(),
            correlation_id: call.correlation.clone(),
            body,
        };
        let begun = self.ports.clock.instant();
        attempts::begin(&self.ports, call, begun);
        self.counts.count(call.correlation);
        let sending = self.ports.transport.send(request);
        let reply = tokio::time::timeout_at(begun + self.policy.retry.attempt_timeout, sending).await;
        let ended = self.ports.clock.instant();
        let (outcome, status) = seen(&reply);
        // A time-out says nothing about whether the request was applied, like a connection that breaks.
        let reply = reply.unwrap_or(Err(TransportError::Broken));
        let is_unavailable = matches!(reply, Ok(Response { status: 500.., .. }));
        let result = classify(call.operation, reply, self.ports.clock.now());
        let reachable = match &result {
            Ok(_) | Err(Failure::Refused(_) | Failure::Denied) => true,
            Err(Failure::NotNow { .. }) => !is_unavailable,
            Err(Failure::NotSent | Failure::Unclear { .. }) => false,
        };
        self.alert_of_key(call.provider, matches!(result, Err(Failure::Denied)), reachable, call.correlation);
        let failures = self.budgets.note(call.provider, reachable);
        self.alert_of_failures(call.provider, failures, call.correlation);
        self.note_attempt(call.provider, outcome == AttemptOutcome::TimedOut, ended, call.correlation);
        (result, Attempt { outcome, status, ended })
    }

    /// The pace of a call.
    pub fn retry(&self, provider: Provider, urgency: Urgency) -> Retry<'_> {
        Retry::new(&self.ports, &self.policy.retry, &self.budgets, provider, urgency)
    }

    /// A call without effects whose answer goes straight to the caller: as [`Self::repeat`], but over at the deadline even
    /// in the middle of an attempt.
    pub async fn read<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        body: Option<&(impl Serialize + Sync)>,
        urgency: Urgency,
        accept: impl Fn(&T) -> bool + Send,
    ) -> Result<T, CallFailed> {
        match urgency {
            Urgency::Caller { deadline } => {
                let repeating = tokio::time::timeout_at(deadline, self.repeat(call, body, urgency, accept));
                repeating.await.unwrap_or_else(|_| {
                    Err(CallFailed { last: Failure::Unclear { retry_after: None }, maybe_applied: true })
                })
            }
            Urgency::Undo { .. } | Urgency::Round => self.repeat(call, body, urgency, accept).await,
        }
    }

    /// A call without effects, or one whose key and reference make a repeat harmless: attempts until one brings a reply
    /// that `accept` takes.
    pub async fn repeat<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        body: Option<&(impl Serialize + Sync)>,
        urgency: Urgency,
        accept: impl Fn(&T) -> bool + Send,
    ) -> Result<T, CallFailed> {
        // Pinned where it is made: a future of some kilobytes is not carried into the span around it.
        let repeating = pin!(async {
            let mut retry = self.retry(call.provider, urgency);
            loop {
                let failure = match self.once::<T>(call, body).await {
                    Ok(reply) if accept(&reply) => return Ok(reply),
                    Ok(_) => {
                        attempts::contradicts();
                        Failure::Unclear { retry_after: None }
                    }
                    Err(failure) => failure,
                };
                retry.again(failure).await?;
            }
        });
        attempts::span(urgency, repeating).await
    }
}

/// The result of an attempt, as far as it is known before its body is read.
struct Attempt {
    outcome: AttemptOutcome,
    status: Option<u16>,
    ended: Instant,
}

/// As far as the reply shows it.
const fn seen(reply: &Result<Result<Response, TransportError>, Elapsed>) -> (AttemptOutcome, Option<u16>) {
    match reply {
        Ok(Ok(Response { status: status @ 200..=299, .. })) => (AttemptOutcome::Ok, Some(*status)),
        Ok(Ok(Response { status, .. })) => (AttemptOutcome::Status, Some(*status)),
        Ok(Err(TransportError::NotSent)) => (AttemptOutcome::NotSent, None),
        Ok(Err(TransportError::Broken)) => (AttemptOutcome::Broken, None),
        Ok(Err(TransportError::Cut)) => (AttemptOutcome::Cut, None),
        Err(_) => (AttemptOutcome::TimedOut, None),
    }
}

/// A reply's body as what was promised.
fn read_body<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    match str::from_utf8(body) {
        // Looked at once as a whole, instead of string by string.
        Ok(text) => serde_json::from_str(text),
        // Invalid UTF-8 may be in a part that is not read.
        Err(_) => serde_json::from_slice(body),
    }
}

/// The body of a request that has none.
pub const NO_BODY: Option<&()> = None;

/// The provider key of a step: a hash of order, step and epoch, so that every attempt of one step carries the same key and
/// no two steps share one, whichever process owns the saga.
pub fn provider_key(order: &str, step: &str, epoch: u32) -> SmolStr {
    use sha2::Digest;
    let mut hash = sha2::Sha256::new();
    hash.update(order.as_bytes());
    hash.update([0]);
    hash.update(step.as_bytes());
    hash.update([0]);
    hash.update(epoch.to_be_bytes());
    hex(&hash.finalize()[..16])
}

/// Lower-case hexadecimal of a hash: 32 bytes at most.
pub fn hex(hash: &[u8]) -> SmolStr {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    let text = &mut text[..hash.len() * 2];
    for (digits, byte) in text.chunks_exact_mut(2).zip(hash) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    SmolStr::new(str::from_utf8(text).expect("hexadecimal digits are ASCII"))
}

/// A value as it stands in a query: everything but unreserved characters percent-encoded (RFC 3986 §2.3).
pub fn query_value(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}
