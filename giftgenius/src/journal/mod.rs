//! The durable store: versioned records, changed in batches that apply whole or not at all.
//!
//! One mechanism carries everything that must survive a crash or be decided once among concurrent callers: a batch
//! names for each record the version it was read at, and fails with [`CommitError::Conflict`] if any has moved on.
//! Checks and sets are therefore one act, and a lost lease shows as a conflict (the fence of an order is its version).
//! Two implementations, held to one conformance test: [`memory`] and [`sqlite`] (in a file, and inline in memory).

pub mod memory;
pub mod record;
pub mod sqlite;
pub mod watched;

#[cfg(test)]
pub(crate) mod conformance;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

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
    /// A store that has not begun to write by then refuses, with [`JournalError::Busy`] and nothing written; `None`: it
    /// never does. Whoever waits for the answer sets it; the owner of a saga, who has to write in any case, does not.
    pub until: Option<Instant>,
}

impl Batch {
    /// Adds a write of `record`, which must be at `expected` (or absent for `None`).
    #[must_use]
    pub fn put(mut self, expected: Option<Version>, record: impl Into<Arc<Record>>) -> Self {
        let record = record.into();
        self.writes.push(Write { key: record.key(), expected, record });
        self
    }

    /// The same batch, refused where it has not been begun by `until`.
    #[must_use]
    pub fn until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }

    /// Refuses a batch that no caller means: one that writes a key twice (which of the two would stand?), or a record
    /// under a key that is not its own (it could never be read back). Both are bugs, caught before anything is written.
    fn check(&self) -> Result<(), JournalError> {
        for (index, write) in self.writes.iter().enumerate() {
            if self.writes[..index].iter().any(|earlier| earlier.key == write.key) {
                return Err(JournalError::Other(format!("a batch writes {} twice", write.key)));
            }
            if !write.key.names(&write.record) {
                return Err(JournalError::Other(format!("a batch writes {} under {}", write.record.key(), write.key)));
            }
        }
        Ok(())
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
    /// It took longer than whoever asked could wait: whether it was written is not known.
    #[error("the journal takes too long")]
    Late,
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

/// What a health page shows of a journal.
#[derive(Clone, Debug)]
pub struct Overview {
    /// How many orders have work left.
    pub open: usize,
    /// How many orders wait for a person.
    pub parked: usize,
    /// The record of the switches, where they were ever turned.
    pub switches: Option<Stored>,
}

/// A durable store of versioned records.
///
/// A write that was handed over goes on when the caller's future is dropped, so a caller that gave up must read before
/// it concludes anything. Two handles on one store are two replicas: each sees what the other has committed.
pub trait Journal: Send + Sync {
    /// Reads one record.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>>;

    /// Applies a batch: all writes or none; durable when it returns. A key that stands twice in it is refused.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>>;

    /// All records in a state, ordered by key; none for [`RecordState::Quiet`].
    ///
    /// One unreadable record fails the whole list and is named ([`JournalError::Corrupt`]): a list without it would
    /// look complete, and the sale it holds would be neither settled nor seen by anybody.
    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>>;

    /// What a health page shows. A store that can tell it without reading the orders does.
    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        Box::pin(async {
            let open = self.list(RecordState::OrderOpen).await?.len();
            let parked = self.list(RecordState::OrderParked).await?.len();
            Ok(Overview { open, parked, switches: self.get(&Key::Switches).await? })
        })
    }

    /// Writes durably and changes no record: whether the store takes a write now.
    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async {
            match self.commit(Batch::default()).await {
                Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
                Err(CommitError::Store(error)) => Err(error),
            }
        })
    }

    /// Drops what has expired by `now` and answers how many records that were; never an open or parked order, never an
    /// entry in progress. Expiry counts in whole seconds: a record may stay up to a second too long, never too short.
    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>>;
}
