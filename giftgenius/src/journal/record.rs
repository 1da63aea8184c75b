//! What is kept: the kinds of record, their keys, and the few states by which they are listed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkout::entry::{Entry, EntryKey, EntryState};
use crate::checkout::order::Order;
use crate::checkout::session::Session;
use crate::ids::{EventId, OrderId, SessionId, WorkflowId};
use crate::operations::switches::Switches;
use crate::webhooks::record::{SeenEvent, UnknownPayment};
use crate::workflow::Workflow;

/// The key of a record; its text form is `kind/id`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A checkout session.
    Session(SessionId),
    /// An order and its saga.
    Order(OrderId),
    /// An idempotency entry.
    Entry(EntryKey),
    /// A workflow.
    Workflow(WorkflowId),
    /// The one record of operational switches.
    Switches,
    /// An event of the payment provider's that was taken in.
    Event(EventId),
    /// Payments under a reference that is no order's.
    Payment(OrderId),
}

impl Key {
    /// The kind, as stored.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::Order(_) => "order",
            Self::Entry(_) => "entry",
            Self::Workflow(_) => "workflow",
            Self::Switches => "switches",
            Self::Event(_) => "event",
            Self::Payment(_) => "payment",
        }
    }

    /// The id within the kind, as stored; unambiguous for every key.
    pub fn id(&self) -> String {
        match self {
            Self::Session(id) => id.to_string(),
            Self::Order(id) => id.to_string(),
            Self::Entry(key) => key.to_text(),
            Self::Workflow(id) => id.to_string(),
            Self::Switches => String::from("switches"),
            Self::Event(id) => id.to_string(),
            Self::Payment(reference) => reference.to_string(),
        }
    }

    /// Whether `record` is kept under this key.
    pub fn names(&self, record: &Record) -> bool {
        match (self, record) {
            (Self::Session(id), Record::Session(session)) => *id == session.id,
            (Self::Order(id), Record::Order(order)) => *id == order.id,
            (Self::Entry(key), Record::Entry(entry)) => *key == entry.key,
            (Self::Workflow(id), Record::Workflow(workflow)) => *id == workflow.id,
            (Self::Switches, Record::Switches(_)) => true,
            (Self::Event(id), Record::Event(event)) => *id == event.id,
            (Self::Payment(reference), Record::Payment(payment)) => *reference == payment.reference,
            (
                Self::Session(_)
                | Self::Order(_)
                | Self::Entry(_)
                | Self::Workflow(_)
                | Self::Switches
                | Self::Event(_)
                | Self::Payment(_),
                Record::Session(_)
                | Record::Order(_)
                | Record::Entry(_)
                | Record::Workflow(_)
                | Record::Switches(_)
                | Record::Event(_)
                | Record::Payment(_),
            ) => false,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.id())
    }
}

/// A kept record.
#[expect(clippy::large_enum_variant, reason = "a record lives behind an `Arc`; a box inside would be a second one")]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A checkout session.
    Session(Session),
    /// An order and its saga.
    Order(Order),
    /// An idempotency entry.
    Entry(Entry),
    /// A workflow.
    Workflow(Workflow),
    /// The operational switches.
    Switches(Switches),
    /// An event of the payment provider's that was taken in.
    Event(SeenEvent),
    /// Payments under a reference that is no order's.
    Payment(UnknownPayment),
}

/// The states by which records are listed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RecordState {
    /// An order whose saga has work left, or whose charges have to be looked at again.
    OrderOpen,
    /// An order that waits for a person.
    OrderParked,
    /// Payments that belong to no order and wait for a person.
    PaymentParked,
    /// Anything else: never listed.
    Quiet,
}

impl RecordState {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderOpen => "order_open",
            Self::OrderParked => "order_parked",
            Self::PaymentParked => "payment_parked",
            Self::Quiet => "quiet",
        }
    }
}

impl Record {
    /// Under which key it is kept.
    pub fn key(&self) -> Key {
        match self {
            Self::Session(session) => Key::Session(session.id.clone()),
            Self::Order(order) => Key::Order(order.id.clone()),
            Self::Entry(entry) => Key::Entry(entry.key.clone()),
            Self::Workflow(workflow) => Key::Workflow(workflow.id.clone()),
            Self::Switches(_) => Key::Switches,
            Self::Event(event) => Key::Event(event.id.clone()),
            Self::Payment(payment) => Key::Payment(payment.reference.clone()),
        }
    }

    /// By which state it is listed.
    pub fn state(&self) -> RecordState {
        match self {
            Self::Order(order) if order.is_parked() => RecordState::OrderParked,
            Self::Order(order) if order.has_work() => RecordState::OrderOpen,
            Self::Payment(_) => RecordState::PaymentParked,
            Self::Order(_)
            | Self::Session(_)
            | Self::Entry(_)
            | Self::Workflow(_)
            | Self::Switches(_)
            | Self::Event(_) => RecordState::Quiet,
        }
    }

    /// When it may be dropped; `None`: never. An entry in progress never is, whatever it says of itself: without it,
    /// a repeated call would buy again.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Self::Entry(entry) if !matches!(entry.state, EntryState::InProgress { .. }) => entry.expires_at(),
            Self::Event(event) => Some(event.drop_after),
            Self::Session(session) => session.drop_after,
            Self::Workflow(workflow) => workflow.drop_after,
            Self::Entry(_) | Self::Order(_) | Self::Switches(_) | Self::Payment(_) => None,
        }
    }
}
