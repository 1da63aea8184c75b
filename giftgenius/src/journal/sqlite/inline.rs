//! The rows of the journal on disk, on one connection in memory that is used where it is called.
//!
//! It shares its statements, bodies and checks with [`SqliteJournal`](super::SqliteJournal). It has no file, and therefore no
//! threads, locks or durability: every method returns with its work done, which a paused clock needs.

use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use rusqlite::Connection;

use super::{file, rows};
use crate::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use crate::ports::BoxFuture;

/// A journal in SQLite that lives as long as this value, and whose methods do their work before they return.
///
/// ```
/// use giftgenius::journal::sqlite::InlineJournal;
/// use giftgenius::journal::{Batch, Key};
///
/// let journal = InlineJournal::open()?;
/// journal.write(&Batch::default())?;
/// assert!(journal.read(&Key::Switches)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InlineJournal {
    connection: Mutex<Connection>,
}

impl InlineJournal {
    /// An empty journal.
    ///
    /// # Errors
    ///
    /// What SQLite says if it cannot set one up, which takes memory and nothing else.
    pub fn open() -> Result<Self, JournalError> {
        Ok(Self { connection: Mutex::new(file::open_in_memory()?) })
    }

    /// Reads one record. As [`Journal::get`].
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] for a row whose columns do not agree with its body.
    pub fn read(&self, key: &Key) -> Result<Option<Stored>, JournalError> {
        rows::get(&self.connection(), key)
    }

    /// Applies a batch. As [`Journal::commit`].
    ///
    /// # Errors
    ///
    /// [`CommitError::Conflict`] where a record is not in the version that was expected: nothing is written then.
    pub fn write(&self, batch: &Batch) -> Result<(), CommitError> {
        batch.check()?;
        match rows::commit(&mut self.connection(), batch)? {
            Some(conflict) => Err(CommitError::Conflict(conflict)),
            None => Ok(()),
        }
    }

    /// All records in a state. As [`Journal::list`].
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] for a row whose columns do not agree with its body.
    pub fn all(&self, state: RecordState) -> Result<Vec<Stored>, JournalError> {
        rows::list(&self.connection(), state)
    }

    /// What a health page shows. As [`Journal::overview`].
    ///
    /// # Errors
    ///
    /// [`JournalError::Corrupt`] for switches whose columns do not agree with their body.
    pub fn glance(&self) -> Result<Overview, JournalError> {
        rows::overview(&mut self.connection())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("nothing panics while it holds the connection")
    }
}

// As of the journal in memory: a future does its work when it is first polled and is then ready.
impl Journal for InlineJournal {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async move { self.read(key) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.write(&batch) })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move { self.all(state) })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        Box::pin(async move { self.glance() })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { rows::probe(&mut self.connection()) })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async move { rows::drop_expired(&mut self.connection(), now) })
    }
}
