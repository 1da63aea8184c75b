//! Opening the file: whether it may be opened at all, how it is set up, and which schema it holds.
//!
//! A file is looked at before anything in it is changed, so that a path given by mistake costs nobody their data.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};

use super::{log, rows};
use crate::journal::JournalError;

/// "GIFT": marks the file as ours (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x4749_4654;

/// Rises with each change of [`SCHEMA`] (`PRAGMA user_version`).
pub(super) const SCHEMA_VERSION: i32 = 1;

/// Beside the schema's version: what was written last may be in the write-ahead log only.
const MARK: i32 = 1 << 16;

/// Whether a `user_version` carries the mark.
pub(super) const fn is_marked(user_version: i32) -> bool {
    user_version & MARK != 0
}

/// The `user_version` of a journal with or without the mark.
pub(super) const fn user_version(marked: bool) -> i32 {
    if marked { SCHEMA_VERSION | MARK } else { SCHEMA_VERSION }
}

/// How often entering the write-ahead log is tried while others enter it too; in races of eight, two were enough.
const WAL_ATTEMPTS_MAX: u32 = 50;

/// `expires_at` is in seconds since 1970. Only orders with work left, or that wait for a person, are in the index.
const SCHEMA: &str = "
    CREATE TABLE records (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        state TEXT NOT NULL,
        expires_at INTEGER,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE INDEX records_listed ON records (state, kind, id) WHERE state <> 'quiet';
    CREATE INDEX records_expiring ON records (expires_at) WHERE expires_at IS NOT NULL;
";

/// What a file turned out to be.
enum Contents {
    Nothing,
    Journal,
}

/// Opens two connections that are ready for use: one to write, one to read.
pub(super) fn open(path: &Path, busy_wait: Duration) -> Result<(Connection, Connection), JournalError> {
    let refuse = |why: &str| JournalError::Other(format!("{}: {why}", path.display()));
    let because = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => refuse("the file is not a journal"),
        Some(ErrorCode::CannotOpen) => refuse("the file cannot be opened or made; who may write to its directory?"),
        Some(ErrorCode::ReadOnly) => refuse("the file or its directory is write-protected"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => rows::store_error(&error),
        _ => refuse(&error.to_string()),
    };
    check_place(path).and_then(|()| log::check(path)).map_err(|why| refuse(&why))?;

    make_private(path);

    // Without SQLITE_OPEN_URI: a path is a path, whatever it starts with.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connect = |flags| {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(busy_wait)?;
        // SQLite would remove the log as the last to leave, and with it what tells that nothing is missing (`rows::leave`).
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    };
    let mut connection = connect(flags).map_err(because)?;
    // SQLite opens a write-protected file for reading without a word.
    if connection.is_readonly(MAIN_DB).map_err(because)? {
        return Err(refuse("the file or its directory is write-protected"));
    }

    let looked_at = connection.transaction().map_err(because)?;
    contents(&looked_at).map_err(because)?.map_err(|why| refuse(&why))?;
    drop(looked_at);

    if enter_wal(&connection).map_err(because)? != "wal" {
        return Err(refuse("there can be no write-ahead log here; the journal needs a file on a local disk"));
    }
    // FULL makes a commit durable when it returns; on macOS only fullfsync reaches the disk.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;").map_err(because)?;

    // Looked at again under the write lock: another process may be setting the file up at this moment.
    let setup = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(because)?;
    let found = contents(&setup).map_err(because)?.map_err(|why| refuse(&why))?;
    match found {
        Contents::Journal => {}
        Contents::Nothing => set_up(&setup).map_err(because)?,
    }
    setup.commit().map_err(because)?;

    let reading = connect(flags & !OpenFlags::SQLITE_OPEN_CREATE).map_err(because)?;
    reading.pragma_update(None, "query_only", true).map_err(because)?;
    Ok((connection, reading))
}

/// A connection to an empty journal in memory, ready for use.
pub(super) fn open_in_memory() -> Result<Connection, JournalError> {
    let opened = Connection::open_in_memory().and_then(|connection| set_up(&connection).map(|()| connection));
    opened.map_err(|error| rows::store_error(&error))
}

/// Makes a journal of a database with nothing in it.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", user_version(false))
}

/// Makes a new file that only its owner can read: a journal holds orders and who made them. SQLite gives the files beside
/// it the same rights. A file that is there keeps its own; where none can be made, SQLite says why.
#[cfg(unix)]
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A name that SQLite takes for no file is left to it.
    if path != Path::new(":memory:") {
        let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    }
}

#[cfg(not(unix))]
const fn make_private(_: &Path) {}

/// Answers the mode that the file is in now.
fn enter_wal(connection: &Connection) -> rusqlite::Result<String> {
    let enter = || connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
    for _ in 1..WAL_ATTEMPTS_MAX {
        match enter() {
            // Two that enter at once hold each other up, so SQLite refuses one without waiting. The write lock is
            // waited for: behind it the other has entered, and entering again changes nothing.
            Err(error) if rows::store_error(&error) == JournalError::Busy => {
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            }
            entered => return entered,
        }
    }
    enter()
}

/// What SQLite would only call "unable to open database file".
fn check_place(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(String::from("this is a directory; the journal is a file"));
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(String::from("the journal needs the path of a file")),
    };
    if directory.is_dir() { Ok(()) } else { Err(format!("the directory {} does not exist", directory.display())) }
}

/// The inner error: why the file is not one to write to.
fn contents(transaction: &Transaction<'_>) -> rusqlite::Result<Result<Contents, String>> {
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, version & !MARK, objects) {
        (0, 0, 0) => Ok(Contents::Nothing),
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(Contents::Journal),
        (APPLICATION_ID, version, _) => Err(format!(
            "the journal has schema {version}, this version of giftgenius knows {SCHEMA_VERSION}; run the version that wrote it"
        )),
        _ => Err(String::from("the file is a database of another program")),
    })
}
