//! What happened in a run, in order: every tool call, provider exchange, effect and log line.
//!
//! Written by the world and the host through a [`Recorder`], read by oracles and reports; nothing in it is ever changed.
//! Events have one order in simulation; on the wire only the order within a channel means something.

mod heard;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use giftgenius::ids::OrderId;
use giftgenius::money::Currency;
use giftgenius::operations::health::Health;
use giftgenius::ports::Provider;
use giftgenius::step_log::LogLine;
use serde_json::Value;
use smol_str::SmolStr;
use tokio::time::Instant;

pub use self::heard::{Channel, Heard};
use crate::fault::site::Site;
use crate::fault::{Fault, Faults, Forgery, Label, RetryAfter};
use crate::malform::Remedy;
use crate::provider::OperationSpec;
use crate::provider::event::EventType;
use crate::provider::ledger::{Effect, Ledger};
use crate::stopwatch::Stopwatch;

/// A tool call of a run, counted from 0 in the order in which calls were begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CallId(pub u32);

/// A request that the system sent to a provider, counted from 0 in the order in which they were sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExchangeId(pub u32);

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Time since the run began: virtual in simulation, real on the wire.
    pub at: Duration,
    /// Which process of the system it is of: lives are counted over all replicas, from 1, so that the number of a life names
    /// one process of one replica. What is the host's or a provider's carries the process that was started last.
    pub incarnation: u32,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// The host called a tool.
    CallStarted(Box<CallStarted>),
    /// The host got its answer, or gave up waiting.
    CallEnded {
        /// Which call.
        call: CallId,
        /// What came of it.
        reply: HostReply,
    },
    /// The system sent a request to a provider.
    Sent(Box<Sent>),
    /// A provider took a request in (a delivery): once, twice, late, or never for one exchange.
    Delivered {
        /// Which exchange.
        exchange: ExchangeId,
        /// The status the provider answered, whatever the system got to see of it.
        status: u16,
        /// The exchange whose saved reply was given again, because the request carried its key.
        replay_of: Option<ExchangeId>,
    },
    /// A provider's books changed.
    Effect(Arc<Effect>),
    /// The system got an answer (or the lack of one).
    Answered {
        /// Which exchange.
        exchange: ExchangeId,
        /// What it saw.
        seen: Seen,
    },
    /// The system wrote a line to its structured log.
    Log(Box<LogLine>),
    /// Something went wrong at a place that is no request's: in the system's store or clock, or at its host.
    Struck {
        /// Where.
        site: Site,
        /// What.
        fault: Box<Fault>,
    },
    /// An event of the payment provider's was delivered to the system, or could not be.
    Webhook(Box<WebhookDelivery>),
    /// The system's process was killed.
    Crashed,
    /// The system was started again, after a crash or in good order.
    Restarted,
    /// The checkout switch was turned.
    Switched {
        /// Whether sales may begin from now on.
        checkout: bool,
    },
}

/// A tool call as the host made it.
#[derive(Clone, Debug)]
pub struct CallStarted {
    /// Which call.
    pub call: CallId,
    /// Which script step (from 1) it is for.
    pub step: u32,
    /// The tool.
    pub tool: SmolStr,
    /// The arguments as sent.
    pub arguments: Arc<Value>,
    /// The caller's key: of the arguments, or of `_meta`.
    pub key: Option<SmolStr>,
    /// Who called.
    pub user: SmolStr,
    /// The correlation id sent in `_meta`.
    pub correlation: SmolStr,
    /// The purchase that the step is for.
    pub intent: Option<SmolStr>,
    /// Which mistake was made in it, or is being mended.
    pub malformed: Option<Arc<Malformed>>,
}

/// A call in which a mistake was made, or one that mends it.
#[derive(Clone, PartialEq, Debug)]
pub struct Malformed {
    /// The mistake.
    pub label: Label,
    /// The tool that was meant.
    pub tool: SmolStr,
    /// The arguments that were meant.
    pub meant: Arc<Value>,
    /// What an error can tell of it.
    pub remedy: Remedy,
    /// 0 for the mistake, then the turns that mend it.
    pub turn: u32,
}

/// What came of a tool call.
#[derive(Clone, PartialEq, Debug)]
pub enum HostReply {
    /// A tool result, or a tool error.
    Tool {
        /// `structuredContent`.
        structured: Arc<Value>,
        /// `isError`.
        is_error: bool,
    },
    /// A JSON-RPC error.
    Protocol {
        /// Its code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// The host cancelled the call.
    Cancelled,
    /// The connection broke before an answer came: the system's process died.
    Broken,
    /// No answer came within the tool deadline and a half.
    NoAnswer,
}

/// A provider request as it left the system.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// The place in the run.
    pub site: Site,
    /// The operation.
    pub operation: &'static OperationSpec,
    /// `idempotency-key`, as sent.
    pub key: Option<SmolStr>,
    /// `x-correlation-id`, as sent.
    pub correlation: SmolStr,
    /// The script step whose correlation id it carries, where it carries one.
    pub step: Option<u32>,
    /// The merchant or reservation reference of the body or query, where there is one.
    pub reference: Option<SmolStr>,
    /// The amount of the body in minor units, where there is one.
    pub amount: Option<i64>,
    /// The amount's currency, where the body says it.
    pub currency: Option<Currency>,
    /// The customer that the body names, where it names one.
    pub customer: Option<SmolStr>,
    /// What a request without a reference asks, as a hash of its path and body: two that differ are no attempts of one.
    pub question: u64,
    /// What was chosen to go wrong with it.
    pub faults: Faults,
}

