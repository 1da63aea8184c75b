//! Reading and writing rows, and what SQLite's errors mean to the journal.
//!
//! A row is believed only if all its columns agree with its body; anything else is corrupt and named.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::file;
use crate::journal::{Batch, JournalError, Key, Overview, Record, RecordState, Stored, Version};

const GET: &str = "SELECT kind, id, version, state, body FROM records WHERE kind = ?1 AND id = ?2";
// The second condition is the index's own; without it SQLite would not use it.
pub(super) const LIST: &str = "SELECT kind, id, version, state, body FROM records
    WHERE state = ?1 AND state <> 'quiet' ORDER BY kind, id";
const COUNT: &str = "SELECT COUNT(*) FROM records WHERE state = ?1 AND state <> 'quiet'";
const INSERT: &str = "INSERT INTO records (kind, id, version, state, expires_at, body) VALUES (?1, ?2, 1, ?3, ?4, ?5)
    ON CONFLICT (kind, id) DO NOTHING";
const UPDATE: &str = "UPDATE records SET version = version + 1, state = ?3, expires_at = ?4, body = ?5
    WHERE kind = ?1 AND id = ?2 AND version = ?6";
pub(super) const DROP_EXPIRED: &str = "DELETE FROM records WHERE expires_at < ?1 AND state = 'quiet'";

/// How long a new mark waits for those who read what was before it; what is written is durable by then.
const READERS_WAIT_MAX: Duration = Duration::from_millis(100);

/// Reads one record.
pub(super) fn get(connection: &Connection, key: &Key) -> Result<Option<Stored>, JournalError> {
    connection
        .query_row(GET, params![key.kind(), key.id()], |row| Ok(decode(row)))
        .optional()
        .map_err(|error| store_error(&error))?
        .transpose()
}

/// Reads all records in a state.
pub(super) fn list(connection: &Connection, state: RecordState) -> Result<Vec<Stored>, JournalError> {
    let failed = |error| store_error(&error);
    let mut statement = connection.prepare(LIST).map_err(failed)?;
    let rows = statement.query_map([state.name()], |row| Ok(decode(row))).map_err(failed)?;
    rows.map(|row| row.map_err(failed)?).collect()
}

/// Writes a batch; answers the key that had moved on, in which case nothing is written.
pub(super) fn commit(connection: &mut Connection, batch: &Batch) -> Result<Option<Key>, JournalError> {
    let failed = |error| store_error(&error);
    // The write lock first, waited for: one that looked and then asked for it would be refused if anybody else wrote.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let marks = mark(&transaction).map_err(failed)?;
    for write in &batch.writes {
        let record = &*write.record;
        let (kind, id, state) = (write.key.kind(), write.key.id(), record.state().name());
        let expires_at = record.expires_at().map(Timestamp::as_second);
        let body = serde_json::to_string(record)
            .map_err(|error| JournalError::Other(format!("{} cannot be written: {error}", write.key)))?;
        let written = match write.expected.map(i64::try_from) {
            None => transaction.execute(INSERT, params![kind, id, state, expires_at, body]),
            Some(Ok(version)) => transaction.execute(UPDATE, params![kind, id, state, expires_at, body, version]),
            // No record was ever written that often.
            Some(Err(_)) => Ok(0),
        };
        if written.map_err(failed)? == 0 {
            // Dropping the transaction takes back what was written so far.
            return Ok(Some(write.key.clone()));
        }
    }
    transaction.commit().map_err(failed)?;
    if marks {
        carry(connection);
    }
    Ok(None)
}

