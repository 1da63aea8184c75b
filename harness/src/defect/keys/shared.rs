//! `key_shared_between_users`: entries are kept under the key alone.

use std::sync::Arc;

use giftgenius::checkout::entry::{Entry, EntryKey};
use giftgenius::ids::UserId;
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, Record, RecordState, Stored};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use crate::defect::{Defect, each_life, on};

/// See `about`.
pub static KEY_SHARED_BETWEEN_USERS: Defect = Defect {
    id: "key_shared_between_users",
    about: "keys are not scoped: one person's key is another person's",
    caught_by: "key-conflict",
    hunted_on: &[on("isolation/two_people_use_one_key")],
    wiring: || {
        each_life(|mut wired| {
            wired.ports.journal = Arc::new(Shared { next: wired.ports.journal });
            wired
        })
    },
};

struct Shared {
    next: Arc<dyn Journal>,
}

fn of_everybody(key: EntryKey) -> EntryKey {
    EntryKey { user: UserId::from("everybody"), ..key }
}

fn kept_under(record: &Entry, key: EntryKey) -> Arc<Record> {
    Arc::new(Record::Entry(Entry { key, ..record.clone() }))
}

impl Journal for Shared {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let Key::Entry(asked) = key.clone() else { return self.next.get(key) };
        Box::pin(async move {
            let Some(stored) = self.next.get(&Key::Entry(of_everybody(asked.clone()))).await? else { return Ok(None) };
            let Record::Entry(entry) = &*stored.record else { return Ok(Some(stored)) };
            Ok(Some(Stored { version: stored.version, record: kept_under(entry, asked) }))
        })
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        for write in &mut batch.writes {
            if let Record::Entry(entry) = &*write.record {
                let key = of_everybody(entry.key.clone());
                write.record = kept_under(entry, key.clone());
                write.key = Key::Entry(key);
            }
        }
        self.next.commit(batch)
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
