//! The idempotency entry: what was asked under a caller's key, and what it was answered (F4).

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::ids::{OrderId, UserId};

/// The tool whose keys take orders back.
pub const CANCEL_ORDER: &str = "cancel_order";

/// A caller's key, scoped to user and tool: two people may use one word.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct EntryKey {
    /// Whose.
    pub user: UserId,
    /// The tool's name.
    pub tool: Cow<'static, str>,
    /// The caller's `idempotency_key`.
    pub key: SmolStr,
}

impl EntryKey {
    /// Whether its caller took an order back.
    pub fn is_of_a_cancellation(&self) -> bool {
        self.tool == CANCEL_ORDER
    }

    /// Unambiguous text: each part is prefixed with its length, so that no separator can be forged.
    pub fn to_text(&self) -> String {
        format!("{}:{}{}:{}{}", self.user.as_str().len(), self.user, self.tool.len(), self.tool, self.key)
    }
}

/// A tool's answer as it is replayed: byte for byte the same structured content.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedReply {
    /// The structured content.
    pub structured: Value,
    /// Whether it was an error.
    pub is_error: bool,
}

/// Where the request stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// An order carries it: its lease and fence say who works on it.
    InProgress {
        /// The order.
        order: OrderId,
    },
    /// Finished: replayed.
    Done {
        /// The answer.
        reply: SavedReply,
        /// When it was finished.
        ended_at: Timestamp,
    },
    /// Failed for good: replayed.
    FailedFinal {
        /// The answer.
        reply: SavedReply,
        /// When it was finished.
        ended_at: Timestamp,
    },
    /// Failed with nothing standing: the same key runs again, as a new order.
    FailedClean {
        /// When it was finished.
        ended_at: Timestamp,
    },
}

/// An idempotency entry, as journalled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Under which key.
    pub key: EntryKey,
    /// SHA-256 of the canonical parameters, in hexadecimal.
    pub parameters: SmolStr,
    /// Where it stands.
    pub state: EntryState,
    /// When it may be dropped: a retention after its terminal state, never while it is open.
    pub drop_after: Option<Timestamp>,
}

impl Entry {
    /// When it may be dropped; `None` while it is open.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.drop_after
    }
}
