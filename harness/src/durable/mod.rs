//! Whether GiftGenius's journal on disk keeps what it was given, whatever a process, a crash or a hand leaves of its files.
//!
//! Simulated runs write into a journal in memory, and runs on the wire lose processes but never a byte of a file. So what runs
//! committed is played into a file: [`history`] takes it from simulated runs, [`parity`] holds the file to the journal in memory,
//! batch by batch, [`images`] opens what a killed process leaves, whole and damaged in every way, and [`places`] opens what is no
//! journal at all. It is production's journal that is opened, behind whatever [`Open`] puts around it.

mod history;
mod images;
mod parity;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use giftgenius::journal::sqlite::SqliteJournal;
use giftgenius::journal::{Batch, Journal, JournalError, Key, Stored};

use crate::scenario::model::Scenario;

/// An open journal: production's, and what it is asked through.
pub struct Handle {
    /// As production has it.
    pub file: Arc<SqliteJournal>,
    /// What reads and writes.
    pub journal: Arc<dyn Journal>,
}

/// How a journal is opened.
pub type Open = dyn Fn(&Path) -> Result<Handle, JournalError> + Sync;

/// As production opens it.
pub fn production(path: &Path) -> Result<Handle, JournalError> {
    let file = Arc::new(SqliteJournal::open(path)?);
    Ok(Handle { journal: file.clone(), file })
}

/// What came of it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Durable {
    /// Batches that were committed.
    pub batches: usize,
    /// States of the files that were opened.
    pub images: usize,
    /// What was not as it is owed, a sentence each.
    pub broken: Vec<String>,
}

impl Durable {
    fn hold(&mut self, is_held: bool, sentence: impl FnOnce() -> String) {
        if !is_held {
            self.broken.push(sentence());
        }
    }
}

/// What a journal is to hold, by key.
type Held = BTreeMap<Key, Stored>;

/// Plays what these scenarios commit into a file, and holds it to all that is owed. An error is of this machine.
pub fn check(scenarios: &[Arc<Scenario>], open: &Open) -> Result<Durable, String> {
    let history = history::of(scenarios)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let mut told = Durable::default();
    runtime.block_on(async {
        parity::hold(&history, open, &mut told).await?;
        images::hold(&history, open, &mut told).await?;
        places::hold(&history, open, &mut told).await
    })?;
    Ok(told)
}

fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::Builder::new()
        .prefix("misrule-journal-")
        .tempdir()
        .map_err(|error| format!("no folder in {}: {error}", std::env::temp_dir().display()))
}

/// The journal's file in a folder.
const FILE: &str = "journal.db";

/// Commits what is known to fit.
async fn write(journal: &dyn Journal, held: &mut Held, batch: &Batch, told: &mut Durable) {
    told.batches += 1;
    match journal.commit(batch.clone()).await {
        Ok(()) => enter(held, batch),
        Err(error) => told.broken.push(format!("a batch that fits was not written: {error}")),
    }
}

fn enter(held: &mut Held, batch: &Batch) {
    for write in &batch.writes {
        let version = write.expected.unwrap_or(0) + 1;
        held.insert(write.key.clone(), Stored { version, record: write.record.clone() });
    }
}

/// The first record that a journal does not hold as it was written.
async fn missing(journal: &dyn Journal, held: &Held) -> Option<String> {
    for (key, wanted) in held {
        match journal.get(key).await {
            Ok(Some(found)) if is_same(&found, wanted) => {}
            Ok(Some(found)) => {
                return Some(format!(
                    "{key} is at version {}, and was written {} times",
                    found.version, wanted.version
                ));
            }
            Ok(None) => return Some(format!("{key} is gone")),
            Err(error) => return Some(format!("{key} cannot be read: {error}")),
        }
    }
    None
}

fn is_same(one: &Stored, other: &Stored) -> bool {
    one.version == other.version && one.record == other.record
}
