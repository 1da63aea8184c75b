//! The durable store: versioned records, changed in batches that apply whole or not at all.
//!
//! One mechanism carries everything that must survive a crash or be decided once among concurrent callers: a batch
//! names for each record the version it was read at, and fails with [`CommitError::Conflict`] if any has moved on.
//! Checks and sets are therefore one act, and a lost lease shows as a conflict (the fence of an order is its version).
//! Two implementations, held to one conformance test: [`memory`] and [`sqlite`].

pub mod memory;
pub mod record;
pub mod sqlite;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

pub use record::{Key, Record, RecordState};

use crate::ports::BoxFuture;

/// How often a record has been written: 1 after the first time.
pub type Version = u64;

/// A record as read, with the version to write it back at.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The version read.
    pub version: Version,
    /// The record.
    pub record: Arc<Record>,
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// The version it must have now; `None`: it must not exist.
    pub expected: Option<Version>,
    /// What it becomes.
    pub record: Arc<Record>,
}

/// Writes that apply together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order in which they were added; a key stands at most once.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Adds a write of `record`, which must be at `expected` (or absent for `None`).
    #[must_use]
    pub fn put(mut self, expected: Option<Version>, record: Record) -> Self {
        self.writes.push(Write {
            key: record.key(),
            expected,
            record: Arc::new(record),
        });
        self
    }
}

/// The store could not answer; nothing is known to have been written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Locked by somebody else for longer than the store waits.
    #[error("the journal is busy")]
    Busy,
    /// No space is left.
    #[error("the journal's disk is full")]
    Full,
    /// A record could not be read back.
    #[error("the journal's record {0} is corrupt")]
    Corrupt(String),
    /// Anything else the store says.
    #[error("the journal failed: {0}")]
    Other(String),
}

/// Why a batch was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A record had moved on (or existed already); nothing was written.
    #[error("record {0} was changed by somebody else")]
    Conflict(Key),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// A durable store of versioned records.
pub trait Journal: Send + Sync {
    /// Reads one record.
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Stored>, JournalError>>;

    /// Applies a batch: all writes or none; durable when it returns.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>>;

    /// All records in a state, ordered by key.
    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>>;
}
