//! What any journal must do, as one suite that runs against each implementation.
//!
//! A subject can be opened several times: each handle is a replica, and opening again is a restart. A new
//! implementation is a new [`Subject`] and one more line in [`conforms`]. Random sequences are in `random`.

mod random;
pub(crate) mod samples;

use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Barrier;

use self::samples::{
    entry_done, entry_in_progress, event, every_kind, open, order, paid, parked, payment, second, workflow,
};
use super::memory::MemoryJournal;
use super::sqlite::{InlineJournal, SqliteJournal};
use super::{Batch, CommitError, Journal, JournalError, Key, Record, RecordState, Stored, Version};
use crate::checkout::order::Order;

/// A store that can be opened again and again.
trait Subject: Default {
    fn open(&self) -> Arc<dyn Journal>;
}

#[derive(Default)]
struct Memory(Arc<MemoryJournal>);

impl Subject for Memory {
    fn open(&self) -> Arc<dyn Journal> {
        self.0.clone()
    }
}

struct Sqlite(TempDir);

impl Default for Sqlite {
    fn default() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Subject for Sqlite {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(SqliteJournal::open(&self.0.path().join("journal.db")).unwrap())
    }
}

struct Inline(Arc<InlineJournal>);

impl Default for Inline {
    fn default() -> Self {
        Self(Arc::new(InlineJournal::open().unwrap()))
    }
}

impl Subject for Inline {
    fn open(&self) -> Arc<dyn Journal> {
        self.0.clone()
    }
}

macro_rules! conforms {
    ($($law:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $law() {
                super::$law(&super::Memory::default()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $law() {
                super::$law(&super::Sqlite::default()).await;
            })*
        }
        mod inline {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $law() {
                super::$law(&super::Inline::default()).await;
            })*
        }
    };
}

conforms! {
    a_record_of_each_kind_reads_back_as_it_was_written
    an_unknown_key_reads_as_nothing
    each_write_raises_the_version_by_one
    a_version_that_is_not_the_present_one_conflicts
    what_exists_cannot_be_made_again
    one_conflict_keeps_the_whole_batch_from_being_written
    a_batch_that_nobody_means_is_refused
    an_empty_batch_is_written
    a_commit_that_is_never_awaited_writes_nothing
    an_order_is_listed_where_it_stands
    a_look_that_is_due_lists_an_order_that_has_ended
    an_event_is_written_once_and_dropped_when_it_has_expired
    an_overview_counts_what_is_listed_and_shows_the_switches
    a_probe_changes_nothing
    a_list_is_ordered_by_key
    keys_that_look_alike_are_kept_apart
    of_concurrent_writers_one_wins_each_version
    concurrent_batches_never_mix
    replicas_see_one_another
    a_restart_keeps_everything
    what_has_expired_is_dropped
    what_is_open_is_never_dropped
    a_renewed_expiry_counts
    a_dropped_record_can_be_made_again
}

async fn put(journal: &dyn Journal, expected: Option<Version>, record: Record) -> Result<(), CommitError> {
    journal.commit(Batch::default().put(expected, record)).await
}

async fn read(journal: &dyn Journal, key: &Key) -> Option<(Version, Record)> {
    journal.get(key).await.unwrap().as_ref().map(plain)
}

async fn listed(journal: &dyn Journal, state: RecordState) -> Vec<String> {
    journal.list(state).await.unwrap().iter().map(|stored| stored.record.key().id()).collect()
}

fn plain(stored: &Stored) -> (Version, Record) {
    (stored.version, (*stored.record).clone())
}

fn conflict<T>(key: &Key) -> Result<T, CommitError> {
    Err(CommitError::Conflict(key.clone()))
}

async fn a_record_of_each_kind_reads_back_as_it_was_written(subject: &impl Subject) {
    let journal = subject.open();
    for record in every_kind() {
        put(&*journal, None, record.clone()).await.unwrap();
        assert_eq!(read(&*journal, &record.key()).await, Some((1, record)));
    }
}

async fn an_unknown_key_reads_as_nothing(subject: &impl Subject) {
    let journal = subject.open();
    for record in every_kind() {
        assert_eq!(read(&*journal, &record.key()).await, None);
    }
}

