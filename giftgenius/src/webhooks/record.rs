//! What is kept of events: which were taken in, and payments that belong to no order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::EventType;
use crate::ids::{EventId, OrderId};

/// An event that was taken in. Written in the batch that takes it in, so that none is taken in twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeenEvent {
    /// The event.
    pub id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The merchant reference that it happened under.
    pub reference: OrderId,
    /// When it was taken in.
    pub seen_at: Timestamp,
    /// When it may be dropped: long after the provider has stopped redelivering it.
    pub drop_after: Timestamp,
}

/// Payments under a reference that is no order's: kept until a person has seen to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnknownPayment {
    /// The merchant reference.
    pub reference: OrderId,
    /// When the first event about it came.
    pub since: Timestamp,
    /// What stands and what to do, in one sentence.
    pub note: String,
    /// Whether a person has been called to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alerted: bool,
}
