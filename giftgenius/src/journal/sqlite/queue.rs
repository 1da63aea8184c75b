//! A connection on a thread of its own that takes jobs over a channel, in the order in which they came.
//!
//! A job is late when its time to begin, or to be given another process's lock, has passed. One that has not begun by
//! then can be refused, and has certainly done nothing; one that has begun is awaited. Time runs from when a job is handed
//! over, so that jobs in a queue behind a lock wait together and not one after the other.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::rows;
use crate::journal::JournalError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread with its connection; ended, and the connection closed, when dropped.
#[derive(Debug)]
pub(super) struct Queue {
    /// `None` only while it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Until when a job may begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin {
    /// It is never refused.
    Whenever,
    /// Refused ([`JournalError::Busy`]) if it has not begun by then.
    Until(Instant),
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const REFUSED: u8 = 2;

/// Decides once whether a job is begun or refused.
#[derive(Debug, Default)]
struct Ticket(AtomicU8);

impl Ticket {
    fn take(&self, as_what: u8) -> bool {
        self.0.compare_exchange(QUEUED, as_what, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Queue {
    /// Takes the connection; `end` is done with it when the queue is dropped.
    pub(super) fn of(
        mut connection: Connection,
        name: &str,
        end: impl FnOnce(&mut Connection) + Send + 'static,
    ) -> Result<Self, JournalError> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let work = move || {
            for job in inbox {
                job(&mut connection);
            }
            end(&mut connection);
        };
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| JournalError::Other(format!("its thread could not be started: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job; one that was sent and not refused is done even if its caller is gone. It waits for another process's lock
    /// until `lock_wait` after now, and asks for it at least once.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        begin: Begin,
        lock_wait: Duration,
        work: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        // The thread ends early only by a panic in a job; the journal then answers no one, and no sale begins.
        let gone = || JournalError::Other(String::from("its thread has ended"));
        let (reply, mut answer) = oneshot::channel();
        let ticket = Arc::new(Ticket::default());
        let own = ticket.clone();
        let give_up = Instant::now() + lock_wait;
        let job: Job = Box::new(move |connection| {
            if !own.take(BEGUN) {
                return;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            let done = match connection.busy_timeout(left) {
                Ok(()) => work(connection),
                Err(error) => Err(rows::store_error(&error)),
            };
            // The caller may have gone.
            let _ = reply.send(done);
        });
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        if let Begin::Until(late) = begin {
            match tokio::time::timeout_at(late, &mut answer).await {
                Ok(done) => return done.map_err(|_| gone())?,
                Err(_) if ticket.take(REFUSED) => return Err(JournalError::Busy),
                Err(_) => {}
            }
        }
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Queue {
    /// Waits for the job in hand, so that the connection is closed when this returns.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in a job was already shown to its caller.
            let _ = thread.join();
        }
    }
}