async fn each_write_raises_the_version_by_one(subject: &impl Subject) {
    let journal = subject.open();
    put(&*journal, None, workflow("wf_1", 0)).await.unwrap();
    for version in 1..5 {
        let record = workflow("wf_1", version);
        put(&*journal, Some(version), record.clone()).await.unwrap();
        assert_eq!(read(&*journal, &record.key()).await, Some((version + 1, record)));
    }
}

async fn a_version_that_is_not_the_present_one_conflicts(subject: &impl Subject) {
    let journal = subject.open();
    let key = workflow("wf_1", 0).key();
    assert_eq!(put(&*journal, Some(1), workflow("wf_1", 0)).await, conflict(&key), "absent");
    assert_eq!(put(&*journal, Some(0), workflow("wf_1", 0)).await, conflict(&key), "0 is not `absent`");
    assert_eq!(read(&*journal, &key).await, None);

    put(&*journal, None, workflow("wf_1", 1)).await.unwrap();
    put(&*journal, Some(1), workflow("wf_1", 2)).await.unwrap();
    for wrong in [0, 1, 3, u64::MAX] {
        assert_eq!(put(&*journal, Some(wrong), workflow("wf_1", 9)).await, conflict(&key), "{wrong}");
    }
    assert_eq!(read(&*journal, &key).await, Some((2, workflow("wf_1", 2))));
}

async fn what_exists_cannot_be_made_again(subject: &impl Subject) {
    let journal = subject.open();
    for record in every_kind() {
        put(&*journal, None, record.clone()).await.unwrap();
        assert_eq!(put(&*journal, None, record.clone()).await, conflict(&record.key()));
        assert_eq!(read(&*journal, &record.key()).await, Some((1, record)));
    }
}

async fn one_conflict_keeps_the_whole_batch_from_being_written(subject: &impl Subject) {
    let journal = subject.open();
    put(&*journal, None, order("ord_old", open())).await.unwrap();
    put(&*journal, None, workflow("wf_old", 1)).await.unwrap();
    let good = [(None, order("ord_new", open())), (Some(1), order("ord_old", parked()))];
    // One that exists, one that is stale, one that is not there; before, between and behind good writes.
    let bad = [(None, workflow("wf_old", 9)), (Some(7), workflow("wf_old", 9)), (Some(1), workflow("wf_new", 9))];
    for (expected, wrong) in bad {
        for place in 0..=good.len() {
            let mut writes = good.to_vec();
            writes.insert(place, (expected, wrong.clone()));
            let batch = writes.into_iter().fold(Batch::default(), |batch, (at, record)| batch.put(at, record));
            assert_eq!(journal.commit(batch).await, conflict(&wrong.key()), "{expected:?} at {place}");
            assert_eq!(read(&*journal, &order("ord_new", open()).key()).await, None);
            assert_eq!(read(&*journal, &workflow("wf_new", 0).key()).await, None);
            assert_eq!(read(&*journal, &workflow("wf_old", 0).key()).await, Some((1, workflow("wf_old", 1))));
            assert_eq!(listed(&*journal, RecordState::OrderOpen).await, ["ord_old"]);
            assert_eq!(listed(&*journal, RecordState::OrderParked).await, [""; 0]);
        }
    }
}

async fn a_batch_that_nobody_means_is_refused(subject: &impl Subject) {
    let journal = subject.open();
    let twice = Batch::default().put(None, workflow("wf_1", 1)).put(Some(1), workflow("wf_1", 2));
    let refused = journal.commit(twice).await;
    assert!(matches!(refused, Err(CommitError::Store(JournalError::Other(_)))), "{refused:?}");

    let mut misplaced = Batch::default().put(None, workflow("wf_1", 1));
    misplaced.writes[0].key = order("ord_1", open()).key();
    let refused = journal.commit(misplaced).await;
    assert!(matches!(refused, Err(CommitError::Store(JournalError::Other(_)))), "{refused:?}");

    assert_eq!(read(&*journal, &workflow("wf_1", 1).key()).await, None);
    assert_eq!(read(&*journal, &order("ord_1", open()).key()).await, None);
}

async fn an_empty_batch_is_written(subject: &impl Subject) {
    assert_eq!(subject.open().commit(Batch::default()).await, Ok(()));
}

