//! What only a file can do: be somebody else's, be locked, be full, be damaged.

mod locks;
mod logs;

use std::path::PathBuf;

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::*;
use crate::checkout::state::{Ending, Saga};
use crate::journal::Record;
use crate::journal::conformance::samples::{order, workflow};

/// A place for a journal that is gone with the test.
pub(super) struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn journal(&self) -> SqliteJournal {
        SqliteJournal::open_waiting(&self.path(), Duration::ZERO).unwrap()
    }

    /// Behind the journal's back.
    fn sql(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn refused(&self) -> String {
        SqliteJournal::open(&self.path()).unwrap_err().to_string()
    }
}

async fn put(journal: &SqliteJournal, record: Record) -> Result<(), CommitError> {
    journal.commit(Batch::default().put(None, record)).await
}

async fn ask<T: rusqlite::types::FromSql + Send + 'static>(journal: &SqliteJournal, sql: &'static str) -> T {
    let row = journal.write(Begin::Whenever, move |connection| {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|error| rows::store_error(&error))
    });
    row.await.unwrap()
}

fn corrupt<T>(key: &str) -> Result<T, JournalError> {
    Err(JournalError::Corrupt(key.into()))
}

#[tokio::test]
async fn a_commit_is_durable_when_it_returns() {
    let place = Place::new();
    let journal = place.journal();
    assert_eq!(ask::<String>(&journal, "PRAGMA journal_mode").await, "wal");
    assert_eq!(ask::<i64>(&journal, "PRAGMA synchronous").await, 2, "FULL");
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    assert!(place.path().with_extension("db-wal").metadata().unwrap().len() > 0);
}

#[tokio::test]
async fn a_copy_of_the_file_alone_is_whole_after_a_checkpoint() {
    let place = Place::new();
    let journal = place.journal();
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    journal.checkpoint().await.unwrap();
    assert_eq!(place.path().with_extension("db-wal").metadata().unwrap().len(), 0);
    let copied = place.0.path().join("copy.db");
    std::fs::copy(place.path(), &copied).unwrap();
    let copy = SqliteJournal::open(&copied).unwrap();
    assert!(copy.get(&workflow("wf_1", 1).key()).await.unwrap().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let journal = place.journal();
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let mode = place.0.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn dropping_the_journal_closes_the_file() {
    let place = Place::new();
    let journal = place.journal();
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    drop(journal);
    // The last one to close takes the log into the file and removes it.
    assert!(!place.path().with_extension("db-wal").exists());
}

#[tokio::test]
async fn lists_and_expiry_use_their_indexes() {
    let place = Place::new();
    let journal = place.journal();
    for (index, sql) in [("records_listed", rows::LIST), ("records_expiring", rows::DROP_EXPIRED)] {
        let plan = journal.write(Begin::Whenever, move |connection| {
            let explained = format!("EXPLAIN QUERY PLAN {sql}");
            Ok(connection.query_row(&explained, [params![0][0]], |row| row.get::<_, String>(3)).unwrap())
        });
        let plan = plan.await.unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}

#[test]
fn many_may_open_a_new_journal_at_once() {
    for _ in 0..10 {
        let place = Place::new();
        let path = place.path();
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| SqliteJournal::open(&path).map(drop))).collect();
            for opener in openers {
                assert_eq!(opener.join().unwrap(), Ok(()));
            }
        });
    }
}

