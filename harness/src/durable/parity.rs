//! The journal in its file beside the one in memory: whatever is asked of both, they answer the same.

use std::collections::BTreeSet;
use std::task::Poll;

use futures_util::FutureExt as _;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, RecordState};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Durable, FILE, Held, Open, enter, folder, is_same, missing};

/// Batches of which wrong copies are tried before they are written.
const NEAR_MISSES: usize = 24;
/// Lists are compared after so many batches.
const LISTED_EVERY: usize = 8;
/// Instants for which what has expired is dropped.
const DROPS_MAX: usize = 12;

const STATES: [RecordState; 4] =
    [RecordState::OrderOpen, RecordState::OrderParked, RecordState::PaymentParked, RecordState::Quiet];

struct Both<'a> {
    file: &'a dyn Journal,
    memory: &'a MemoryJournal,
    held: Held,
}

pub(super) async fn hold(history: &[Batch], open: &Open, told: &mut Durable) -> Result<(), String> {
    let folder = folder()?;
    let path = folder.path().join(FILE);
    let opened = match open(&path) {
        Ok(opened) => opened,
        Err(error) => {
            told.broken.push(format!("a journal that is not there yet was not made: {error}"));
            return Ok(());
        }
    };
    let memory = MemoryJournal::new();
    let mut both = Both { file: &*opened.journal, memory: &memory, held: Held::new() };
    let (last, history) = history.split_last().expect("a history has batches");
    for (number, batch) in history.iter().enumerate() {
        if number < NEAR_MISSES {
            near_misses(&both, batch, told).await;
        }
        both.commit(batch, told).await;
        if number % LISTED_EVERY == 0 {
            both.listed(told).await;
        }
    }
    given_up(&mut both, last, told).await;
    told.hold(both.file.probe().await.is_ok(), || "the file takes no probe, and takes writes".to_owned());
    both.listed(told).await;
    // Another process, and then the next one.
    for who in ["a second process", "the next process"] {
        match open(&path) {
            Ok(other) => {
                let missing = missing(&*other.journal, &both.held).await;
                told.hold(missing.is_none(), || format!("{who} does not see all: {}", missing.unwrap_or_default()));
            }
            Err(error) => told.broken.push(format!("{who} could not open the file: {error}")),
        }
    }
    expired(&both, told).await;
    Ok(())
}

impl Both<'_> {
    async fn commit(&mut self, batch: &Batch, told: &mut Durable) {
        told.batches += 1;
        let (file, memory) = (self.file.commit(batch.clone()).await, self.memory.write(batch.clone()));
        told.hold(file == memory, || format!("a batch came to {file:?} in the file, and to {memory:?} in memory"));
        if memory.is_ok() {
            enter(&mut self.held, batch);
        }
        self.read(batch, told).await;
    }

    async fn read(&self, batch: &Batch, told: &mut Durable) {
        for write in &batch.writes {
            self.get(&write.key, told).await;
        }
    }

    async fn get(&self, key: &Key, told: &mut Durable) {
        let (file, memory) = (self.file.get(key).await, self.memory.read(key));
        let is_same = match (&file, &memory) {
            (Ok(None), None) => true,
            (Ok(Some(file)), Some(memory)) => is_same(file, memory),
            (Ok(None | Some(_)) | Err(_), None | Some(_)) => false,
        };
        told.hold(is_same, || format!("{key} reads as {file:?} from the file, and as {memory:?} from memory"));
    }

    async fn listed(&self, told: &mut Durable) {
        for state in STATES {
            let (file, memory) = (self.file.list(state).await, self.memory.all(state));
            let is_same = file.as_ref().is_ok_and(|file| {
                file.len() == memory.len() && file.iter().zip(&memory).all(|(file, memory)| is_same(file, memory))
            });
            told.hold(is_same, || format!("what is {} is listed otherwise by the file than by memory", state.name()));
        }
        let (file, memory) = (self.file.overview().await, self.memory.glance());
        let is_same = file.as_ref().is_ok_and(|file| {
            (file.open, file.parked) == (memory.open, memory.parked)
                && file.switches.as_ref().map(|it| it.version) == memory.switches.as_ref().map(|it| it.version)
        });
        told.hold(is_same, || format!("the file shows {file:?} at a glance, and memory {memory:?}"));
    }
}

