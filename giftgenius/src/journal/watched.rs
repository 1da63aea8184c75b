//! The store as this process sees it: a journal that notes how each use of another one ends, and leaves a log line where
//! one fails.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use crate::ids::CorrelationId;
use crate::operations::rates::OwnAlert;
use crate::ports::{BoxFuture, Clock};
use crate::step_log::{Alert, AlertKind, LogLine, ServiceEvent, ServiceLine, StepLog};
use crate::validate::scrubbed;

/// So long has every write failed when the store counts as lost.
pub const STORE_DOWN_AFTER: Duration = Duration::from_secs(10);

/// A store that took a write so lately is not probed.
const PROBE_AFTER: Duration = Duration::from_secs(5);

/// Nor is one that was probed so lately: whoever asks meanwhile is told the same.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What alerts and lines of the store are tied to: no call.
const STORE: &str = "store";

/// How the writes have gone.
#[derive(Clone, Copy, Default, Debug)]
struct Writes {
    /// The last one that the store took.
    succeeded: Option<Instant>,
    /// The first and the last that failed since.
    failed: Option<(Instant, Instant)>,
    /// Whether a person was called since the last one that it took.
    alerted: bool,
    /// The last probe.
    probed: Option<Instant>,
}

/// What this process knows of its store.
pub struct StoreWatch {
    writes: Mutex<Writes>,
    /// Held by who probes.
    probing: tokio::sync::Mutex<()>,
    log: Arc<dyn StepLog>,
    clock: Arc<dyn Clock>,
}

impl StoreWatch {
    /// Whether the store is lost: at least one write was tried in the last ten seconds, and every one of them failed.
    pub fn is_lost(&self) -> bool {
        let writes = *self.lock();
        let recent = |at: Instant| at.elapsed() <= STORE_DOWN_AFTER;
        writes.failed.is_some_and(|(_, last)| recent(last)) && !writes.succeeded.is_some_and(recent)
    }

    /// What the alert of the store's loss is at: sent, due where no write was taken since one failed, or none.
    pub fn own_alert(&self) -> OwnAlert {
        let writes = *self.lock();
        match writes.failed {
            Some(_) if writes.alerted => OwnAlert::Sent,
            Some(_) => OwnAlert::Due,
            None => OwnAlert::None,
        }
    }

    /// Whether the store took a write within `within`.
    pub fn took_a_write(&self, within: Duration) -> bool {
        self.lock().succeeded.is_some_and(|at| at.elapsed() < within)
    }

    /// Waits until nobody else probes.
    pub async fn turn_to_probe(&self) -> impl Drop + '_ {
        self.probing.lock().await
    }

    /// Whether a probe is due, and if so takes it: at most one a second, and none while writes succeed anyway.
    pub fn takes_a_probe(&self) -> bool {
        let now = Instant::now();
        let mut writes = self.lock();
        let since = |at: Option<Instant>, span| at.is_some_and(|at| now.duration_since(at) < span);
        let due = !since(writes.succeeded, PROBE_AFTER) && !since(writes.probed, PROBE_EVERY);
        if due {
            writes.probed = Some(now);
        }
        due
    }

    /// A write that the store took.
    pub fn wrote(&self) {
        let mut writes = self.lock();
        *writes = Writes { succeeded: Some(Instant::now()), probed: writes.probed, ..Writes::default() };
    }

    /// A write that it did not. A person is called once it has taken none for too long, and not again before it takes one.
    pub fn refused(&self, error: &JournalError) {
        let now = Instant::now();
        let overdue = {
            let mut writes = self.lock();
            let first = writes.failed.map_or(now, |(first, _)| first);
            writes.failed = Some((first, now));
            let overdue = !writes.alerted && now.duration_since(first) >= STORE_DOWN_AFTER;
            writes.alerted |= overdue;
            overdue
        };
        self.failed(error);
        if overdue {
            let message = format!(
                "the own store has refused every write for {} s ({error}); no sale begins. Look at its disk and at who \
                 else holds it",
                STORE_DOWN_AFTER.as_secs()
            );
            let alert = Alert::new(AlertKind::StoreDown, "", message, &CorrelationId::from(STORE), self.clock.now());
            self.log.record(LogLine::Alert(alert));
        }
    }

    /// A use that failed, and says nothing of the next write.
    pub fn failed(&self, error: &JournalError) {
        let mut line = ServiceLine::new(ServiceEvent::StoreFailed, self.clock.now());
        // It may name a record by an id that a caller sent.
        line.error = Some(scrubbed(&error.to_string()));
        self.log.record(LogLine::Service(line));
    }

    fn lock(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().expect("no holder of the writes panics")
    }
}

