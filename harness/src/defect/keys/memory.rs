//! `key_lost_at_restart`: entries live in the process, everything else in the journal.

use std::sync::Arc;

use giftgenius::journal::memory::MemoryJournal;
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use crate::defect::{Defect, each_life, on};

/// See `about`.
pub static KEY_LOST_AT_RESTART: Defect = Defect {
    id: "key_lost_at_restart",
    about: "idempotency keys are kept in memory, so that a deploy forgets them",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/a_decline_survives_a_restart")],
    wiring: || {
        each_life(|mut wired| {
            wired.ports.journal =
                Arc::new(EntriesInMemory { next: wired.ports.journal, entries: MemoryJournal::default() });
            wired
        })
    },
};

struct EntriesInMemory {
    next: Arc<dyn Journal>,
    entries: MemoryJournal,
}

impl Journal for EntriesInMemory {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        match key {
            Key::Entry(_) => self.entries.get(key),
            Key::Session(_) | Key::Order(_) | Key::Workflow(_) | Key::Switches | Key::Event(_) | Key::Payment(_) => {
                self.next.get(key)
            }
        }
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            let Batch { writes, until } = batch;
            let (entries, others): (Vec<_>, Vec<_>) =
                writes.into_iter().partition(|write| matches!(write.key, Key::Entry(_)));
            for write in &entries {
                let known = self.entries.get(&write.key).await?.map(|stored| stored.version);
                if known != write.expected {
                    return Err(CommitError::Conflict(write.key.clone()));
                }
            }
            self.next.commit(Batch { writes: others, until }).await?;
            self.entries.commit(Batch { writes: entries, until }).await
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        self.next.list(state)
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        self.next.overview()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        self.next.probe()
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async move { Ok(self.entries.drop_expired(now).await? + self.next.drop_expired(now).await?) })
    }
}