/// Drops what has expired.
pub(super) fn drop_expired(connection: &mut Connection, now: Timestamp) -> Result<usize, JournalError> {
    let failed = |error| store_error(&error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let dropped = transaction.execute(DROP_EXPIRED, [now.as_second()]).map_err(failed)?;
    let marks = dropped > 0 && mark(&transaction).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    if marks {
        carry(connection);
    }
    Ok(dropped)
}

/// Counts the orders and reads the switches, in one transaction.
pub(super) fn overview(connection: &mut Connection) -> Result<Overview, JournalError> {
    let transaction = connection.transaction().map_err(|error| store_error(&error))?;
    let count = |state: RecordState| -> Result<usize, JournalError> {
        let counted = transaction.query_row(COUNT, [state.name()], |row| row.get::<_, i64>(0));
        let counted = counted.map_err(|error| store_error(&error))?;
        Ok(usize::try_from(counted).expect("a count is not negative"))
    };
    Ok(Overview {
        open: count(RecordState::OrderOpen)?,
        parked: count(RecordState::OrderParked)?,
        switches: get(&transaction, &Key::Switches)?,
    })
}

/// Writes what is there already, durably.
pub(super) fn probe(connection: &mut Connection) -> Result<(), JournalError> {
    let failed = |error| store_error(&error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let marks = mark(&transaction).map_err(failed)?;
    if !marks {
        // SQLite writes the page of its header for this also where the number is the same.
        transaction.pragma_update(None, "user_version", file::user_version(true)).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    if marks {
        carry(connection);
    }
    Ok(())
}

/// Whether the journal carries the mark that its log is needed.
fn marked(connection: &Connection) -> rusqlite::Result<bool> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map(file::is_marked)
}

/// Marks the journal, with what a transaction writes; whether it was not marked before.
fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<bool> {
    if marked(transaction)? {
        return Ok(false);
    }
    transaction.pragma_update(None, "user_version", file::user_version(true))?;
    Ok(true)
}

/// Carries a new mark from the log, where it would be lost with the rest, into the file. Where another process is in the
/// way, the next checkpoint does so.
fn carry(connection: &Connection) {
    let carried = connection
        .busy_timeout(READERS_WAIT_MAX)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())));
    if let Err(error) = carried {
        tracing::warn!(%error, "the journal's log was not taken into its file");
    }
}

/// Takes the write-ahead log into the file and empties it; the file is whole by itself then, and says so. Whoever writes
/// next marks it again.
pub(super) fn close(connection: &mut Connection) -> Result<(), JournalError> {
    let failed = |error| store_error(&error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if marked(&transaction).map_err(failed)? {
        transaction.pragma_update(None, "user_version", file::user_version(false)).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed)?;
    if marked(connection).map_err(failed)? {
        // Another process wrote before the log was emptied: it must not be empty while the mark stands.
        connection.pragma_update(None, "user_version", file::user_version(true)).map_err(failed)?;
    }
    if busy { Err(JournalError::Busy) } else { Ok(()) }
}

/// The last act of a connection. One that only read leaves the files as they are.
pub(super) fn leave(connection: &mut Connection, busy_wait: Duration) {
    let left = connection.busy_timeout(busy_wait).map_err(|error| store_error(&error)).and_then(|()| {
        if connection.total_changes() > 0 {
            close(connection)?;
        }
        if !marked(connection).map_err(|error| store_error(&error))? {
            // Nothing is in the log that is not in the file: the last to leave may remove it.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
        Ok(())
    });
    if let Err(error) = left {
        tracing::warn!(%error, "the journal's log was not taken into its file; keep both together");
    }
}

/// Reads the columns of [`GET`] and [`LIST`].
fn decode(row: &Row<'_>) -> Result<Stored, JournalError> {
    let text = |column: &str| row.get_ref(column).ok().and_then(|value| value.as_str().ok());
    let (kind, id) = (text("kind").unwrap_or("?"), text("id").unwrap_or("?"));
    let version = row.get::<_, i64>("version").ok().and_then(|version| Version::try_from(version).ok());
    let record = text("body").and_then(|body| serde_json::from_str::<Record>(body).ok());
    match (version, record) {
        (Some(version), Some(record))
            if record.key().kind() == kind
                && record.key().id() == id
                && Some(record.state().name()) == text("state") =>
        {
            Ok(Stored { version, record: record.into() })
        }
        _ => Err(JournalError::Corrupt(format!("{kind}/{id}"))),
    }
}

/// What an error of SQLite's means.
pub(super) fn store_error(error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Busy,
        Some(ErrorCode::DiskFull) => JournalError::Full,
        _ => JournalError::Other(error.to_string()),
    }
}
