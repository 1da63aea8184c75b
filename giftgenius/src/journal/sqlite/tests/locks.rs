//! Another process holds SQLite's write lock: writers wait together, readers do not wait, and what was refused was not
//! written.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;

/// A test that waits longer than this has failed; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A journal that waits so long for a lock, and the other process's hold on it.
fn locked(place: &Place, busy_wait: Duration) -> (Arc<SqliteJournal>, Connection) {
    let journal = SqliteJournal::open_waiting(&place.path(), busy_wait).unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (Arc::new(journal), other)
}

#[tokio::test]
async fn writers_wait_for_a_lock_together_and_not_one_after_the_other() {
    let place = Place::new();
    // One after the other they would wait for a minute and a half.
    let (wait, writers, patience) = (Duration::from_secs(1), 90, Duration::from_secs(30));
    let (journal, other) = locked(&place, wait);
    let names: Vec<_> = (0..writers).map(|number| format!("wf_{number}")).collect();
    let of_sagas = names.iter().map(|name| put(&journal, workflow(name, 1)));
    let refused = timeout(patience, join_all(of_sagas)).await.expect("they wait together");
    assert!(refused.iter().all(|written| *written == Err(JournalError::Busy.into())), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    for name in names {
        put(&journal, workflow(&name, 1)).await.expect("it was not written before");
    }
}

#[tokio::test]
async fn reads_do_not_queue_behind_writes() {
    let place = Place::new();
    put(&place.journal(), workflow("wf_old", 1)).await.unwrap();
    let (journal, other) = locked(&place, FOR_EVER);
    let writing = tokio::spawn({
        let journal = journal.clone();
        async move { put(&journal, workflow("wf_new", 1)).await }
    });
    tokio::task::yield_now().await;
    for id in ["wf_old", "wf_new", "wf_other"] {
        let read = timeout(PATIENCE, journal.get(&workflow(id, 1).key())).await.expect("nothing is waited for");
        assert_eq!(read.unwrap().is_some(), id == "wf_old", "{id}");
    }
    timeout(PATIENCE, journal.list(RecordState::OrderOpen)).await.expect("nothing is waited for").unwrap();
    assert!(!writing.is_finished());
    other.execute_batch("ROLLBACK").unwrap();
    timeout(PATIENCE, writing).await.expect("the lock is free").unwrap().unwrap();
}

#[tokio::test]
async fn a_batch_that_has_not_begun_in_time_is_refused_and_certainly_not_written() {
    let place = Place::new();
    let (journal, other) = locked(&place, FOR_EVER);
    let first = tokio::spawn({
        let journal = journal.clone();
        async move { put(&journal, workflow("wf_1", 1)).await }
    });
    tokio::task::yield_now().await;
    let late = Batch::default().put(None, workflow("wf_2", 1)).until(Instant::now());
    let refused = timeout(PATIENCE, journal.commit(late)).await.expect("it is not waited for");
    assert_eq!(refused, Err(JournalError::Busy.into()));
    let of_saga = tokio::spawn({
        let journal = journal.clone();
        async move { put(&journal, workflow("wf_3", 1)).await }
    });
    tokio::task::yield_now().await;
    other.execute_batch("ROLLBACK").unwrap();
    for writing in [first, of_saga] {
        timeout(PATIENCE, writing).await.expect("the lock is free").unwrap().expect("it is never refused");
    }
    let written = async |id: &str| journal.get(&workflow(id, 1).key()).await.unwrap().is_some();
    assert_eq!((written("wf_1").await, written("wf_2").await, written("wf_3").await), (true, false, true));
}

#[tokio::test]
async fn what_an_abandoned_call_is_still_writing_is_read_behind_it() {
    let place = Place::new();
    let (journal, other) = locked(&place, FOR_EVER);
    let abandoned = tokio::spawn({
        let journal = journal.clone();
        async move { put(&journal, workflow("wf_1", 1)).await }
    });
    tokio::task::yield_now().await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    let reading = tokio::spawn({
        let journal = journal.clone();
        async move { journal.get(&workflow("wf_1", 1).key()).await.unwrap().is_some() }
    });
    let other_read = timeout(PATIENCE, journal.get(&workflow("wf_2", 1).key())).await.expect("it waits for nothing");
    assert!(other_read.unwrap().is_none());
    assert!(!reading.is_finished());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(timeout(PATIENCE, reading).await.expect("the lock is free").unwrap(), "it went on, and is seen");
    assert!(journal.abandoned.writes().is_empty());
}
