//! The store: a journal in memory, and what was ever written to it, so that a print can hold all that stands there.

use std::hash::Hash as _;
use std::sync::Mutex;

use giftgenius::journal::memory::MemoryJournal;
use giftgenius::journal::sqlite::InlineJournal;
use giftgenius::journal::{Batch, CommitError, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Journal};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::scenario::model::StoreKind;
use crate::world::print::Ink;

/// What the records stand in.
enum Records {
    Memory(MemoryJournal),
    Sqlite(InlineJournal),
}

/// The system's store, which outlives its incarnations.
pub struct Store {
    records: Records,
    /// Every record that was to be created; some were not, some are gone again, some were created twice.
    created: Mutex<Vec<Key>>,
    /// An order was written that waits for a person.
    parked: Notify,
}

impl Store {
    /// An empty one.
    pub fn new(kind: StoreKind) -> Self {
        let records = match kind {
            StoreKind::Memory => Records::Memory(MemoryJournal::new()),
            StoreKind::Sqlite => {
                Records::Sqlite(InlineJournal::open().expect("a database in memory needs nothing but memory"))
            }
        };
        Self { records, created: Mutex::default(), parked: Notify::new() }
    }

    /// Writes every record that stands here.
    pub fn write_state(&self, ink: &mut Ink) {
        let mut keys = self.created.lock().expect("no holder of the keys panics").clone();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            if let Ok(Some(Stored { version, record })) = self.read(&key) {
                (key, version).hash(ink);
                ink.json(&*record);
            }
        }
    }
}

impl Store {
    /// Reads one record.
    pub fn read(&self, key: &Key) -> Result<Option<Stored>, JournalError> {
        match &self.records {
            Records::Memory(records) => Ok(records.read(key)),
            Records::Sqlite(rows) => rows.read(key),
        }
    }

    /// Applies a batch.
    pub fn write(&self, batch: Batch) -> Result<(), CommitError> {
        let created = batch.writes.iter().filter(|write| write.expected.is_none()).map(|write| write.key.clone());
        self.created.lock().expect("no holder of the keys panics").extend(created);
        let parks = batch.writes.iter().any(|write| write.record.state() == RecordState::OrderParked);
        let written = match &self.records {
            Records::Memory(records) => records.write(batch),
            Records::Sqlite(rows) => rows.write(&batch),
        };
        if parks {
            self.parked.notify_waiters();
        }
        written
    }

    /// Waits until the next order is written that waits for a person.
    pub async fn parks(&self) {
        self.parked.notified().await;
    }

    /// What a health page shows.
    pub fn glance(&self) -> Result<Overview, JournalError> {
        match &self.records {
            Records::Memory(records) => Ok(records.glance()),
            Records::Sqlite(rows) => rows.glance(),
        }
    }

    /// All records in a state.
    pub fn all(&self, state: RecordState) -> Result<Vec<Stored>, JournalError> {
        match &self.records {
            Records::Memory(records) => Ok(records.all(state)),
            Records::Sqlite(rows) => rows.all(state),
        }
    }
}

// What reads the store for its own sake, as taking stock does, asks it as any journal.
impl Journal for Store {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async move { self.read(key) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.write(batch) })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move { self.all(state) })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        Box::pin(async move { self.glance() })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        match &self.records {
            Records::Memory(records) => records.drop_expired(now),
            Records::Sqlite(rows) => rows.drop_expired(now),
        }
    }
}