#[tokio::test]
async fn a_lock_held_too_long_is_busy_and_harmless() {
    let place = Place::new();
    let journal = place.journal();
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(put(&journal, workflow("wf_2", 1)).await, Err(JournalError::Busy.into()));
    assert_eq!(journal.drop_expired(Timestamp::MAX).await, Err(JournalError::Busy));
    assert!(journal.get(&workflow("wf_1", 1).key()).await.unwrap().is_some(), "reading waits for nobody");
    other.execute_batch("ROLLBACK").unwrap();
    put(&journal, workflow("wf_2", 1)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_full_and_writes_nothing() {
    let place = Place::new();
    let journal = place.journal();
    put(&journal, workflow("wf_1", 1)).await.unwrap();
    // The file may not grow, as if the disk were full.
    let pages: i64 = ask(&journal, "PRAGMA max_page_count = 1").await;
    assert!(pages > 0);
    let long = "x".repeat(100_000);
    let batch = Batch::default().put(None, workflow("wf_2", 1)).put(None, workflow(&long, 1));
    assert_eq!(journal.commit(batch).await, Err(JournalError::Full.into()));
    assert!(journal.get(&workflow("wf_1", 1).key()).await.unwrap().is_some());
    assert!(journal.get(&workflow("wf_2", 1).key()).await.unwrap().is_none());
    ask::<i64>(&journal, "PRAGMA max_page_count = 1000000").await;
    put(&journal, workflow(&long, 1)).await.unwrap();
}

#[tokio::test]
async fn a_corrupt_record_fails_its_own_read_and_the_list_it_is_in() {
    let damages = [
        "body = ''",
        "body = substr(body, 1, 40)",
        "body = replace(body, 'ord_2', 'ord_3')",
        "body = '{\"switches\":{\"checkout\":true}}'",
        "body = cast(x'ff7b7d' AS TEXT)",
        "body = replace(body, '\"fence\":1', '\"fence\":-1')",
        "body = replace(body, '\"ending\":null', '\"ending\":\"paid\"')",
        "version = -1",
    ];
    for damage in damages {
        let place = Place::new();
        let journal = place.journal();
        for id in ["ord_1", "ord_2", "ord_3"] {
            put(&journal, order(id, Saga::new())).await.unwrap();
        }
        let parked = Saga { ending: Some(Ending::Parked { note: String::new() }), ..Saga::new() };
        put(&journal, order("ord_4", parked)).await.unwrap();
        place.sql(&format!("UPDATE records SET {damage} WHERE id = 'ord_2'"));

        let read = async |id: &str| journal.get(&Key::Order(id.into())).await.map(|found| found.is_some());
        assert_eq!(read("ord_2").await, corrupt("order/ord_2"), "{damage}");
        assert_eq!(read("ord_1").await, Ok(true), "{damage}");
        let list = async |state| journal.list(state).await.map(|found| found.len());
        assert_eq!(list(RecordState::OrderOpen).await, corrupt("order/ord_2"), "{damage}");
        assert_eq!(list(RecordState::OrderParked).await, Ok(1), "{damage}");
    }
}

#[tokio::test]
async fn a_record_of_another_kind_in_the_row_is_corrupt() {
    let place = Place::new();
    let journal = place.journal();
    let paid = Saga { ending: Some(Ending::Paid), ..Saga::new() };
    put(&journal, order("x", paid)).await.unwrap();
    put(&journal, workflow("x", 1)).await.unwrap();
    place.sql("UPDATE records SET body = (SELECT body FROM records WHERE kind = 'order') WHERE kind = 'workflow'");
    let read = journal.get(&workflow("x", 1).key()).await.map(|found| found.is_some());
    assert_eq!(read, corrupt("workflow/x"));
}

#[test]
fn a_newer_journal_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.journal());
    place.sql("PRAGMA user_version = 2; PRAGMA journal_mode = DELETE");
    let before = std::fs::read(place.path()).unwrap();
    let refused = place.refused();
    assert!(refused.contains("schema 2") && refused.contains("knows 1"), "{refused}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_file_that_is_not_a_journal_is_refused_and_left_alone() {
    let long = "a letter to grandmother\n".repeat(1000);
    for text in ["hello", long.as_str()] {
        let place = Place::new();
        std::fs::write(place.path(), text).unwrap();
        let refused = place.refused();
        assert!(refused.contains("the file is not a journal"), "{refused}");
        assert!(refused.contains("journal.db"), "{refused}");
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), text);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for sql in ["CREATE TABLE songs (title TEXT)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
        let place = Place::new();
        place.sql(sql);
        let before = std::fs::read(place.path()).unwrap();
        let refused = place.refused();
        assert!(refused.contains("of another program"), "{refused}");
        assert_eq!(std::fs::read(place.path()).unwrap(), before);
    }
}

#[test]
fn a_place_where_no_file_can_be_is_said_plainly() {
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    let cases = [
        (place.0.path().to_owned(), "this is a directory"),
        (place.0.path().join("missing/journal.db"), "missing does not exist"),
        (place.path().join("below-a-file.db"), "journal.db does not exist"),
        (place.0.path().join("x".repeat(300)), "cannot be opened or made"),
        (PathBuf::from("/"), "this is a directory"),
        (PathBuf::from(""), "needs the path of a file"),
        (PathBuf::from(":memory:"), "no write-ahead log"),
        (PathBuf::from("/dev/null"), "/dev/null: "),
    ];
    for (path, why) in cases {
        let refused = SqliteJournal::open(&path).unwrap_err().to_string();
        assert!(refused.contains(why), "{path:?}: {refused}");
    }
}