/// A journal whose uses are watched.
pub struct Watched {
    inner: Arc<dyn Journal>,
    watch: Arc<StoreWatch>,
}

impl Watched {
    /// Watches a journal.
    pub fn new(inner: Arc<dyn Journal>, log: Arc<dyn StepLog>, clock: Arc<dyn Clock>) -> (Self, Arc<StoreWatch>) {
        let watch =
            Arc::new(StoreWatch { writes: Mutex::default(), probing: tokio::sync::Mutex::default(), log, clock });
        (Self { inner, watch: Arc::clone(&watch) }, watch)
    }
}

impl Journal for Watched {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let reading = self.inner.get(key);
        Box::pin(async move { reading.await.inspect_err(|error| self.watch.failed(error)) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        let writing = self.inner.commit(batch);
        Box::pin(async move {
            let written = writing.await;
            match &written {
                // A conflict is the store at work.
                Ok(()) | Err(CommitError::Conflict(_)) => self.watch.wrote(),
                Err(CommitError::Store(error)) => self.watch.refused(error),
            }
            written
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        let reading = self.inner.list(state);
        Box::pin(async move { reading.await.inspect_err(|error| self.watch.failed(error)) })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        let reading = self.inner.overview();
        Box::pin(async move { reading.await.inspect_err(|error| self.watch.failed(error)) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        // Noted by who asks, who knows how long it may take.
        self.inner.probe()
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        let dropping = self.inner.drop_expired(now);
        Box::pin(async move {
            let dropped = dropping.await;
            match &dropped {
                // Nothing was written, which a full disk allows.
                Ok(0) => {}
                Ok(_) => self.watch.wrote(),
                Err(error) => self.watch.refused(error),
            }
            dropped
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::adapters::SystemClock;
    use crate::journal::memory::MemoryJournal;
    use crate::journal::record::Record;
    use crate::operations::switches::Switches;

    #[derive(Default)]
    struct Lines(Mutex<Vec<LogLine>>);

    impl StepLog for Lines {
        fn record(&self, line: LogLine) {
            self.0.lock().unwrap().push(line);
        }
    }

    /// A journal that is full while it is told to be.
    struct Filling {
        journal: MemoryJournal,
        full: AtomicBool,
    }

    impl Journal for Filling {
        fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
            self.journal.get(key)
        }

        fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
            if self.full.load(Ordering::Relaxed) {
                return Box::pin(std::future::ready(Err(CommitError::Store(JournalError::Full))));
            }
            self.journal.commit(batch)
        }

        fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
            self.journal.list(state)
        }

        fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
            self.journal.drop_expired(now)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_for_ten_seconds_is_lost_and_calls_a_person_once() {
        let lines = Arc::new(Lines::default());
        let filling = Arc::new(Filling { journal: MemoryJournal::new(), full: AtomicBool::new(false) });
        let (journal, watch) = Watched::new(filling.clone(), lines.clone(), Arc::new(SystemClock));
        let write = async |wait: u64| {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let version = journal.get(&Key::Switches).await.unwrap().map(|stored| stored.version);
            let batch = Batch::default().put(version, Record::Switches(Switches { checkout: true }));
            // Whether it was taken shows in the watch.
            let _ = journal.commit(batch).await;
        };
        let alerts = || {
            let is_alert = |line: &&LogLine| matches!(line, LogLine::Alert(it) if it.kind == AlertKind::StoreDown);
            lines.0.lock().unwrap().iter().filter(is_alert).count()
        };
        for _ in 0..2 {
            filling.full.store(false, Ordering::Relaxed);
            write(0).await;
            assert!(watch.took_a_write(Duration::from_secs(5)) && !watch.is_lost());
            let before = alerts();
            filling.full.store(true, Ordering::Relaxed);
            write(0).await;
            write(9_999).await;
            assert_eq!((watch.is_lost(), alerts()), (false, before), "a write was taken within ten seconds");
            write(1).await;
            write(60_000).await;
            assert_eq!((watch.is_lost(), alerts()), (true, before + 1), "once an episode");
        }
        let failures = |line: &&LogLine| matches!(line, LogLine::Service(it) if it.event == ServiceEvent::StoreFailed && it.error.is_some());
        assert_eq!(lines.0.lock().unwrap().iter().filter(failures).count(), 8);
    }
}
