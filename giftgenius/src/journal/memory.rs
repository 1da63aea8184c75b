//! The journal in memory, for simulation: nothing here waits, so a run costs microseconds.
//!
//! It outlives the application that uses it: two replicas, or a process and its restart, share one behind an `Arc`.
//! What is listed or expires stands in small indexes of its own, so that neither ever scans the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::{Batch, CommitError, Journal, JournalError, Key, Record, RecordState, Stored, Write};
use crate::ports::BoxFuture;

/// A journal that lives as long as this value.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    records: BTreeMap<Key, Stored>,
    open: BTreeSet<Key>,
    parked: BTreeSet<Key>,
    unknown_payments: BTreeSet<Key>,
    /// By the second in which they expire.
    expiring: BTreeSet<(i64, Key)>,
}

fn expiry(record: &Record) -> Option<i64> {
    record.expires_at().map(Timestamp::as_second)
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
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
        let old = self.records.get(&key).map(|stored| (stored.record.state(), expiry(&stored.record)));
        let (old_state, old_expiry) = old.unwrap_or((RecordState::Quiet, None));
        if old_state != record.state() {
            self.listed(old_state).map(|keys| keys.remove(&key));
            self.listed(record.state()).map(|keys| keys.insert(key.clone()));
        }
        if old_expiry != expiry(&record) {
            old_expiry.map(|second| self.expiring.remove(&(second, key.clone())));
            expiry(&record).map(|second| self.expiring.insert((second, key.clone())));
        }
        self.records.insert(key, Stored { version: expected.unwrap_or(0) + 1, record });
    }

    fn listed(&mut self, state: RecordState) -> Option<&mut BTreeSet<Key>> {
        match state {
            RecordState::OrderOpen => Some(&mut self.open),
            RecordState::OrderParked => Some(&mut self.parked),
            RecordState::PaymentParked => Some(&mut self.unknown_payments),
            RecordState::Quiet => None,
        }
    }

    fn list(&self, state: RecordState) -> Vec<Stored> {
        let keys = match state {
            RecordState::OrderOpen => &self.open,
            RecordState::OrderParked => &self.parked,
            RecordState::PaymentParked => &self.unknown_payments,
            RecordState::Quiet => return Vec::new(),
        };
        keys.iter().map(|key| self.records[key].clone()).collect()
    }

    fn drop_expired(&mut self, now: Timestamp) -> usize {
        let mut dropped = 0;
        while let Some((second, _)) = self.expiring.first()
            && *second < now.as_second()
        {
            let (_, key) = self.expiring.pop_first().expect("it was there a moment ago");
            self.records.remove(&key);
            dropped += 1;
        }
        dropped
    }
}

// Each future does its work when it is first polled and is then ready, so that one which is never polled did nothing.
impl Journal for MemoryJournal {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        Box::pin(async move { Ok(self.tables().records.get(key).cloned()) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move { self.tables().commit(batch) })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move { Ok(self.tables().list(state)) })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        Box::pin(async move { Ok(self.tables().drop_expired(now)) })
    }
}
