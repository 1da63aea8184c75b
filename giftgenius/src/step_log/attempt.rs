//! One attempt at a provider: what was asked, what came of it, and how long until the next.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Level;
use crate::ids::CorrelationId;

/// What came of an attempt, as far as a client can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The reply that was promised.
    Ok,
    /// A whole reply with another status than 2xx; `status` says which.
    Status,
    /// No connection was made.
    NotSent,
    /// No reply within the attempt's time-out.
    TimedOut,
    /// The connection broke before a reply.
    Broken,
    /// A reply began and was cut short.
    Cut,
    /// A 2xx whose body is not what was promised.
    Unreadable,
    /// A 2xx that can be read and contradicts the request or itself.
    Contradicts,
    /// The caller stopped waiting while it was on its way.
    Abandoned,
}

/// Who waits for an attempt, and so what may end its repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptUrgency {
    /// A caller; the retry budget counts.
    Caller,
    /// An undo that a caller may wait for; the budget does not count.
    Undo,
    /// A round in the background.
    Background,
}

/// One attempt at a provider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttemptLine {
    /// `provider_attempt`.
    pub event: Cow<'static, str>,
    /// `info` for a reply that was promised, else `warn`.
    pub level: Level,
    /// The operation's label: `payment.charge`.
    pub operation: Cow<'static, str>,
    /// How often this operation has been asked for in this round of attempts, from 1.
    pub number: u32,
    /// Who waits for it.
    pub urgency: AttemptUrgency,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// The status of a whole reply.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// How long the provider asked to be left alone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_ms: Option<u64>,
    /// How long until the next attempt; absent where none follows in this round.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_ms: Option<u64>,
    /// The key sent to the provider.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider_key: Option<SmolStr>,
    /// Ties the line to the call or the order.
    pub correlation_id: CorrelationId,
    /// When it ended, in UTC.
    pub time: jiff::Timestamp,
}
