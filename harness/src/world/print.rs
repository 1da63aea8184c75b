//! Prints: everything that a run's future hangs on, boiled down, so that exploration extends only one of several runs
//! that have the same future.
//!
//! A print is taken once a run, if it is asked for, after the last fault of the plan has done what it does: when the
//! system has observed what came of it, or when it has been started again after it crashed. It holds what outlives that
//! moment: the instant, the providers, the journal, the clocks, the whole record so far; and where the process lives on,
//! every byte that came back. Of the faults themselves it holds only what oracles judge by. Where something is on its
//! way that it does not hold, there is no print.

use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::mem;

use serde::Serialize;

use crate::fault::plan::Planned;
use crate::fault::{Circumstance, Fault, Faults};
use crate::provider::ledger::Ledger;
use crate::trace::{CallStarted, Event, EventKind, ExchangeId, HostReply, Malformed, Record, Sent};

/// The print of a run at the moment after its last fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Print {
    /// After a reply or its lack. What the process remembers is not in it: it compares runs that were the same until the
    /// fault, and have observed the same since.
    Observed(u128),
    /// After a restart of the only process there is, which remembers nothing.
    Restarted(u128),
}

/// Where state goes to become a number. What is hashed into it is kept as bytes and boiled down at once: most of a state
/// is small pieces, and hashing each by itself costs more than everything else about a print.
#[derive(Debug, Default)]
pub struct Ink(Vec<u8>);

impl Ink {
    /// Nothing written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what can be kept and read again, and is therefore whole as JSON.
    pub fn json(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.0, value).expect("a record, a log line, an answer: all are told as JSON");
        // No JSON holds this byte, so that none can be taken for two.
        self.0.push(u8::MAX);
    }

    /// The print of everything written so far.
    pub fn dry(&self) -> u128 {
        u128::from(self.half(0)) << 64 | u128::from(self.half(1))
    }

    fn half(&self, which: u8) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(which);
        hasher.write(&self.0);
        hasher.finish()
    }
}

impl Hasher for Ink {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        self.half(0)
    }
}

/// The making of a print.
#[derive(Debug, Default)]
pub(super) enum Printing {
    /// None was requested.
    #[default]
    Off,
    /// Every byte that came back so far; the last fault has not struck.
    Before(Ink),
    /// The last fault has struck.
    Struck {
        /// Every byte that came back so far.
        observed: Ink,
        /// The request that it struck, where it is observed by what comes back.
        exchange: Option<ExchangeId>,
        /// Whether it kills the process.
        crash: bool,
    },
    /// It is there, or there is none.
    Done(Option<Print>),
}

impl Printing {
    /// The faults of a site strike, the last of the plan among them if `last`.
    pub(super) fn strike(&mut self, last: bool, faults: &Faults, exchange: Option<ExchangeId>) {
        if !last || !matches!(self, Self::Before(_)) {
            return;
        }
        let Self::Before(observed) = std::mem::take(self) else { return };
        let crash = faults.any(|fault| matches!(fault, Fault::Crash(_)));
        // What goes on after the reply has come, or strikes no request, is not observed at one moment.
        let exchange = exchange.filter(|_| !crash && !faults.has(&Fault::HangUp));
        *self = if crash || exchange.is_some() { Self::Struck { observed, exchange, crash } } else { Self::Done(None) };
    }

    /// Something came back.
    pub(super) fn observe(&mut self, what: impl FnOnce(&mut Ink)) {
        match self {
            Self::Before(observed) | Self::Struck { observed, .. } => what(observed),
            Self::Off | Self::Done(_) => {}
        }
    }
}

