//! Defects of recovery: what becomes of orders that the process before had begun.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use giftgenius::checkout::order::Order;
use giftgenius::checkout::state::{Commit, Saga};
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, Record, RecordState, Stored};
use giftgenius::policy::PaymentProfile;
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static RECOVERY_DOES_NOTHING: Defect = Defect {
    id: "recovery_does_nothing",
    about: "after a restart nobody takes up what the process before had begun",
    caught_by: "settled",
    hunted_on: &[on("restart/a_sale_in_the_background_is_taken_up")],
    wiring: || {
        each_life(|mut wired| {
            wired.ports.journal = Arc::new(Listing {
                next: wired.ports.journal,
                finished: Finished::default(),
                again: Finished::default(),
                shows_open: false,
            });
            wired
        })
    },
};

/// See `about`.
pub static RECOVERY_RERUNS_A_FINISHED_SAGA: Defect = Defect {
    id: "recovery_reruns_a_finished_saga",
    about: "recovery begins every order anew that it finds, those that are done among them",
    caught_by: "no-blind-charge",
    hunted_on: &[on("duplicates/the_answer_survives_a_restart").with(PaymentProfile::Keyless)],
    wiring: || {
        let finished = Finished::default();
        Arc::new(move |wired: Wired| rerun(wired, &finished))
    },
};

/// The orders that were told as done.
type Finished = Arc<Mutex<BTreeSet<Key>>>;

/// A journal that lists other orders as open than are.
struct Listing {
    next: Arc<dyn Journal>,
    /// Those that are done, in any life.
    finished: Finished,
    /// Those that look as if they had only just begun.
    again: Finished,
    shows_open: bool,
}

fn rerun(mut wired: Wired, finished: &Finished) -> Wired {
    let again = finished.lock().expect("no holder panics").clone();
    wired.ports.journal = Arc::new(Listing {
        next: wired.ports.journal,
        finished: finished.clone(),
        again: Arc::new(Mutex::new(again)),
        shows_open: true,
    });
    wired
}

impl Listing {
    fn shown(&self, stored: Stored) -> Stored {
        match &*stored.record {
            Record::Order(order) if self.again.lock().expect("no holder panics").contains(&stored.record.key()) => {
                let order = Order { saga: Saga::new(), lease_until: Timestamp::UNIX_EPOCH, ..order.clone() };
                Stored { version: stored.version, record: Arc::new(Record::Order(order)) }
            }
            Record::Order(_)
            | Record::Session(_)
            | Record::Entry(_)
            | Record::Workflow(_)
            | Record::Switches(_)
            | Record::Event(_)
            | Record::Payment(_) => stored,
        }
    }
}

impl Journal for Listing {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let key = key.clone();
        Box::pin(async move { Ok(self.next.get(&key).await?.map(|stored| self.shown(stored))) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        for write in &batch.writes {
            if let Record::Order(order) = &*write.record {
                self.again.lock().expect("no holder panics").remove(&write.key);
                if order.saga.commit == Commit::Done {
                    self.finished.lock().expect("no holder panics").insert(write.key.clone());
                }
            }
        }
        self.next.commit(batch)
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            if state != RecordState::OrderOpen {
                return self.next.list(state).await;
            }
            if !self.shows_open {
                return Ok(Vec::new());
            }
            let mut open = self.next.list(state).await?;
            let again = self.again.lock().expect("no holder panics").clone();
            for key in again {
                open.extend(self.get(&key).await?);
            }
            Ok(open)
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
