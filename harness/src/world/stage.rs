//! The stage: what every world shares. It names the site of each request, asks the choices what goes wrong, lets the
//! providers handle deliveries, and writes all of it down. It knows nothing of sockets or of virtual time.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use giftgenius::ids::OrderId;
use giftgenius::money::Currency;
use giftgenius::policy::Policy;
use giftgenius::ports::{Clock, Method, Provider};
use serde::Deserialize;
use smol_str::SmolStr;

use crate::choice::{Asked, Choices};
use crate::fault::decide::{Delivery, Posting, decide, decide_event};
use crate::fault::site::{Place, Site};
use crate::fault::{Acting, Circumstance, Fault, Faults};
use crate::provider::event::ProviderEvent;
use crate::provider::{Now, OperationSpec, ProviderReply, ProviderRequest, Providers, operations};
use crate::trace::{EventKind, ExchangeId, Probe, Record, Recorder, Seen, Sent, Write};

use super::print::{self, Ink, Print, Printing};

/// The prefix of the correlation ids that the host sends; the script step's number follows, then the call's.
pub const CORRELATION_PREFIX: &str = "step-";

/// The script step that a correlation id of the host's names.
pub fn step_of(correlation: &str) -> Option<u32> {
    let rest = correlation.strip_prefix(CORRELATION_PREFIX)?;
    rest.split_once('.').map_or(rest, |(step, _)| step).parse().ok()
}

/// A request as it reaches the stage, before it is known what goes wrong with it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// At whom.
    pub provider: Provider,
    /// How.
    pub method: Method,
    /// Path and query.
    pub path: SmolStr,
    /// `idempotency-key`.
    pub key: Option<SmolStr>,
    /// `x-correlation-id`; empty when there is none.
    pub correlation: SmolStr,
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
    path: SmolStr,
}

/// Providers, choices and record of one run.
pub struct Stage {
    inner: Mutex<Inner>,
    recorder: Recorder,
    clock: std::sync::Arc<dyn Clock>,
    tolerance: Duration,
    sends_events: bool,
    /// Whether a print is asked for: without one nobody needs the lock to see that.
    prints: AtomicBool,
}

struct Inner {
    providers: Providers,
    choices: Choices,
    /// Events that were not taken to the post yet, with the exchange beside which each was caused, if it was one.
    emitted: Vec<(Option<ExchangeId>, Emitted)>,
    printing: Printing,
}

/// An event of the payment provider's, with what was decided for it.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The place in the run.
    pub site: Site,
    /// The event.
    pub event: ProviderEvent,
    /// How it is delivered.
    pub posting: Posting,
}

impl Stage {
    /// Sets a run up.
    pub fn new(providers: Providers, choices: Choices, recorder: Recorder, clock: std::sync::Arc<dyn Clock>) -> Self {
        let tolerance = Policy::default().webhooks.tolerance;
        Self {
            inner: Mutex::new(Inner { providers, choices, emitted: Vec::new(), printing: Printing::Off }),
            recorder,
            clock,
            tolerance,
            sends_events: false,
            prints: AtomicBool::new(false),
        }
    }

    /// The payment provider sends events, to a system that accepts signatures this old.
    #[must_use]
    pub fn with_webhooks(mut self, tolerance: Duration) -> Self {
        self.inner().providers.payment.send_events();
        self.tolerance = tolerance;
        self.sends_events = true;
        self
    }

    /// How old a signature the system accepts.
    pub const fn tolerance(&self) -> Duration {
        self.tolerance
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
        let Subject { reference, amount, currency, customer } = Subject::of(operation, &arrival);
        let question = if reference.is_none() { question(&arrival) } else { 0 };
        let mut inner = self.inner();
        let site = inner.choices.arrive(operation, step);
        let faults = inner.choices.at(site);
        let delivery = decide(&faults);
        let mut record = self.recorder.lock();
        let exchange = record.next_exchange();
        inner.struck(&faults, Some(exchange));
        let sent = Sent {
            exchange,
            site,
            operation,
            key: arrival.key.clone(),
            correlation: arrival.correlation.clone(),
            step,
            reference,
            amount,
            currency,
            customer,
            question,
            faults,
        };
        let incarnation = arrival.incarnation.unwrap_or(record.incarnation);
        record.push_in(incarnation, self.recorder.now(), EventKind::Sent(Box::new(sent)));
        let Arrival { path, key, correlation, body, .. } = arrival;
        Ok((ProviderRequest { operation, path, key, correlation, body, exchange }, delivery))
    }

    /// A process of the system is about to use its journal: asks what goes wrong with that, and records what does. A write
    /// with which nothing goes wrong is recorded by [`Self::wrote`].
    pub fn choose(&self, place: Place, incarnation: u32) -> Option<Fault> {
        let (site, fault) = self.ask(place, None);
        let fault = fault?;
        let kind = EventKind::Struck { site, fault: Box::new(fault.clone()) };
        self.recorder.push_in(incarnation, kind);
        Some(fault)
    }