/// Writes all of a record that the future hangs on.
pub(super) fn record(ink: &mut Ink, record: &Record) {
    // Each effect is an event of its own.
    let Ledger { effects: _, opening_stock, closing_stock } = &record.ledger;
    (record.incarnation, opening_stock, closing_stock).hash(ink);
    let mut effectful = Vec::new();
    for event in &record.trace.events {
        if let EventKind::Sent(sent) = &event.kind
            && sent.operation.effectful
        {
            effectful.push(sent.exchange);
        }
        // What a delivery changed is an effect of its own; one that changed nothing leaves nothing behind.
        if !matches!(&event.kind, EventKind::Delivered { exchange, .. } if effectful.contains(exchange)) {
            self::event(ink, event);
        }
    }
}

fn event(ink: &mut Ink, event: &Event) {
    (event.at, event.incarnation, mem::discriminant(&event.kind)).hash(ink);
    match &event.kind {
        EventKind::CallStarted(started) => call(ink, started),
        EventKind::CallEnded { call, reply } => {
            call.hash(ink);
            self::reply(ink, reply);
        }
        EventKind::Sent(sent) => self::sent(ink, sent),
        // Only what has an effect is answered from a key.
        EventKind::Delivered { exchange, status, replay_of: _ } => (exchange, status).hash(ink),
        EventKind::Effect(effect) => effect.hash(ink),
        EventKind::Answered { exchange, seen } => (exchange, seen).hash(ink),
        EventKind::Log(line) => ink.json(line),
        // That it crashed is an event of its own.
        EventKind::Crashed | EventKind::Restarted => {}
        EventKind::Struck { fault, .. } if matches!(**fault, Fault::Crash(_)) => {}
        EventKind::Struck { site, fault } => (site, fault).hash(ink),
        EventKind::Webhook(delivery) => delivery.hash(ink),
        EventKind::Switched { checkout } => checkout.hash(ink),
    }
}

fn call(ink: &mut Ink, started: &CallStarted) {
    let CallStarted { call, step, tool, arguments, key, user, correlation, intent, malformed } = started;
    (call, step, tool, key, user, correlation, intent).hash(ink);
    ink.json(arguments);
    malformed.is_some().hash(ink);
    if let Some(malformed) = malformed {
        let Malformed { label, tool, meant, remedy, turn } = &**malformed;
        (label, tool, remedy, turn).hash(ink);
        ink.json(meant);
    }
}

fn reply(ink: &mut Ink, reply: &HostReply) {
    mem::discriminant(reply).hash(ink);
    match reply {
        HostReply::Tool { structured, is_error } => {
            is_error.hash(ink);
            ink.json(structured);
        }
        HostReply::Protocol { code, message } => (code, message).hash(ink),
        HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => {}
    }
}

/// A request without its site and its fault, but for what an oracle asks of the fault: whether there was one, whether it
/// named a date, whether its key was forgotten, and whether the listing was an old one.
fn sent(ink: &mut Ink, sent: &Sent) {
    let Sent {
        exchange,
        site: _,
        operation,
        key,
        correlation,
        step,
        reference,
        amount,
        currency,
        customer,
        question,
        faults,
    } = sent;
    let by_date = sent.asks_by_date();
    let struck = faults.is_some();
    let forgotten = faults.has(&Fault::Circumstance(Circumstance::KeyExpired));
    let stale = faults.has(&Fault::Circumstance(Circumstance::Stale));
    (exchange, operation, key, correlation, step, reference, amount, currency, customer).hash(ink);
    (question, struck, by_date, forgotten, stale).hash(ink);
}

/// Writes what of a plan still lies ahead: what goes wrong over time, and what has not fired.
pub(super) fn ahead(ink: &mut Ink, plan: &[Planned], fired: &[bool], arrivals: &[u32]) {
    let mut waiting = false;
    for (planned, fired) in plan.iter().zip(fired) {
        match planned {
            Planned::Over(..) => planned.to_string().hash(ink),
            Planned::At(..) if !fired => {
                waiting = true;
                planned.to_string().hash(ink);
            }
            Planned::At(..) => {}
        }
    }
    // Where a fault waits for its site, it matters how often the place has come.
    if waiting {
        arrivals.hash(ink);
    }
}