/// What a batch must not be: each is refused by both, and nothing is written.
async fn near_misses(both: &Both<'_>, batch: &Batch, told: &mut Durable) {
    let Some(first) = batch.writes.first() else { return };
    let mut wrong = Vec::new();
    let mut twice = batch.clone();
    twice.writes.push(first.clone());
    wrong.push(("a batch that writes a record twice", twice));
    let mut misplaced = batch.clone();
    misplaced.writes[0].key = Key::Payment("ord_of_nobody".into());
    wrong.push(("a record under another's key", misplaced));
    // The last one, so that what comes before it in the batch is written first and has to be taken back.
    let last = batch.writes.len() - 1;
    let expected = batch.writes[last].expected;
    for version in [None, Some(0), Some(1), expected.map(|version| version + 1), Some(u64::MAX)] {
        if version != expected {
            let mut stale = batch.clone();
            stale.writes[last].expected = version;
            wrong.push(("a record that has moved on", stale));
        }
    }
    for (what, batch) in wrong {
        let (file, memory) = (both.file.commit(batch.clone()).await, both.memory.write(batch.clone()));
        told.hold(file.is_err() && memory.is_err(), || format!("{what} was written"));
        told.hold(file == memory, || format!("{what} came to {file:?} in the file, and to {memory:?} in memory"));
        both.read(&batch, told).await;
    }
}

/// Callers that give up: one before it handed anything over, one whose time is up, one that no longer waits.
async fn given_up(both: &mut Both<'_>, batch: &Batch, told: &mut Durable) {
    drop(both.file.commit(batch.clone()));
    both.read(batch, told).await;

    match both.file.commit(batch.clone().until(Instant::now())).await {
        Err(CommitError::Store(JournalError::Busy)) => both.read(batch, told).await,
        // It was begun before anybody looked at the time.
        Ok(()) => {
            let _ = both.memory.write(batch.clone());
            enter(&mut both.held, batch);
            both.read(batch, told).await;
            return;
        }
        Err(error) => told.broken.push(format!("a batch whose time was up came to {error:?}")),
    }

    let mut handed_over = both.file.commit(batch.clone());
    let began = std::future::poll_fn(|context| Poll::Ready(handed_over.poll_unpin(context))).await;
    drop(handed_over);
    told.hold(!matches!(began, Poll::Ready(Err(_))), || format!("a batch that fits came to {began:?}"));
    let _ = both.memory.write(batch.clone());
    enter(&mut both.held, batch);
    // Whoever gave up learns what became of it.
    both.read(batch, told).await;
}

/// Drops what has expired, second by second, from both.
async fn expired(both: &Both<'_>, told: &mut Durable) {
    let expiries: BTreeSet<i64> =
        both.held.values().filter_map(|stored| stored.record.expires_at()).map(Timestamp::as_second).collect();
    let every = expiries.len().div_ceil(DROPS_MAX).max(1);
    for second in expiries.iter().step_by(every) {
        for now in [*second, second + 1] {
            let Ok(now) = Timestamp::from_second(now) else { continue };
            let file = both.file.drop_expired(now).await;
            let memory = Journal::drop_expired(both.memory, now).await;
            told.hold(file == memory, || format!("at {now} the file dropped {file:?} records, and memory {memory:?}"));
        }
    }
    for (key, stored) in &both.held {
        both.get(key, told).await;
        let may_go = stored.record.expires_at().is_some();
        told.hold(may_go || both.memory.read(key).is_some(), || format!("{key} never expires, and was dropped"));
    }
}
