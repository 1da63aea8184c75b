//! The journal on disk, for production: one SQLite file in WAL mode that several processes may have open.
//!
//! The connection lives on a thread of its own and takes jobs over a channel. SQLite has one writer and this handle one
//! connection, so a pool of blocking threads would only queue at a mutex; a thread keeps callers in the order in which
//! they came, needs no async runtime (the command line uses the journal too), and ends with the journal, file closed.
//! Opening is in `file`, statements and their errors in `rows`.

mod file;
mod rows;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Batch, CommitError, Journal, JournalError, Key, RecordState, Stored};
use crate::ports::BoxFuture;

/// How long a job waits for another process's lock before it answers [`JournalError::Busy`]. Commits take milliseconds;
/// a lock held this long is a process that hangs, and a tool call must still have time to say so.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A journal in a file. Durable when a commit returns; safe against other handles and other processes.
#[derive(Debug)]
pub struct SqliteJournal {
    /// `None` only while it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteJournal {
    /// Opens the journal at `path`, making the file where there is none (its directory must exist). Refuses, unchanged,
    /// a file that is not a journal or that a newer version has written.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_waiting(path, BUSY_WAIT_MAX)
    }

    fn open_waiting(path: &Path, busy_wait: Duration) -> Result<Self, JournalError> {
        let mut connection = file::open(path, busy_wait)?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        let work = move || {
            for job in inbox {
                job(&mut connection);
            }
        };
        let thread = Builder::new()
            .name(String::from("journal"))
            .spawn(work)
            .map_err(|error| JournalError::Other(format!("its thread could not be started: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Takes the write-ahead log into the file, so that a copy of the file alone is whole. Waits like any job for
    /// another process's lock; a log that another process still reads is taken in as far as it can be.
    pub async fn checkpoint(&self) -> Result<(), JournalError> {
        self.run(|connection| rows::checkpoint(connection)).await
    }

    /// Runs a job on the connection's thread. A job that was sent is done even if nobody waits for its answer.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        // The thread ends early only by a panic in a job; the journal then answers no one, and no sale begins.
        let gone = || JournalError::Other(String::from("its thread has ended"));
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone.
            let _ = reply.send(work(connection));
        });
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Journal for SqliteJournal {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Stored>, JournalError>> {
        let key = key.clone();
        Box::pin(self.run(move |connection| rows::get(connection, &key)))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            batch.check()?;
            match self.run(move |connection| rows::commit(connection, &batch)).await? {
                Some(conflict) => Err(CommitError::Conflict(conflict)),
                None => Ok(()),
            }
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(self.run(move |connection| rows::list(connection, state)))
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(self.run(move |connection| rows::drop_expired(connection, now)))
    }
}

impl Drop for SqliteJournal {
    /// Waits for the job in hand, so that the file is closed when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in a job was already shown to whoever asked for it.
            let _ = thread.join();
        }
    }
}
