//! `store_written_after_the_effect`: that a purchase was begun is written down when it has ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::checkout::entry::{Entry, EntryKey, EntryState};
use giftgenius::checkout::idempotency::ended;
use giftgenius::checkout::order::Order;
use giftgenius::checkout::session::{Session, SessionState};
use giftgenius::checkout::state::Ending;
use giftgenius::ids::SessionId;
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, Record, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Clock};
use jiff::Timestamp;

use crate::defect::{Defect, each_life, on};

/// See `about`.
pub static STORE_WRITTEN_AFTER_THE_EFFECT: Defect = Defect {
    id: "store_written_after_the_effect",
    about: "a purchase is written down once it was made, so that one in the making is not seen",
    caught_by: "one-effect",
    hunted_on: &[on("duplicates/three_calls_at_once")],
    wiring: || {
        each_life(|mut wired| {
            wired.ports.journal = Arc::new(Withheld {
                next: wired.ports.journal,
                clock: wired.ports.clock.clone(),
                retention: wired.policy.entry_retention,
                marks: Mutex::default(),
            });
            wired
        })
    },
};

struct Withheld {
    next: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    retention: Duration,
    marks: Mutex<Marks>,
}

/// What should have been written before the effect.
#[derive(Default)]
struct Marks {
    entries: BTreeMap<EntryKey, Entry>,
    sessions: BTreeMap<SessionId, Session>,
}

impl Withheld {
    /// Takes the marks out of a batch; gives those that are due, because their order ends with it.
    fn due(&self, batch: &mut Batch) -> Vec<Record> {
        let mut marks = self.marks.lock().expect("no holder of the marks panics");
        let mut due = Vec::new();
        batch.writes.retain(|write| match &*write.record {
            Record::Entry(entry) if matches!(entry.state, EntryState::InProgress { .. }) => {
                marks.entries.insert(entry.key.clone(), entry.clone());
                false
            }
            Record::Session(session) if matches!(session.state, SessionState::Taken(_)) => {
                marks.sessions.insert(session.id.clone(), session.clone());
                false
            }
            Record::Order(order) => {
                due.extend(self.with_the_ending(&mut marks, order));
                true
            }
            Record::Entry(_)
            | Record::Session(_)
            | Record::Workflow(_)
            | Record::Switches(_)
            | Record::Event(_)
            | Record::Payment(_) => true,
        });
        due
    }

    fn with_the_ending(&self, marks: &mut Marks, order: &Order) -> Vec<Record> {
        let Some(ending) = &order.saga.ending else { return Vec::new() };
        let now = self.clock.now();
        let entries = [Some(&order.entry), order.cancel_entry.as_ref()].into_iter().flatten();
        let mut due: Vec<_> = entries
            .filter_map(|key| marks.entries.remove(key))
            .filter_map(|entry| ended(&entry, order, now, self.retention))
            .map(Record::Entry)
            .collect();
        let session = marks.sessions.remove(&order.session_id);
        if matches!(ending, Ending::Paid | Ending::Parked { .. }) {
            due.extend(session.map(Record::Session));
        }
        due
    }
}

impl Journal for Withheld {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        self.next.get(key)
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            for record in self.due(&mut batch) {
                if batch.writes.iter().all(|write| write.key != record.key()) {
                    let version = self.next.get(&record.key()).await?.map(|stored| stored.version);
                    batch = batch.put(version, record);
                }
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
