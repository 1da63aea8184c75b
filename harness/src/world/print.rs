//! Prints: everything that a run's future hangs on, boiled down, so that exploration extends only one of several runs
//! that have the same future.
//!
//! A print is taken once a run, if it is asked for, after the last fault of the plan has done what it does: when the
//! system has observed what came of it, or when it has been started again after it crashed. It holds what outlives that
//! moment: the instant, the providers, the journal, the clocks, the whole record so far; and where the process lives on,
//! every byte that came back. Of the faults themselves it holds only what oracles judge by. Where something is on its
//! way that it does not hold, there is no print.

use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hasher as _};

use crate::fault::plan::Planned;
use crate::fault::{Circumstance, Fault, RetryAfter};
use crate::trace::{Event, EventKind, ExchangeId, Record, Sent};

/// The print of a run at the moment after its last fault.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Print {
    /// After a reply or its lack. What the process remembers is not in it: it compares runs that were the same until the
    /// fault, and have observed the same since.
    Observed(u128),
    /// After a restart of the only process there is, which remembers nothing.
    Restarted(u128),
}

/// Where text goes to become a number.
#[derive(Debug)]
pub struct Ink(DefaultHasher, DefaultHasher);

impl Ink {
    /// Nothing written.
    pub fn new() -> Self {
        let mut second = DefaultHasher::new();
        second.write_u8(1);
        Self(DefaultHasher::new(), second)
    }

    /// What everything written so far comes to.
    pub fn dry(&self) -> u128 {
        u128::from(self.0.finish()) << 64 | u128::from(self.1.finish())
    }
}

impl Default for Ink {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Ink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}

/// The making of a print.
#[derive(Debug, Default)]
pub(super) enum Printing {
    /// Nobody asked for one.
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
    /// A fault strikes, the last of the plan if `last`.
    pub(super) fn strike(&mut self, last: bool, fault: &Fault, exchange: Option<ExchangeId>) {
        if !last || !matches!(self, Self::Before(_)) {
            return;
        }
        let Self::Before(observed) = std::mem::take(self) else { return };
        let crash = matches!(fault, Fault::Crash(_));
        // What goes on after the reply has come, or strikes no request, is not observed at one moment.
        let exchange = exchange.filter(|_| !crash && !matches!(fault, Fault::HangUp));
        *self = if crash || exchange.is_some() { Self::Struck { observed, exchange, crash } } else { Self::Done(None) };
    }

    /// Something came back.
    pub(super) fn observe(&mut self, what: fmt::Arguments<'_>) {
        match self {
            Self::Before(observed) | Self::Struck { observed, .. } => {
                observed.write_fmt(what).expect("ink takes everything");
            }
            Self::Off | Self::Done(_) => {}
        }
    }
}

/// Writes all of a record that the future hangs on.
pub(super) fn record(ink: &mut Ink, record: &Record) -> fmt::Result {
    write!(ink, "{} {:?}", record.incarnation, record.ledger)?;
    let mut effectful = Vec::new();
    for event in &record.trace.events {
        if let EventKind::Sent(sent) = &event.kind
            && sent.operation.effectful
        {
            effectful.push(sent.exchange);
        }
        // What a delivery changed is an effect of its own; one that changed nothing leaves nothing behind.
        if !matches!(&event.kind, EventKind::Delivered { exchange, .. } if effectful.contains(exchange)) {
            self::event(ink, event)?;
        }
    }
    Ok(())
}

fn event(ink: &mut Ink, event: &Event) -> fmt::Result {
    write!(ink, "|{:?} {} ", event.at, event.incarnation)?;
    match &event.kind {
        EventKind::Sent(sent) => self::sent(ink, sent),
        // That it crashed is an event of its own.
        EventKind::Struck { fault: Fault::Crash(_), .. } => Ok(()),
        other => write!(ink, "{other:?}"),
    }
}

/// A request without its site and its fault, but for what an oracle asks of the fault: whether there was one, whether it
/// named a date, and whether its key was forgotten.
fn sent(ink: &mut Ink, sent: &Sent) -> fmt::Result {
    let Sent { exchange, site: _, operation, key, correlation, step, reference, amount, fault } = sent;
    let by_date = matches!(
        fault,
        Some(Fault::Status(_, Some(RetryAfter::Date(_))) | Fault::StatusAfter(_, Some(RetryAfter::Date(_))))
    );
    let struck = fault.is_some();
    let forgotten = matches!(fault, Some(Fault::Circumstance(Circumstance::KeyExpired)));
    write!(
        ink,
        "{exchange:?} {} {key:?} {correlation} {step:?} {reference:?} {amount:?} {struck} {by_date} {forgotten}",
        operation.label
    )
}

/// Writes what of a plan still lies ahead: what goes wrong over time, and what has not fired.
pub(super) fn ahead(ink: &mut Ink, plan: &[Planned], fired: &[bool], arrivals: &[u32]) -> fmt::Result {
    let mut waiting = false;
    for (planned, fired) in plan.iter().zip(fired) {
        match planned {
            Planned::Over(..) => write!(ink, "|{planned}")?,
            Planned::At(..) if !fired => {
                waiting = true;
                write!(ink, "|{planned}")?;
            }
            Planned::At(..) => {}
        }
    }
    // Where a fault waits for its site, it matters how often the place has come.
    if waiting { write!(ink, "|{arrivals:?}") } else { Ok(()) }
}
