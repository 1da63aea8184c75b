//! The decorator around GiftGenius's journal: each read and each write is announced to misrule, and comes to what misrule
//! grants. It is wired from outside; the journal that keeps the records is production's.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::journal::sqlite::SqliteJournal;
use giftgenius::journal::{Batch, CommitError, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Journal};
use jiff::Timestamp;

use super::channel::Channel;
use super::clock::OffClock;
use super::control::{Access, Grant};

/// GiftGenius's journal, announcing.
pub(crate) struct Announced {
    pub(crate) journal: SqliteJournal,
    pub(crate) channel: Arc<Channel>,
    /// The same one that the system reads.
    pub(crate) clock: Arc<OffClock>,
}

impl Announced {
    /// Announces a use, and lets it happen as it was granted. `what` names what is read, should it not be made out.
    async fn granted<T>(
        &self,
        access: Access,
        what: impl FnOnce() -> String,
        using: BoxFuture<'_, T>,
    ) -> Result<T, JournalError> {
        let hold = match self.channel.grant(access).await {
            Grant::Go => false,
            Grant::GoAndHold => true,
            Grant::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                false
            }
            Grant::Jump(ms) => {
                self.clock.jump(ms);
                false
            }
            Grant::Busy => return Err(JournalError::Busy),
            Grant::Full => return Err(JournalError::Full),
            Grant::Corrupt => return Err(JournalError::Corrupt(what())),
            // Without a word from the panic hook: it is planned.
            Grant::Panic => std::panic::resume_unwind(Box::new("a bug in a handler, as the plan has it")),
        };
        let used = using.await;
        if hold {
            self.channel.hold().await;
        }
        Ok(used)
    }
}

impl Journal for Announced {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let (name, reading) = (key.to_string(), self.journal.get(key));
        Box::pin(async move { self.granted(Access::Read, || name, reading).await? })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        let writing = self.journal.commit(batch);
        Box::pin(async move { self.granted(Access::Write, || String::from("a batch"), writing).await? })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        let reading = self.journal.list(state);
        Box::pin(async move { self.granted(Access::Read, || format!("list of {}", state.name()), reading).await? })
    }

    /// No site of a run: a look at the system's health must not change what the system does.
    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        self.journal.overview()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        let probing = self.journal.probe();
        Box::pin(async move { self.granted(Access::Probe, || String::from("a probe"), probing).await? })
    }

    /// Housekeeping that is not waited for, and no site of a run.
    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        self.journal.drop_expired(now)
    }
}
