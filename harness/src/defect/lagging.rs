//! `journal_written_after_the_call`: a write is acknowledged at once and done later, so that a crash loses it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Tasks};
use jiff::Timestamp;

use super::{Defect, each_life, on};

/// See `about`.
pub static JOURNAL_WRITTEN_AFTER_THE_CALL: Defect = Defect {
    id: "journal_written_after_the_call",
    about: "what is about to be done is written down in the background, while it is being done",
    caught_by: "all-or-nothing",
    hunted_on: &[on("crash/dies_with_the_charge_on_its_way")],
    wiring: || {
        each_life(|mut wired| {
            let lagging =
                Lagging { next: wired.ports.journal, tasks: wired.ports.tasks.clone(), behind: Arc::default() };
            wired.ports.journal = Arc::new(lagging);
            wired
        })
    },
};

/// By how much the store lags: longer than the calls that it should have come before.
const LAG: Duration = Duration::from_millis(200);

struct Lagging {
    next: Arc<dyn Journal>,
    tasks: Arc<dyn Tasks>,
    behind: Arc<Mutex<Behind>>,
}

#[derive(Default)]
struct Behind {
    /// Every record that this process has written, as it wrote it last.
    written: BTreeMap<Key, Stored>,
    /// What is still to be done, in order.
    queue: VecDeque<Batch>,
}

impl Lagging {
    fn behind(&self) -> MutexGuard<'_, Behind> {
        self.behind.lock().expect("no holder panics")
    }

    fn acknowledge(&self, batch: Batch) {
        {
            let mut behind = self.behind();
            for write in &batch.writes {
                let stored = Stored { version: write.expected.unwrap_or(0) + 1, record: write.record.clone() };
                behind.written.insert(write.key.clone(), stored);
            }
            behind.queue.push_back(batch);
        }
        let (next, behind) = (self.next.clone(), self.behind.clone());
        let work = async move {
            tokio::time::sleep(LAG).await;
            let batch = behind.lock().expect("no holder panics").queue.pop_front();
            if let Some(batch) = batch {
                // It was acknowledged: no caller is waiting.
                let _ = next.commit(batch).await;
            }
        };
        self.tasks.spawn("journal", Box::pin(work));
    }
}

impl Journal for Lagging {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let known = self.behind().written.get(key).cloned();
        let key = key.clone();
        Box::pin(async move {
            match known {
                Some(known) => Ok(Some(known)),
                None => self.next.get(&key).await,
            }
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            for write in &batch.writes {
                if self.get(&write.key).await?.map(|stored| stored.version) != write.expected {
                    return Err(CommitError::Conflict(write.key.clone()));
                }
            }
            self.acknowledge(batch);
            Ok(())
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            let mut listed = self.next.list(state).await?;
            let behind = self.behind();
            listed.retain(|stored| !behind.written.contains_key(&stored.record.key()));
            listed.extend(behind.written.values().filter(|stored| stored.record.state() == state).cloned());
            Ok(listed)
        })
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
