//! What is no journal, or not one that this version may write to: it is refused in words that say why, and left alone.
//! And rows that do not say what they are kept as: none is believed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use giftgenius::journal::{Batch, Journal, JournalError, RecordState};

use super::{Durable, FILE, Held, Open, folder, is_same, write};

/// Batches that are enough to have something to spoil.
const BATCHES: usize = 24;

const APPLICATION_AT: usize = 68;
const USER_VERSION_AT: usize = 60;

pub(super) async fn hold(history: &[Batch], open: &Open, told: &mut Durable) -> Result<(), String> {
    let folder = folder()?;
    let path = folder.path().join(FILE);
    let mut held = Held::new();
    match open(&path) {
        Ok(opened) => {
            is_private(folder.path(), told);
            for batch in history.iter().take(BATCHES) {
                write(&*opened.journal, &mut held, batch, told).await;
            }
        }
        Err(error) => told.broken.push(format!("a journal that is not there yet was not made: {error}")),
    }
    let whole = fs::read(&path).map_err(|error| format!("{FILE}: {error}"))?;

    refused("a folder", folder.path(), "directory", open, told);
    let nowhere = folder.path().join("nowhere").join(FILE);
    refused("a file in a folder that is not there", &nowhere, "does not exist", open, told);
    told.hold(!nowhere.exists(), || "a folder was made where none was".to_owned());
    let text = b"Dear diary, nothing happened.\n".repeat(100);
    let patched = |at: usize, number: i32| {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        bytes
    };
    let version = i32::from_be_bytes(whole[USER_VERSION_AT..USER_VERSION_AT + 4].try_into().expect("four bytes"));
    for (what, bytes, why) in [
        ("a text", text, "not a journal"),
        ("another program's database", patched(APPLICATION_AT, 7), "another program"),
        ("the journal of a newer version", patched(USER_VERSION_AT, version + 1), "the version that wrote it"),
    ] {
        let other = folder.path().join("other.db");
        fs::write(&other, &bytes).map_err(|error| format!("other.db: {error}"))?;
        refused(what, &other, why, open, told);
        told.hold(fs::read(&other).is_ok_and(|now| now == bytes), || format!("{what} was refused, and changed"));
    }
    spoiled(&path, &whole, &held, open, told).await
}

fn refused(what: &str, path: &Path, why: &str, open: &Open, told: &mut Durable) {
    told.images += 1;
    match open(path) {
        Ok(_) => told.broken.push(format!("{what} was opened as a journal")),
        Err(error) => {
            let said = error.to_string();
            let names = said.contains(why) && said.contains(&*path.to_string_lossy());
            told.hold(names, || format!("{what} was refused without `{why}` or its path: {said}"));
        }
    }
}

/// A new journal holds orders and who made them.
#[cfg(unix)]
fn is_private(folder: &Path, told: &mut Durable) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let mode = entry.metadata().map_or(0, |about| about.permissions().mode());
        // None of the six bits for the group and for others.
        told.hold(mode.trailing_zeros() >= 6, || format!("others may read {}", entry.path().display()));
    }
}

#[cfg(not(unix))]
fn is_private(_: &Path, _: &mut Durable) {}

/// The body of an order that is listed is spoiled: it is named as corrupt, and fails the list that it would be in.
async fn spoiled(path: &Path, whole: &[u8], held: &Held, open: &Open, told: &mut Durable) -> Result<(), String> {
    let order = held.iter().find(|(_, stored)| stored.record.state() == RecordState::OrderOpen);
    let order = order.or_else(|| held.iter().next());
    let Some((key, stored)) = order else { return Ok(()) };
    let body = serde_json::to_string(&*stored.record).map_err(|error| error.to_string())?;
    let id = key.id();
    let (Some(kind_at), Some(id_at)) = (body.find(key.kind()), body.find(&id)) else {
        return Err(format!("{key} is written without its kind or id"));
    };
    for (what, at) in [("kind", kind_at), ("id", id_at)] {
        let mut bytes = whole.to_vec();
        let begin = &body.as_bytes()[..id_at + id.len()];
        let places: BTreeSet<usize> =
            bytes.windows(begin.len()).enumerate().filter(|(_, window)| *window == begin).map(|(at, _)| at).collect();
        for place in places {
            bytes[place + at] = if bytes[place + at] == b'z' { b'y' } else { b'z' };
        }
        told.images += 1;
        fs::write(path, &bytes).map_err(|error| format!("{FILE}: {error}"))?;
        let opened = match open(path) {
            Ok(opened) => opened,
            Err(error) => {
                told.broken.push(format!("a journal with one spoiled row was not opened: {error}"));
                continue;
            }
        };
        let corrupt = |error: &JournalError| *error == JournalError::Corrupt(key.to_string());
        let read = opened.journal.get(key).await;
        told.hold(read.as_ref().is_err_and(corrupt), || {
            format!("{key} with another {what} in its body reads as {read:?}")
        });
        let state = stored.record.state();
        if state != RecordState::Quiet {
            let listed = opened.journal.list(state).await;
            told.hold(listed.as_ref().is_err_and(corrupt), || format!("a list with {key} spoiled came to {listed:?}"));
        }
        others(&*opened.journal, held, key, told).await;
    }
    Ok(())
}

async fn others(journal: &dyn Journal, held: &Held, spoiled: &giftgenius::journal::Key, told: &mut Durable) {
    for (key, wanted) in held.iter().filter(|(key, _)| *key != spoiled) {
        let read = journal.get(key).await;
        let is_whole = read.as_ref().is_ok_and(|read| read.as_ref().is_some_and(|read| is_same(read, wanted)));
        told.hold(is_whole, || format!("beside a spoiled row {key} reads as {read:?}"));
    }
}