impl Sent {
    /// Whether its reply asks by a date to be asked again, which is only good to a second.
    pub fn asks_by_date(&self) -> bool {
        self.faults.any(|fault| {
            matches!(
                fault,
                Fault::Status(_, Some(RetryAfter::Date(_))) | Fault::StatusAfter(_, Some(RetryAfter::Date(_)), _)
            )
        })
    }
}

/// One delivery of an event, with what the system answered.
#[derive(Clone, Hash, Debug)]
pub struct WebhookDelivery {
    /// Which event, as a place in the run.
    pub site: Site,
    /// The event's id.
    pub id: SmolStr,
    /// What it tells of.
    pub kind: EventType,
    /// The merchant reference that it names; empty where it names none.
    pub reference: SmolStr,
    /// The provider's id of the charge, refund or dispute that it names.
    pub object: SmolStr,
    /// Which of the copies that are delivered at once, from 0.
    pub copy: u8,
    /// Which attempt to deliver it, from 1.
    pub attempt: u32,
    /// Whether the provider did not send it.
    pub forged: Option<Forgery>,
    /// The status that was answered; `None` without an answer.
    pub status: Option<u16>,
}

impl WebhookDelivery {
    /// Whether it tells of nothing that a checkout has to know of: no reference of a checkout is empty or holds a blank.
    pub fn is_of_no_concern(&self) -> bool {
        self.kind == EventType::PayoutPaid || self.reference.is_empty() || self.reference.contains(' ')
    }
}

/// What the system got to see of an exchange.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Seen {
    /// A whole reply.
    Reply {
        /// Its status.
        status: u16,
        /// Its `retry-after`, in milliseconds from then.
        retry_after: Option<Duration>,
        /// Whether its body was what the provider meant.
        intact: bool,
    },
    /// Nothing: it will run into its time-out.
    Silence,
    /// The connection broke.
    Broken,
    /// The reply was cut.
    Cut,
    /// No connection was made.
    Refused,
}

/// All events of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In order.
    pub events: Vec<Event>,
    /// When the system wrote to its journal; in simulation also where that was held up before, on the wire only where
    /// nothing went wrong with it.
    pub writes: Vec<Write>,
    /// When the system tried whether its store takes writes.
    pub probes: Vec<Probe>,
    /// When it kept house: called people to the orders that wait for one, and could read them all.
    pub houses_kept: Vec<Kept>,
    /// What its health page said. No events: on the wire the page is asked beside what happens.
    pub health: Vec<HealthAsked>,
    /// What came out of its processes on the wire, as it came, whatever else was read from it.
    pub heard: Vec<Heard>,
    /// Why the run was ended in its middle, where it had no end of its own. Of its events only the first are kept then.
    pub ran_away: Option<RanAway>,
}

/// A run that had no end: it did more than any run has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RanAway {
    /// When it was ended.
    pub at: Duration,
    /// How often it had used a port, or something of it had been polled.
    pub uses: u32,
    /// Whether it was ended for what came at one instant.
    pub at_one_instant: bool,
    /// The last of those uses, in order.
    pub last: Vec<String>,
}

/// A write to the system's journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// How many events there were.
    pub at: usize,
    /// Which process wrote, as [`Event::incarnation`] counts them.
    pub incarnation: u32,
    /// Whose driver wrote down what it had learnt, where that was one and the write was no lost race; known in simulation.
    pub order: Option<OrderId>,
}

/// A round in which a process of the system looked at the orders that wait for a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// When it began.
    pub at: Duration,
    /// How many events there were when it was over.
    pub until: usize,
}

/// A trial of the system's whether its store takes writes, for its health page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// How many events there were.
    pub after: usize,
    /// When.
    pub at: Duration,
    /// Which process tried, as [`Event::incarnation`] counts them.
    pub incarnation: u32,
    /// Whether it was taken.
    pub taken: bool,
}

/// A question about the system's health.
#[derive(Clone, Debug)]
pub struct HealthAsked {
    /// How many events there were when it was asked, and when it was answered.
    pub events: (usize, usize),
    /// When it was asked, and when it was answered or given up.
    pub at: (Duration, Duration),
    /// Which process was asked, as [`Event::incarnation`] counts them.
    pub incarnation: u32,
    /// The status and the page; `None` if no answer came.
    pub answer: Option<(u16, Health)>,
    /// How many writes had gone well when it was answered, where that is known: [`Trace::writes`] up to there.
    pub writes: Option<usize>,
    /// How many orders were open and parked just before and just after, as the journal itself says, where it was looked at.
    pub orders: Option<[(usize, usize); 2]>,
    /// How many reads and writes of the journal there had been just before and just after, where nothing else used it
    /// meanwhile.
    pub uses: Option<[(u32, u32); 2]>,
}

