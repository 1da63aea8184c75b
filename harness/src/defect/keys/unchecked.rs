//! `check_and_set_not_atomic`: the version that a record was read at is not looked at when it is written.

use std::sync::Arc;

use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use crate::defect::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static CHECK_AND_SET_NOT_ATOMIC: Defect = Defect {
    id: "check_and_set_not_atomic",
    about: "a key is looked up and then bound, and somebody else can come in between",
    caught_by: "one-effect",
    hunted_on: &[on("duplicates/three_calls_at_once")],
    wiring: || each_life(|wired| unchecked(wired, |key| matches!(key, Key::Entry(_) | Key::Session(_)))),
};

/// A journal that writes these records whatever has become of them meanwhile.
pub(in crate::defect) fn unchecked(mut wired: Wired, blind: fn(&Key) -> bool) -> Wired {
    wired.ports.journal = Arc::new(Unchecked { next: wired.ports.journal, blind });
    wired
}

struct Unchecked {
    next: Arc<dyn Journal>,
    blind: fn(&Key) -> bool,
}

impl Journal for Unchecked {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        self.next.get(key)
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            for write in batch.writes.iter_mut().filter(|write| (self.blind)(&write.key)) {
                write.expected = self.next.get(&write.key).await?.map(|stored| stored.version);
            }
            self.next.commit(batch).await
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
        self.next.drop_expired(now)
    }
}