    /// A process of the system writes to its journal, now; `order`: as its driver, where that is known.
    pub fn wrote(&self, incarnation: u32, order: Option<OrderId>) {
        let trace = &mut self.recorder.lock().trace;
        trace.writes.push(Write { at: trace.events.len(), incarnation, order });
    }

    /// A process of the system tries whether its store takes writes. That is no use of its journal and has no site; it
    /// fares as the next write would.
    pub fn probe(&self, incarnation: u32) -> Option<Fault> {
        let next = self.inner().choices.next_at(Place::JournalWrite);
        let next = next.filter(|fault| matches!(fault, Fault::Busy | Fault::Full));
        let at = self.recorder.now();
        let trace = &mut self.recorder.lock().trace;
        trace.probes.push(Probe { after: trace.events.len(), at, incarnation, taken: next.is_none() });
        next
    }

    /// How often the system has read its journal, and written to it.
    pub fn journal_uses(&self) -> (u32, u32) {
        self.with_choices(|choices| (choices.arrivals(Place::JournalRead), choices.arrivals(Place::JournalWrite)))
    }

    /// Something that is no request happens at a place: asks what goes wrong with it, without a word in the record.
    pub fn ask(&self, place: Place, step: Option<u32>) -> (Site, Option<Fault>) {
        let mut inner = self.inner();
        let site = inner.choices.arrive(place, step);
        let faults = inner.choices.at(site);
        inner.struck(&faults, None);
        (site, faults.one())
    }

    /// Records what goes wrong at a place.
    pub fn strike(&self, site: Site, fault: Fault) {
        self.recorder.push(EventKind::Struck { site, fault: Box::new(fault) });
    }

    /// What was chosen at a site could not happen there after all.
    pub fn misfired(&self, site: Site) {
        self.inner().choices.misfired(site, |_| true);
    }

    /// The provider takes one delivery in. Its events are read with [`Self::take_events`].
    pub fn deliver(&self, request: &ProviderRequest, circumstance: Option<&Circumstance>) -> ProviderReply {
        let now = Now { since_start: self.recorder.now(), utc: self.utc() };
        let mut inner = self.inner();
        let mut record = self.recorder.lock();
        let reply = inner.providers.handle(request, circumstance, now, &mut record);
        if reply.indifferent
            && let Some(sent) = sent(&record, request.exchange)
        {
            inner.choices.misfired(sent.site, |fault| matches!(fault, Fault::Circumstance(_)));
        }
        inner.emit(Some(request.exchange), step_of(&request.correlation), now, &mut record);
        reply
    }

    /// A provider acts on its own beside a request, on what that is about.
    pub fn act_beside(&self, request: &ProviderRequest, acting: Acting) {
        let now = Now { since_start: self.recorder.now(), utc: self.utc() };
        let mut inner = self.inner();
        let mut record = self.recorder.lock();
        let Some((site, reference)) = sent(&record, request.exchange).map(|sent| (sent.site, sent.reference.clone()))
        else {
            return;
        };
        let target = inner.providers.target(acting.act, reference.as_deref(), now, &mut record);
        match target {
            Some(target) => inner.providers.act(acting.act, &target, acting.told, now, &mut record),
            None => inner.choices.misfired(site, |fault| matches!(fault, Fault::Acts(_))),
        }
        inner.emit(Some(request.exchange), step_of(&request.correlation), now, &mut record);
    }

    /// A provider acts on its own between two calls, on the latest that it can: whether there was anything. What it tells of
    /// that is asked for with [`Self::take_events`].
    pub fn act_before_a_call(&self, site: Site, acting: Acting) -> bool {
        let now = Now { since_start: self.recorder.now(), utc: self.utc() };
        let mut inner = self.inner();
        let mut record = self.recorder.lock();
        let target = inner.providers.target(acting.act, None, now, &mut record);
        if let Some(target) = &target {
            record.push(now.since_start, EventKind::Struck { site, fault: Box::new(Fault::Acts(acting)) });
            inner.providers.act(acting.act, target, acting.told, now, &mut record);
        } else {
            inner.choices.misfired(site, |_| true);
        }
        inner.emit(None, site.for_step.map(|(step, _)| step), now, &mut record);
        target.is_some()
    }

    /// The events that were caused beside an exchange (or, without one, between calls) since the last time.
    pub fn take_events(&self, exchange: Option<ExchangeId>) -> Vec<Emitted> {
        if !self.sends_events {
            return Vec::new();
        }
        let mut inner = self.inner();
        let (taken, left) = std::mem::take(&mut inner.emitted).into_iter().partition(|(of, _)| *of == exchange);
        inner.emitted = left;
        let taken: Vec<(Option<ExchangeId>, Emitted)> = taken;
        taken.into_iter().map(|(_, event)| event).collect()
    }