async fn a_commit_that_is_never_awaited_writes_nothing(subject: &impl Subject) {
    let journal = subject.open();
    drop(journal.commit(Batch::default().put(None, workflow("wf_1", 1))));
    assert_eq!(read(&*journal, &workflow("wf_1", 1).key()).await, None);
}

async fn an_order_is_listed_where_it_stands(subject: &impl Subject) {
    let journal = subject.open();
    for other in every_kind().into_iter().filter(|record| record.state() == RecordState::Quiet) {
        put(&*journal, None, other).await.unwrap();
    }
    put(&*journal, None, payment("ord_1")).await.unwrap();
    let stages = [open(), open(), parked(), open(), paid(), parked(), paid()];
    for (version, saga) in (0..).zip(stages) {
        let record = order("ord_1", saga);
        put(&*journal, (version > 0).then_some(version), record.clone()).await.unwrap();
        for state in [RecordState::OrderOpen, RecordState::OrderParked, RecordState::Quiet] {
            let here = state == record.state() && state != RecordState::Quiet;
            let found: Vec<_> = journal.list(state).await.unwrap().iter().map(plain).collect();
            let expected: Vec<_> = here.then(|| (version + 1, record.clone())).into_iter().collect();
            assert_eq!(found, expected, "{state:?} after write {version}");
        }
        assert_eq!(listed(&*journal, RecordState::PaymentParked).await, ["ord_1"]);
    }
}

async fn an_overview_counts_what_is_listed_and_shows_the_switches(subject: &impl Subject) {
    let journal = subject.open();
    let counts = async || {
        let overview = journal.overview().await.unwrap();
        (overview.open, overview.parked, overview.switches.as_ref().map(plain))
    };
    assert_eq!(counts().await, (0, 0, None));
    for record in every_kind() {
        put(&*journal, None, record).await.unwrap();
    }
    let of = async |state| listed(&*journal, state).await.len();
    let (open_before, parked_before) = (of(RecordState::OrderOpen).await, of(RecordState::OrderParked).await);
    let (found_open, found_parked, switches) = counts().await;
    assert_eq!((found_open, found_parked), (open_before, parked_before));
    assert_eq!(switches, read(&*journal, &Key::Switches).await);
    assert!(switches.is_some());
    let sagas = [open(), open(), parked(), paid(), parked(), parked()];
    for (id, saga) in ["ord_c1", "ord_c2", "ord_c3", "ord_c4", "ord_c5", "ord_c6"].into_iter().zip(sagas) {
        put(&*journal, None, order(id, saga)).await.unwrap();
    }
    let (found_open, found_parked, _) = counts().await;
    assert_eq!((found_open, found_parked), (open_before + 2, parked_before + 3));
}

async fn a_probe_changes_nothing(subject: &impl Subject) {
    let journal = subject.open();
    journal.probe().await.unwrap();
    for record in every_kind() {
        put(&*journal, None, record).await.unwrap();
    }
    journal.probe().await.unwrap();
    journal.probe().await.unwrap();
    let again = subject.open();
    for record in every_kind() {
        assert_eq!(read(&*again, &record.key()).await, Some((1, record)));
    }
}

async fn a_look_that_is_due_lists_an_order_that_has_ended(subject: &impl Subject) {
    let journal = subject.open();
    let heard = |record: Record, heard, looked| match record {
        Record::Order(order) => Record::Order(Order { heard, looked, ..order }),
        other => other,
    };
    for (expected, (record, open)) in [
        (heard(order("ord_1", paid()), 0, 0), false),
        (heard(order("ord_1", paid()), 1, 0), true),
        (heard(order("ord_1", paid()), 1, 1), false),
        (heard(order("ord_1", parked()), 2, 1), false),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = Version::try_from(expected).unwrap();
        put(&*journal, (expected > 0).then_some(expected), record.clone()).await.unwrap();
        assert_eq!(listed(&*journal, RecordState::OrderOpen).await.len(), usize::from(open), "{record:?}");
        assert_eq!(read(&*journal, &record.key()).await, Some((expected + 1, record)));
    }
}

