//! The journal on disk, for production: one SQLite file in WAL mode that several processes may have open.
//!
//! SQLite has one writer, and in WAL mode readers wait for nobody. So there are two connections, each on a thread of its
//! own (`queue`): one for what writes, one for what reads. Only a read of what an abandoned call is still writing queues
//! behind that write. Opening is in `file`, what a lost or damaged log looks like in `log`, statements and their errors in
//! `rows`; `inline` has the same rows in memory and without a thread.

mod file;
mod inline;
mod log;
mod queue;
mod rows;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::time::Instant;

pub use self::inline::InlineJournal;
use self::queue::{Begin, Queue};
use super::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use crate::ports::BoxFuture;

/// How long a job waits for another process's lock, its time in the queue included, before it answers
/// [`JournalError::Busy`]. Commits take milliseconds; a lock held this long is a process that hangs, and a tool call must
/// still have time to say so.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a probe waits for its turn and for another process's lock.
const PROBE_WAIT: Duration = Duration::from_millis(250);

/// A journal in a file. Durable when a commit returns; safe against other handles and other processes.
#[derive(Debug)]
pub struct SqliteJournal {
    // Dropped, and so closed, before the writer, which is the last to leave the file.
    reader: Queue,
    writer: Queue,
    busy_wait: Duration,
    abandoned: Abandoned,
}

impl SqliteJournal {
    /// Opens the journal at `path`, making the file where there is none (its directory must exist). Refuses, unchanged,
    /// a file that is not a journal, that a newer version has written, or whose write-ahead log is lost or damaged.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_waiting(path, BUSY_WAIT_MAX)
    }

    fn open_waiting(path: &Path, busy_wait: Duration) -> Result<Self, JournalError> {
        let (writing, reading) = file::open(path, busy_wait)?;
        let writer = Queue::of(writing, "journal", move |connection| rows::leave(connection, busy_wait))?;
        let reader = Queue::of(reading, "journal-reads", |_| ())?;
        Ok(Self { reader, writer, busy_wait, abandoned: Abandoned::default() })
    }

    /// Takes the write-ahead log into the file, so that a copy of the file alone is whole. Waits like any job for
    /// another process's lock; a log that another process still reads is taken in as far as it can be.
    pub async fn checkpoint(&self) -> Result<(), JournalError> {
        self.write(Begin::Whenever, rows::close).await
    }

    async fn write<T: Send + 'static>(
        &self,
        begin: Begin,
        work: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.writer.run(begin, self.busy_wait, work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        behind_writes: bool,
        work: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let queue = if behind_writes { &self.writer } else { &self.reader };
        queue.run(Begin::Until(self.soon()), self.busy_wait, work).await
    }

    /// Until when what a caller waits for may begin.
    fn soon(&self) -> Instant {
        Instant::now() + self.busy_wait.max(BUSY_WAIT_MAX)
    }
}

impl Journal for SqliteJournal {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Stored>, JournalError>> {
        let key = key.clone();
        Box::pin(async move {
            let behind_writes = self.abandoned.any_of(|keys| keys.contains(&key));
            self.read(behind_writes, move |connection| rows::get(connection, &key)).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            batch.check()?;
            let begin = batch.until.map_or(Begin::Whenever, |until| Begin::Until(until.min(self.soon())));
            let (watch, written) = self.abandoned.watch(&batch);
            let work = move |connection: &mut Connection| {
                let _written = written;
                rows::commit(connection, &batch)
            };
            let done = self.write(begin, work).await;
            watch.awaited();
            match done? {
                Some(conflict) => Err(CommitError::Conflict(conflict)),
                None => Ok(()),
            }
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            let behind_writes = self.abandoned.any_of(|_| true);
            self.read(behind_writes, move |connection| rows::list(connection, state)).await
        })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        // Never behind a write: a health page does not wait for one that hangs.
        Box::pin(self.read(false, rows::overview))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(self.writer.run(Begin::Until(Instant::now() + PROBE_WAIT), PROBE_WAIT, rows::probe))
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(self.write(Begin::Whenever, move |connection| rows::drop_expired(connection, now)))
    }
}

/// Writes that were handed over, whose callers are gone, and that have not ended: what they write is read behind them, so
/// that a caller that gave up learns what has become of its write.
#[derive(Clone, Debug, Default)]
struct Abandoned(Arc<Mutex<Vec<Write>>>);

#[derive(Debug)]
struct Write {
    number: usize,
    keys: Vec<Key>,
    is_abandoned: bool,
}

impl Abandoned {
    fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.0.lock().expect("nothing panics while it holds the writes")
    }

    fn any_of(&self, of: impl Fn(&[Key]) -> bool) -> bool {
        self.writes().iter().any(|write| write.is_abandoned && of(&write.keys))
    }

    /// Watches a write: by the first its caller is known to wait, by the second it ends, done or refused.
    fn watch(&self, batch: &Batch) -> (Waiting, Written) {
        let mut writes = self.writes();
        let number = writes.last().map_or(0, |last| last.number + 1);
        let keys = batch.writes.iter().map(|write| write.key.clone()).collect();
        writes.push(Write { number, keys, is_abandoned: false });
        (Waiting { of: self.clone(), number, is_over: false }, Written { of: self.clone(), number })
    }
}

struct Waiting {
    of: Abandoned,
    number: usize,
    is_over: bool,
}

impl Waiting {
    fn awaited(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over
            && let Some(write) = self.of.writes().iter_mut().find(|write| write.number == self.number)
        {
            write.is_abandoned = true;
        }
    }
}

struct Written {
    of: Abandoned,
    number: usize,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.of.writes().retain(|write| write.number != self.number);
    }
}
