//! The stage: what every world shares. It names the site of each request, asks the choices what goes wrong, lets the
//! providers handle deliveries, and writes all of it down. It knows nothing of sockets or of virtual time.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use giftgenius::ports::{Clock, Method, Provider};
use serde::Deserialize;

use crate::choice::{Asked, Choices};
use crate::fault::decide::{Delivery, decide};
use crate::fault::site::Place;
use crate::fault::{Circumstance, Fault};
use crate::provider::{Now, ProviderReply, ProviderRequest, Providers, operations};
use crate::trace::{EventKind, ExchangeId, Recorder, Seen, Sent};

/// The prefix of the correlation ids that the host sends; the script step's number follows, then the call's.
pub const CORRELATION_PREFIX: &str = "step-";

/// The script step that a correlation id of the host's names.
pub fn step_of(correlation: &str) -> Option<u32> {
    let rest = correlation.strip_prefix(CORRELATION_PREFIX)?;
    rest.split_once('.').map_or(rest, |(step, _)| step).parse().ok()
}

/// A request as it comes to the stage, before it is known what goes wrong with it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// At whom.
    pub provider: Provider,
    /// How.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// `idempotency-key`.
    pub key: Option<String>,
    /// `x-correlation-id`; empty when there is none.
    pub correlation: String,
    /// The body.
    pub body: Bytes,
    /// The life of the system that sends it; `None`: the latest.
    pub incarnation: Option<u32>,
}

/// A request for something no provider offers.
#[derive(Debug, thiserror::Error)]
#[error("{provider} has no operation {method} {path}", provider = provider.name())]
pub struct UnknownOperation {
    provider: Provider,
    method: &'static str,
    path: String,
}

/// Providers, choices and record of one run.
pub struct Stage {
    inner: Mutex<Inner>,
    recorder: Recorder,
    clock: std::sync::Arc<dyn Clock>,
}

struct Inner {
    providers: Providers,
    choices: Choices,
}

impl Stage {
    /// Sets a run up.
    pub fn new(providers: Providers, choices: Choices, recorder: Recorder, clock: std::sync::Arc<dyn Clock>) -> Self {
        Self { inner: Mutex::new(Inner { providers, choices }), recorder, clock }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of the stage panics")
    }

    /// The record of the run.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Calendar time, as the providers have it.
    pub fn utc(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// A request arrives: its site is named, the choice asked, the sending recorded.
    pub fn arrive(&self, arrival: Arrival) -> Result<(ProviderRequest, Delivery), UnknownOperation> {
        let Some(operation) = operations::find(arrival.provider, arrival.method, &arrival.path) else {
            let method = match arrival.method {
                Method::Get => "GET",
                Method::Post => "POST",
            };
            return Err(UnknownOperation { provider: arrival.provider, method, path: arrival.path });
        };
        let step = step_of(&arrival.correlation);
        let (reference, amount) = subject(&arrival);
        let mut inner = self.inner();
        let site = inner.choices.arrive(operation, step);
        let fault = inner.choices.at(site);
        let delivery = decide(fault.as_ref());
        let mut record = self.recorder.lock();
        let exchange = record.next_exchange();
        let sent = Sent {
            exchange,
            site,
            operation,
            key: arrival.key.clone(),
            correlation: arrival.correlation.clone(),
            step,
            reference,
            amount,
            fault,
        };
        let incarnation = arrival.incarnation.unwrap_or(record.incarnation);
        record.push_in(incarnation, self.recorder.now(), EventKind::Sent(Box::new(sent)));
        let Arrival { path, key, correlation, body, .. } = arrival;
        Ok((ProviderRequest { operation, path, key, correlation, body, exchange }, delivery))
    }

    /// Something that is no request happens at a place: asks what goes wrong with it, and records what does.
    pub fn choose(&self, place: Place, step: Option<u32>) -> Option<Fault> {
        let mut inner = self.inner();
        let site = inner.choices.arrive(place, step);
        let fault = inner.choices.at(site)?;
        self.recorder.push(EventKind::Struck { site, fault: fault.clone() });
        Some(fault)
    }

    /// The provider takes one delivery in.
    pub fn deliver(&self, request: &ProviderRequest, circumstance: Option<&Circumstance>) -> ProviderReply {
        let now = Now { since_start: self.recorder.now(), utc: self.utc() };
        let mut inner = self.inner();
        let mut record = self.recorder.lock();
        inner.providers.handle(request, circumstance, now, &mut record)
    }

    /// The system got to see something of an exchange.
    pub fn answered(&self, exchange: ExchangeId, seen: Seen) {
        self.recorder.push(EventKind::Answered { exchange, seen });
    }

    /// Looks at the choices, for instance for what never fired.
    pub fn with_choices<T>(&self, look: impl FnOnce(&Choices) -> T) -> T {
        look(&self.inner().choices)
    }

    /// Takes out what was asked and answered: the run is over.
    pub fn take_asked(&self) -> Vec<Asked> {
        self.inner().choices.take_asked()
    }

    /// Looks at the providers, for instance to take stock at the end.
    pub fn with_providers<T>(&self, look: impl FnOnce(&mut Providers) -> T) -> T {
        look(&mut self.inner().providers)
    }
}

/// The merchant or reservation reference and the amount of a request.
fn subject(arrival: &Arrival) -> (Option<String>, Option<i64>) {
    #[derive(Deserialize)]
    struct Subject {
        reference: Option<String>,
        amount: Option<i64>,
    }
    if arrival.body.is_empty() {
        let reference = arrival
            .path
            .split_once("reference=")
            .map(|(_, rest)| rest.split_once('&').map_or(rest, |(reference, _)| reference).to_owned());
        return (reference, None);
    }
    serde_json::from_slice::<Subject>(&arrival.body).map_or((None, None), |subject| (subject.reference, subject.amount))
}
