//! The journal in memory, for simulation: nothing here waits, so a run costs microseconds.
//!
//! It outlives the application that uses it: two replicas, or a process and its restart, share one behind an `Arc`.
//! What is listed or expires stands in small indexes of its own, so that neither ever scans the records.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::{Batch, CommitError, Journal, JournalError, Key, Overview, Record, RecordState, Stored, Write};
use crate::ports::BoxFuture;

/// A journal that lives as long as this value.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    records: BTreeMap<Key, Stored>,
    indexes: Indexes,
}

#[derive(Debug, Default)]
struct Indexes {
    open: BTreeSet<Key>,
    parked: BTreeSet<Key>,
    unknown_payments: BTreeSet<Key>,
    /// By the second in which they expire.
    expiring: BTreeSet<(i64, Key)>,
}

/// By what a record stands in the indexes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    state: RecordState,
    /// The second in which it expires.
    expiry: Option<i64>,
}

impl Place {
    /// In none of them.
    const NONE: Self = Self { state: RecordState::Quiet, expiry: None };

    fn of(record: &Record) -> Self {
        Self { state: record.state(), expiry: record.expires_at().map(Timestamp::as_second) }
    }
}

impl Indexes {
    fn moved(&mut self, key: &Key, from: Place, to: Place) {
        if from.state != to.state {
            self.listed(from.state).map(|keys| keys.remove(key));
            self.listed(to.state).map(|keys| keys.insert(key.clone()));
        }
        if from.expiry != to.expiry {
            from.expiry.map(|second| self.expiring.remove(&(second, key.clone())));
            to.expiry.map(|second| self.expiring.insert((second, key.clone())));
        }
    }

    fn listed(&mut self, state: RecordState) -> Option<&mut BTreeSet<Key>> {
        match state {
            RecordState::OrderOpen => Some(&mut self.open),
            RecordState::OrderParked => Some(&mut self.parked),
            RecordState::PaymentParked => Some(&mut self.unknown_payments),
            RecordState::Quiet => None,
        }
    }
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one record. As the port's, without anything to wait for.
    pub fn read(&self, key: &Key) -> Option<Stored> {
        self.tables().records.get(key).cloned()
    }

    /// Applies a batch. As the port's, without anything to wait for.
    pub fn write(&self, batch: Batch) -> Result<(), CommitError> {
        self.tables().commit(batch)
    }

    /// All records in a state. As the port's, without anything to wait for.
    pub fn all(&self, state: RecordState) -> Vec<Stored> {
        self.tables().list(state)
    }

    /// What a health page shows. As the port's, without anything to wait for.
    pub fn glance(&self) -> Overview {
        let tables = self.tables();
        let Indexes { open, parked, .. } = &tables.indexes;
        let switches = tables.records.get(&Key::Switches).cloned();
        Overview { open: open.len(), parked: parked.len(), switches }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().expect("nothing panics while it holds the tables")
    }
}

impl Tables {
    fn commit(&mut self, batch: Batch) -> Result<(), CommitError> {
        batch.check()?;
        for write in &batch.writes {
            if self.records.get(&write.key).map(|stored| stored.version) != write.expected {
                return Err(CommitError::Conflict(write.key.clone()));
            }
        }
        for write in batch.writes {
            self.write(write);
        }
        Ok(())
    }

    fn write(&mut self, Write { key, expected, record }: Write) {
        let to = Place::of(&record);
        let stored = Stored { version: expected.unwrap_or(0) + 1, record };
        match self.records.entry(key) {
            Entry::Occupied(mut old) => {
                self.indexes.moved(old.key(), Place::of(&old.get().record), to);
                old.insert(stored);
            }
            Entry::Vacant(new) => {
                self.indexes.moved(new.key(), Place::NONE, to);
                new.insert(stored);
            }
        }
    }

    fn list(&self, state: RecordState) -> Vec<Stored> {
        let keys = match state {
            RecordState::OrderOpen => &self.indexes.open,
            RecordState::OrderParked => &self.indexes.parked,
            RecordState::PaymentParked => &self.indexes.unknown_payments,
            RecordState::Quiet => return Vec::new(),
        };
        keys.iter().map(|key| self.records[key].clone()).collect()
    }

    fn drop_expired(&mut self, now: Timestamp) -> usize {
        let mut dropped = 0;
        while let Some((second, _)) = self.indexes.expiring.first()
            && *second < now.as_second()
        {
            let (_, key) = self.indexes.expiring.pop_first().expect("it was there a moment ago");
            self.records.remove(&key);
            dropped += 1;
        }
        dropped
    }
}

// Each future does its work when it is first polled and is then ready, so that one which is never polled did nothing.
impl Journal for MemoryJournal {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async move { Ok(self.read(key)) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.write(batch) })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move { Ok(self.all(state)) })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        Box::pin(async move { Ok(self.glance()) })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async move { Ok(self.tables().drop_expired(now)) })
    }
}