    /// The system got to see something of an exchange.
    pub fn answered(&self, exchange: ExchangeId, seen: Seen) {
        self.recorder.push(EventKind::Answered { exchange, seen });
    }

    /// From now on a print is made of the run, after its last fault.
    pub fn ask_for_print(&self) {
        self.prints.store(true, Ordering::Relaxed);
        self.inner().printing = Printing::Before(Ink::new());
    }

    /// The print, if one was asked for and could be made.
    pub fn print(&self) -> Option<Print> {
        match self.inner().printing {
            Printing::Done(print) => print,
            Printing::Off | Printing::Before(_) | Printing::Struck { .. } => None,
        }
    }

    /// Notes what came back for an exchange. Says whether the print is to be made now: it was the last fault's.
    pub fn observed(&self, exchange: ExchangeId, what: impl FnOnce(&mut Ink)) -> bool {
        if !self.prints.load(Ordering::Relaxed) {
            return false;
        }
        let printing = &mut self.inner().printing;
        printing.observe(what);
        matches!(printing, Printing::Struck { exchange: Some(struck), .. } if *struck == exchange)
    }

    /// Whether the print is to be made now that the system has been started again: the last fault killed it.
    pub fn crashed_for_good(&self) -> bool {
        matches!(self.inner().printing, Printing::Struck { crash: true, .. })
    }

    /// Makes the print, of what the stage knows and of what `rest` writes; none if it says that something is missing.
    pub fn make_print(&self, as_print: fn(u128) -> Print, rest: impl FnOnce(&mut Ink) -> Option<()>) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let Printing::Struck { observed, crash, .. } = std::mem::take(&mut inner.printing) else { return };
        // What has died remembers nothing of what it observed.
        let mut ink = if crash { Ink::new() } else { observed };
        let (plan, fired, arrivals) = inner.choices.so_far();
        (self.recorder.now(), self.utc()).hash(&mut ink);
        inner.providers.write_state(&mut ink);
        print::ahead(&mut ink, plan, fired, arrivals);
        print::record(&mut ink, &self.recorder.lock());
        inner.printing = Printing::Done(rest(&mut ink).map(|()| as_print(ink.dry())));
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

/// A request that was recorded.
fn sent(record: &Record, exchange: ExchangeId) -> Option<&Sent> {
    record.trace.events.iter().rev().find_map(|event| match &event.kind {
        EventKind::Sent(sent) if sent.exchange == exchange => Some(&**sent),
        _ => None,
    })
}

impl Inner {
    /// Decides how each event is delivered that the payment provider has since the last time.
    fn emit(&mut self, exchange: Option<ExchangeId>, step: Option<u32>, now: Now, record: &mut Record) {
        for event in self.providers.payment.take_events() {
            let site = self.choices.arrive(Place::Webhook, step);
            let faults = self.choices.at(site);
            let posting = decide_event(&faults);
            self.struck(&faults, None);
            for fault in &faults {
                record.push(now.since_start, EventKind::Struck { site, fault: Box::new(fault.clone()) });
            }
            self.emitted.push((exchange, Emitted { site, event, posting }));
        }
    }

    fn struck(&mut self, faults: &Faults, exchange: Option<ExchangeId>) {
        if faults.is_some() {
            self.printing.strike(self.choices.last_has_fired(), faults, exchange);
        }
    }
}

/// What a request asks, as a number that is the same in every run.
fn question(arrival: &Arrival) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&arrival.path, &arrival.body).hash(&mut hasher);
    hasher.finish()
}

/// What a request is about.
#[derive(Default)]
struct Subject {
    /// The merchant or reservation reference.
    reference: Option<SmolStr>,
    /// In minor units.
    amount: Option<i64>,
    currency: Option<Currency>,
    customer: Option<SmolStr>,
}

impl Subject {
    fn of(operation: &OperationSpec, arrival: &Arrival) -> Self {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            reference: Option<Cow<'a, str>>,
            amount: Option<i64>,
            #[serde(borrow)]
            currency: Option<Cow<'a, str>>,
            #[serde(borrow)]
            customer: Option<Cow<'a, str>>,
        }
        // A price is asked for nobody yet.
        if operation.provider == Provider::Catalog {
            return Self::default();
        }
        if arrival.body.is_empty() {
            let reference = arrival
                .path
                .split_once("reference=")
                .map(|(_, rest)| rest.split_once('&').map_or(rest, |(reference, _)| reference).into());
            return Self { reference, ..Self::default() };
        }
        // Looked at once as a whole, instead of text by text.
        let body = str::from_utf8(&arrival.body).ok().and_then(|body| serde_json::from_str::<Body<'_>>(body).ok());
        body.map_or_else(Self::default, |Body { reference, amount, currency, customer }| Self {
            reference: reference.map(SmolStr::from),
            amount,
            currency: currency.and_then(|currency| currency.parse().ok()),
            customer: customer.map(SmolStr::from),
        })
    }
}