impl Trace {
    /// Whether more events than that are of the latest instant.
    pub fn has_at_one_instant(&self, most: usize) -> bool {
        let before = self.events.len().checked_sub(most + 1);
        before.is_some_and(|before| self.events.last().is_some_and(|last| last.at == self.events[before].at))
    }

    /// Every request sent, in order, with its index in the trace.
    pub fn sent(&self) -> impl Iterator<Item = (usize, &Event, &Sent)> {
        self.events.iter().enumerate().filter_map(|(index, event)| match &event.kind {
            EventKind::Sent(sent) => Some((index, event, &**sent)),
            _ => None,
        })
    }

    /// What the system saw of an exchange, with when, once it has seen something.
    pub fn answer(&self, exchange: ExchangeId) -> Option<(&Event, &Seen)> {
        self.events.iter().find_map(|event| match &event.kind {
            EventKind::Answered { exchange: answered, seen } if *answered == exchange => Some((event, seen)),
            _ => None,
        })
    }

    /// Every delivery of an event, in order.
    pub fn webhooks(&self) -> impl Iterator<Item = &WebhookDelivery> {
        self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Webhook(delivery) => Some(&**delivery),
            _ => None,
        })
    }

    /// Every log line, in order, with its index in the trace.
    pub fn log(&self) -> impl Iterator<Item = (usize, &Event, &LogLine)> {
        self.events.iter().enumerate().filter_map(|(index, event)| match &event.kind {
            EventKind::Log(line) => Some((index, event, &**line)),
            _ => None,
        })
    }
}

/// What is written while a run goes on: the trace and the providers' books.
#[derive(Debug, Default)]
pub struct Record {
    /// The events.
    pub trace: Trace,
    /// The effects.
    pub ledger: Ledger,
    /// The latest life of the system, from 1; replicas and their successors are counted together.
    pub incarnation: u32,
    exchanges: u32,
}

impl Record {
    /// Appends an event.
    pub fn push(&mut self, at: Duration, kind: EventKind) {
        let incarnation = self.incarnation;
        self.push_in(incarnation, at, kind);
    }

    /// Appends an event of one life of the system.
    pub fn push_in(&mut self, incarnation: u32, at: Duration, kind: EventKind) {
        self.trace.events.push(Event { at, incarnation, kind });
    }

    /// The next exchange's number.
    pub fn next_exchange(&mut self) -> ExchangeId {
        self.exchanges += 1;
        ExchangeId(self.exchanges - 1)
    }
}

/// The one handle through which a run is recorded.
#[derive(Clone, Debug)]
pub struct Recorder {
    record: Arc<Mutex<Record>>,
    stopwatch: Stopwatch,
}

/// Room for the events of an ordinary sale, so that recording one moves nothing.
const EVENTS_EXPECTED: usize = 48;
/// The same of what it writes to its journal.
const WRITES_EXPECTED: usize = 8;

impl Recorder {
    /// A recorder whose run begins now.
    pub fn start() -> Self {
        Self::with(Stopwatch::start())
    }

    /// A recorder of a run that a stopwatch measures.
    pub fn with(stopwatch: Stopwatch) -> Self {
        let (events, writes) = (Vec::with_capacity(EVENTS_EXPECTED), Vec::with_capacity(WRITES_EXPECTED));
        let trace = Trace { events, writes, ..Trace::default() };
        let record = Record { incarnation: 1, trace, ..Record::default() };
        Self { record: Arc::new(Mutex::new(record)), stopwatch }
    }

    /// Time since the run began.
    pub fn now(&self) -> Duration {
        self.stopwatch.elapsed()
    }

    /// The instant that is so far ahead.
    pub fn ahead(&self, span: Duration) -> Instant {
        self.stopwatch.ahead(span)
    }

    /// The record, locked.
    pub fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("no holder of the record panics")
    }

    /// Notes what came out of the system.
    pub fn hear(&self, channel: Channel, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let trace = &mut self.lock().trace;
        let at = trace.events.len();
        trace.heard.push(Heard { channel, at, text });
    }

    /// Appends an event that happens now.
    pub fn push(&self, kind: EventKind) {
        let now = self.now();
        self.lock().push(now, kind);
    }

    /// Appends an event of one process of the system that happens now.
    pub fn push_in(&self, incarnation: u32, kind: EventKind) {
        let now = self.now();
        self.lock().push_in(incarnation, now, kind);
    }

    /// Takes the record out, at the end of a run.
    pub fn finish(&self) -> Record {
        std::mem::take(&mut *self.lock())
    }
}

/// A provider's name as an array index.
pub const fn provider_index(provider: Provider) -> usize {
    match provider {
        Provider::Payment => 0,
        Provider::Catalog => 1,
        Provider::Inventory => 2,
    }
}
