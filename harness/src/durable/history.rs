//! What simulated runs commit to their journals: real records, in the order in which a server writes them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use super::{Held, enter};
use crate::run::simulate;
use crate::scenario::model::{Scenario, WorldKind};
use crate::system::wiring::{Wired, Wiring};

/// Kinds of record and states are few; each further scenario that brings one is played too, up to so many.
const SCENARIOS_MAX: usize = 8;

type Tape = Arc<Mutex<Vec<Batch>>>;

/// A journal that notes what was committed.
struct Taped {
    next: Arc<dyn Journal>,
    tape: Tape,
}

impl Journal for Taped {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        self.next.get(key)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            let noted = Batch { until: None, ..batch.clone() };
            let done = self.next.commit(batch).await;
            if done.is_ok() && !noted.writes.is_empty() {
                self.tape.lock().unwrap_or_else(PoisonError::into_inner).push(noted);
            }
            done
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

/// The batches of a few scenarios, one run after the other, that show every kind of record in every state that any shows.
pub(super) fn of(scenarios: &[Arc<Scenario>]) -> Result<Vec<Batch>, String> {
    let mut seen = BTreeSet::new();
    let mut history = Vec::new();
    let mut held = Held::new();
    let mut played = 0;
    for (scenario, number) in scenarios.iter().filter(|it| it.worlds.contains(&WorldKind::Sim)).zip(1..) {
        if played == SCENARIOS_MAX {
            break;
        }
        let tape = Tape::default();
        // Of a seed of its own, so that no two runs use the same identifiers.
        simulate(scenario, &scenario.plan, number, Some(&taping(&tape))).map_err(|error| error.to_string())?;
        let batches = std::mem::take(&mut *tape.lock().unwrap_or_else(PoisonError::into_inner));
        let shown: BTreeSet<_> = batches.iter().flat_map(|batch| &batch.writes).map(shown).collect();
        if shown.is_subset(&seen) {
            continue;
        }
        seen.extend(shown);
        played += 1;
        for batch in batches {
            // What was dropped in between, or is of all runs, does not follow on what the file holds.
            let follows = batch.writes.iter().all(|write| held.get(&write.key).map(|it| it.version) == write.expected);
            if follows {
                enter(&mut held, &batch);
                history.push(batch);
            }
        }
    }
    if history.is_empty() { Err("no scenario runs in simulation and writes".to_owned()) } else { Ok(history) }
}

fn shown(write: &giftgenius::journal::Write) -> (&'static str, &'static str, bool) {
    (write.key.kind(), write.record.state().name(), write.record.expires_at().is_some())
}

fn taping(tape: &Tape) -> Arc<dyn Wiring> {
    let tape = tape.clone();
    Arc::new(move |mut wired: Wired| {
        wired.ports.journal = Arc::new(Taped { next: wired.ports.journal, tape: tape.clone() });
        wired
    })
}
