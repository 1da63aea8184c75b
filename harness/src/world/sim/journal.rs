//! The simulated store: a journal in memory, with a choice at each read and each write.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::checkout::entry::{Entry, EntryState};
use giftgenius::ids::OrderId;
use giftgenius::journal::{Batch, CommitError, JournalError, Key, Overview, Record, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Journal};
use jiff::Timestamp;

use super::fuel::Use;
use super::life::{House, Pulse};
use crate::fault::site::Place;
use crate::fault::{CrashPoint, Fault};

/// How long "whatever else is ready goes first" lasts: less than anything else takes.
const A_TURN: Duration = Duration::from_millis(1);

/// One incarnation's handle on the store.
pub struct SimJournal {
    house: Arc<House>,
    pulse: Arc<Pulse>,
}

impl SimJournal {
    /// A handle that ends with `pulse`.
    pub fn new(house: Arc<House>, pulse: Arc<Pulse>) -> Self {
        Self { house, pulse }
    }

    /// Asks what goes wrong with a read, and lets it.
    async fn reading(&self, what: impl FnOnce() -> String) -> Result<(), JournalError> {
        self.pulse.acts(Use::Read).await;
        match self.house.stage.choose(Place::JournalRead, self.pulse.incarnation) {
            None => Ok(()),
            Some(Fault::Busy) => Err(JournalError::Busy),
            Some(Fault::Corrupt) => Err(JournalError::Corrupt(what())),
            Some(Fault::Panic) => panics(),
            Some(fault) => {
                self.held_up(&fault).await;
                Ok(())
            }
        }
    }

    async fn held_up(&self, fault: &Fault) {
        match fault {
            Fault::Slow(span) => tokio::time::sleep(*span).await,
            Fault::Yield => tokio::time::sleep(A_TURN).await,
            Fault::HangUp => self.house.hung_up.notify_waiters(),
            Fault::Jump(expiry) => {
                self.house.clocks[self.pulse.replica].jump(expiry.span(&self.house.policy));
            }
            other => unreachable!("`{other}` was refused for the journal when its plan was read"),
        }
        self.pulse.alive().await;
    }

    /// What the store has taken in it writes in its own time, whether or not anybody still waits for it.
    async fn writes_late(&self, span: Duration, batch: Batch) -> Result<(), CommitError> {
        let (house, pulse) = (self.house.clone(), self.pulse.clone());
        let writing = tokio::spawn(async move {
            tokio::time::sleep(span).await;
            pulse.alive().await;
            write(&house, &pulse, batch)
        });
        writing.await.expect("a write does not panic")
    }

    async fn dies(&self) -> ! {
        self.house.crash(&self.pulse);
        std::future::pending().await
    }
}

/// Writes a batch, and notes that.
fn write(house: &House, pulse: &Pulse, batch: Batch) -> Result<(), CommitError> {
    let order = driven(&batch);
    let written = house.journal.write(batch);
    house.stage.wrote(pulse.incarnation, order.filter(|_| written.is_ok()));
    written
}

/// The order whose driver writes a batch. An event that is taken in and a key that is bound change an order as well, and
/// know nothing of what its driver has learnt.
fn driven(batch: &Batch) -> Option<OrderId> {
    let mut order = None;
    for write in &batch.writes {
        match &*write.record {
            Record::Order(changed) if write.expected.is_some() => order = Some(&changed.id),
            Record::Event(_) | Record::Entry(Entry { state: EntryState::InProgress { .. }, .. }) => return None,
            _ => {}
        }
    }
    order.cloned()
}

/// Whoever reads panics, without a word from the panic hook: it is planned.
pub(crate) fn panics() -> ! {
    std::panic::resume_unwind(Box::new("a bug in a handler, as the plan has it"))
}

impl Journal for SimJournal {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async move {
            self.reading(|| key.to_string()).await?;
            self.house.journal.read(key)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            self.pulse.acts(Use::Write).await;
            match self.house.stage.choose(Place::JournalWrite, self.pulse.incarnation) {
                None => {}
                Some(Fault::Busy) => return Err(JournalError::Busy.into()),
                Some(Fault::Full) => return Err(JournalError::Full.into()),
                Some(Fault::Crash(CrashPoint::AfterWrite)) => {
                    // What the caller would have been told does not matter any more.
                    let _ = write(&self.house, &self.pulse, batch);
                    self.dies().await;
                }
                Some(Fault::Crash(_)) => self.dies().await,
                Some(Fault::Slow(span)) => return self.writes_late(span, batch).await,
                Some(fault) => {
                    self.held_up(&fault).await;
                }
            }
            write(&self.house, &self.pulse, batch)
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            self.reading(|| format!("list of {}", state.name())).await?;
            self.house.journal.all(state)
        })
    }

    /// No site of a run: whoever looks at the system's health must not change what the system does.
    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        Box::pin(async move {
            self.pulse.acts(Use::AskStore).await;
            self.house.journal.overview().await
        })
    }

    /// No site of a run either; it fares as the next write would.
    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move {
            self.pulse.acts(Use::AskStore).await;
            match self.house.stage.probe(self.pulse.incarnation) {
                Some(Fault::Busy) => Err(JournalError::Busy),
                Some(Fault::Full) => Err(JournalError::Full),
                Some(_) | None => Ok(()),
            }
        })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async move {
            self.pulse.acts(Use::AskStore).await;
            self.house.journal.drop_expired(now).await
        })
    }
}