async fn an_event_is_written_once_and_dropped_when_it_has_expired(subject: &impl Subject) {
    let journal = subject.open();
    let both = |at| Batch::default().put(None, event("evt_1", 10)).put(at, workflow("wf_1", 1));
    journal.commit(both(None)).await.unwrap();
    assert_eq!(journal.commit(both(Some(1))).await, conflict(&event("evt_1", 10).key()), "taken in twice");
    assert_eq!(read(&*journal, &workflow("wf_1", 1).key()).await.map(|(version, _)| version), Some(1));
    assert_eq!(journal.drop_expired(second(11)).await, Ok(1));
    assert_eq!(read(&*journal, &event("evt_1", 10).key()).await, None);
}

async fn a_list_is_ordered_by_key(subject: &impl Subject) {
    let journal = subject.open();
    let ids = ["ord_b", "ord_é", "", "ord_10", "ord_\u{10000}", "ord_B", "ord_2", "ord_\u{ffff}", "ord_a", "ord_a\0"];
    for id in ids {
        put(&*journal, None, order(id, open())).await.unwrap();
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed(&*journal, RecordState::OrderOpen).await, sorted);
}

async fn keys_that_look_alike_are_kept_apart(subject: &impl Subject) {
    let journal = subject.open();
    let long = "x".repeat(100_000);
    let parts = [
        ["a:b", "c", "d"],
        ["a", "b:c", "d"],
        ["a", "b", "c:d"],
        ["1:a", "b", ""],
        ["", "1:a", "b"],
        ["", "", ""],
        ["a", "b", "\0"],
        ["a", "b", ""],
        ["a", "b", "é"],
        ["a", "b", "e\u{301}"],
        ["a", "b", "E"],
        ["a", "b", "e"],
        ["a", "b", "e "],
        ["a", "b", "1"],
        ["a", "b", "1.0"],
        ["a", "b", "'; DELETE FROM records; --"],
        [&long, "b", "c"],
        ["a", "b", &long],
    ];
    let entries = parts.map(|[user, tool, key]| entry_done(user, tool, key, 1));
    let same_text = [order("x", paid()), workflow("x", 1), order("workflow/x", paid()), order("switches", paid())];
    let records: Vec<Record> = entries.into_iter().chain(same_text).collect();
    for record in &records {
        put(&*journal, None, record.clone()).await.unwrap();
    }
    for record in records {
        assert_eq!(read(&*journal, &record.key()).await, Some((1, record)));
    }
}

