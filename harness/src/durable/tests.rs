//! Production's journal keeps all that it owes; broken ones are told of.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use giftgenius::journal::{CommitError, Overview, RecordState};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;

use super::*;
use crate::scenario::Known;
use crate::scenario::find::{find, load};

static SCENARIOS: LazyLock<Vec<Arc<Scenario>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = find(&root, &[]).expect("scenarios");
    let known = Known::of_giftgenius();
    found.iter().map(|found| load(found, &known).expect("a scenario")).collect()
});

fn told(open: &Open) -> Vec<String> {
    check(&SCENARIOS, open).expect("a machine with room for a few files").broken
}

#[track_caller]
fn is_told_of(open: &Open, sentence: &str) {
    let told = told(open);
    assert!(told.iter().any(|told| told.contains(sentence)), "{told:#?}");
}

#[test]
fn production_keeps_everything() {
    assert_eq!(told(&production), Vec::<String>::new());
}

/// Opens what production refuses: the refusal's cause is taken away first.
fn forcing(change: impl Fn(&Path)) -> impl Fn(&Path) -> Result<Handle, JournalError> {
    move |path| {
        production(path).or_else(|_| {
            change(path);
            production(path)
        })
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

#[test]
fn a_lost_log_that_is_taken_for_an_empty_one_is_told_of() {
    is_told_of(
        &forcing(|path| {
            let _ = fs::remove_file(beside(path, "-wal"));
            if let Ok(mut bytes) = fs::read(path)
                && bytes.len() > 64
            {
                // The mark that the log is needed.
                bytes[61] = 0;
                let _ = fs::write(path, bytes);
            }
        }),
        "it was opened, and",
    );
}

#[test]
fn a_file_that_is_made_anew_when_it_is_refused_is_told_of() {
    let anew = forcing(|path| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(path, suffix));
        }
    });
    is_told_of(&anew, "another program's database was opened as a journal");
}

#[test]
fn a_refusal_that_touches_the_files_is_told_of() {
    let touching = |path: &Path| {
        let opened = production(path);
        if opened.is_err() {
            let _ = fs::write(beside(path, "-wal"), b"gone");
        }
        opened
    };
    is_told_of(&touching, "its files were changed");
}

#[test]
fn a_journal_that_is_never_sure_of_its_log_is_told_of() {
    let afraid = |path: &Path| {
        if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
            return Err(JournalError::Other("there is a log".to_owned()));
        }
        production(path)
    };
    is_told_of(&afraid, "it was refused: ");
}

/// A journal with one broken part.
struct Broken {
    next: Arc<dyn Journal>,
    ignores_versions: bool,
    drops_early: bool,
    lists_nothing: bool,
}

impl Journal for Broken {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        self.next.get(key)
    }

    fn commit(&self, mut batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            if self.ignores_versions {
                for write in &mut batch.writes {
                    write.expected = self.next.get(&write.key).await?.map(|stored| stored.version);
                }
            }
            self.next.commit(batch).await
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move { if self.lists_nothing { Ok(Vec::new()) } else { self.next.list(state).await } })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        self.next.overview()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        self.next.probe()
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        let now = if self.drops_early { now + jiff::SignedDuration::from_secs(1) } else { now };
        self.next.drop_expired(now)
    }
}

fn broken(how: fn(&mut Broken)) -> impl Fn(&Path) -> Result<Handle, JournalError> {
    move |path| {
        let Handle { file, journal } = production(path)?;
        let mut broken = Broken { next: journal, ignores_versions: false, drops_early: false, lists_nothing: false };
        how(&mut broken);
        Ok(Handle { file, journal: Arc::new(broken) })
    }
}

#[test]
fn a_write_over_what_has_moved_on_is_told_of() {
    is_told_of(&broken(|it| it.ignores_versions = true), "a record that has moved on was written");
}

#[test]
fn what_is_dropped_a_second_early_is_told_of() {
    is_told_of(&broken(|it| it.drops_early = true), "the file dropped");
}

#[test]
fn what_is_listed_nowhere_is_told_of() {
    is_told_of(&broken(|it| it.lists_nothing = true), "is listed otherwise by the file than by memory");
}