async fn of_concurrent_writers_one_wins_each_version(subject: &impl Subject) {
    const WRITERS: u64 = 16;
    let replicas = [subject.open(), subject.open()];
    for round in 0..8_u64 {
        let expected = (round > 0).then_some(round);
        let start = Arc::new(Barrier::new(usize::try_from(WRITERS).unwrap()));
        let writers = (0..WRITERS).map(|writer| {
            let (journal, start) = (replicas[usize::from(writer % 2 == 0)].clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                (writer, put(&*journal, expected, workflow("wf_1", writer)).await)
            })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.unwrap() {
                (writer, Ok(())) => winners.push(writer),
                (_, lost) => assert_eq!(lost, conflict(&workflow("wf_1", 0).key())),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let stands = read(&*replicas[0], &workflow("wf_1", 0).key()).await;
        assert_eq!(stands, Some((round + 1, workflow("wf_1", winners[0]))));
    }
}

/// Two records that every batch writes together never differ, whoever reads and whenever the race is run.
async fn concurrent_batches_never_mix(subject: &impl Subject) {
    let replicas = [subject.open(), subject.open()];
    let both = |at, payload| Batch::default().put(at, workflow("wf_l", payload)).put(at, workflow("wf_r", payload));
    replicas[0].commit(both(None, 0)).await.unwrap();
    let writers = (1..=8).map(|writer| {
        let journal = replicas[usize::from(writer % 2 == 0)].clone();
        tokio::spawn(async move {
            loop {
                let at = journal.get(&workflow("wf_l", 0).key()).await.unwrap().unwrap().version;
                match journal.commit(both(Some(at), writer)).await {
                    Ok(()) => break,
                    Err(CommitError::Conflict(_)) => {}
                    Err(CommitError::Store(error)) => panic!("{error}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (left, l) = read(&*replicas[1], &workflow("wf_l", 0).key()).await.unwrap();
    let (right, r) = read(&*replicas[1], &workflow("wf_r", 0).key()).await.unwrap();
    assert_eq!((left, right), (9, 9), "no write was lost");
    let (Record::Workflow(l), Record::Workflow(r)) = (l, r) else { panic!("workflows were written") };
    assert_eq!(l.selected_gift, r.selected_gift);
}

async fn replicas_see_one_another(subject: &impl Subject) {
    let (here, there) = (subject.open(), subject.open());
    put(&*here, None, order("ord_1", open())).await.unwrap();
    assert_eq!(listed(&*there, RecordState::OrderOpen).await, ["ord_1"]);
    put(&*there, Some(1), order("ord_1", parked())).await.unwrap();
    assert_eq!(listed(&*here, RecordState::OrderParked).await, ["ord_1"]);
    assert_eq!(put(&*here, Some(1), order("ord_1", paid())).await, conflict(&order("ord_1", paid()).key()));
}

async fn a_restart_keeps_everything(subject: &impl Subject) {
    let before = subject.open();
    for record in every_kind() {
        put(&*before, None, record).await.unwrap();
    }
    put(&*before, None, order("ord_open", open())).await.unwrap();
    put(&*before, None, order("ord_parked", parked())).await.unwrap();
    drop(before);

    let after = subject.open();
    for record in every_kind() {
        assert_eq!(read(&*after, &record.key()).await, Some((1, record)));
    }
    assert!(listed(&*after, RecordState::OrderOpen).await.contains(&String::from("ord_open")));
    assert!(listed(&*after, RecordState::OrderParked).await.contains(&String::from("ord_parked")));
    put(&*after, Some(1), order("ord_open", paid())).await.unwrap();
}

async fn what_has_expired_is_dropped(subject: &impl Subject) {
    let journal = subject.open();
    for (key, expires) in [("early", 10), ("middle", 20), ("late", 30)] {
        put(&*journal, None, entry_done("ann", "create_order", key, expires)).await.unwrap();
    }
    let key = |key| entry_done("ann", "create_order", key, 0).key();
    assert_eq!(journal.drop_expired(second(10)).await, Ok(0), "its second is not over");
    assert_eq!(journal.drop_expired(second(21)).await, Ok(2));
    assert_eq!(read(&*journal, &key("early")).await, None);
    assert_eq!(read(&*journal, &key("middle")).await, None);
    assert!(read(&*journal, &key("late")).await.is_some());
    assert_eq!(journal.drop_expired(second(21)).await, Ok(0), "once is enough");
}

async fn what_is_open_is_never_dropped(subject: &impl Subject) {
    let journal = subject.open();
    // An entry in progress that claims an expiry all the same.
    let working = entry_in_progress("ann", "create_order", "k", Some(1));
    let mut kept = vec![working, order("ord_open", open()), order("ord_parked", parked()), order("ord_paid", paid())];
    kept.extend(every_kind().into_iter().filter(|record| record.expires_at().is_none()));
    for record in &kept {
        put(&*journal, None, record.clone()).await.unwrap();
    }
    assert_eq!(journal.drop_expired(jiff::Timestamp::MAX).await, Ok(0));
    for record in kept {
        assert_eq!(read(&*journal, &record.key()).await, Some((1, record)));
    }
}

async fn a_renewed_expiry_counts(subject: &impl Subject) {
    let journal = subject.open();
    let at = |expires| entry_done("ann", "create_order", "k", expires);
    put(&*journal, None, at(10)).await.unwrap();
    put(&*journal, Some(1), entry_in_progress("ann", "create_order", "k", None)).await.unwrap();
    assert_eq!(journal.drop_expired(second(15)).await, Ok(0), "the key runs again");
    put(&*journal, Some(2), at(20)).await.unwrap();
    assert_eq!(journal.drop_expired(second(15)).await, Ok(0));
    assert_eq!(read(&*journal, &at(20).key()).await, Some((3, at(20))));
    assert_eq!(journal.drop_expired(second(25)).await, Ok(1));
}

async fn a_dropped_record_can_be_made_again(subject: &impl Subject) {
    let journal = subject.open();
    let at = |expires| entry_done("ann", "create_order", "k", expires);
    put(&*journal, None, at(10)).await.unwrap();
    assert_eq!(journal.drop_expired(second(15)).await, Ok(1));
    assert_eq!(put(&*journal, Some(1), at(30)).await, conflict(&at(10).key()));
    put(&*journal, None, at(30)).await.unwrap();
    assert_eq!(read(&*journal, &at(30).key()).await, Some((1, at(30))));
}
