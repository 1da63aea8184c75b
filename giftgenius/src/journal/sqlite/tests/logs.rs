//! The write-ahead log is lost or damaged: what SQLite would take for an older journal, or a new one, is refused and left
//! alone.

use std::fs;
use std::path::Path;

use super::*;

const LOG: &str = "journal.db-wal";
const INDEX: &str = "journal.db-shm";

/// The files as a process that is killed leaves them: `writes` commits, most of them in the log only.
async fn killed(writes: usize) -> Place {
    let (alive, dead) = (Place::new(), Place::new());
    let journal = alive.journal();
    for number in 0..writes {
        put(&journal, workflow(&format!("wf_{number}"), 1)).await.unwrap();
    }
    for name in ["journal.db", LOG, INDEX] {
        fs::copy(alive.0.path().join(name), dead.0.path().join(name)).unwrap();
    }
    dead
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// All files and what is in them.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    fn is_refused_and_left_alone(&self, why: &str, case: &str) {
        let before = self.files();
        let refused = self.refused();
        assert!(
            refused.contains(why) && refused.contains(LOG) && refused.contains("restore a backup"),
            "{case}: {refused}"
        );
        assert!(self.files() == before, "{case}: it was touched");
    }

    async fn holds(&self, writes: usize) {
        let journal = self.journal();
        for number in 0..writes {
            let read = journal.get(&workflow(&format!("wf_{number}"), 1).key()).await.unwrap();
            assert!(read.is_some(), "wf_{number} of {writes}");
        }
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_a_kill_leaves_is_whole() {
    for writes in [0, 1, 2, 7] {
        killed(writes).await.holds(writes).await;
        let without_index = killed(writes).await;
        fs::remove_file(without_index.file(INDEX)).unwrap();
        without_index.holds(writes).await;
    }
    // One that looked at it and went leaves it as it was.
    let place = killed(3).await;
    for _ in 0..2 {
        place.holds(3).await;
    }
    place.is_whole_without_its_log_only_after(3).await;
}

impl Place {
    async fn is_whole_without_its_log_only_after(&self, writes: usize) {
        let copy = Self::new();
        fs::copy(self.path(), copy.path()).unwrap();
        copy.is_refused_and_left_alone("is missing or empty", "the copy of a killed one");
        self.journal().checkpoint().await.unwrap();
        fs::copy(self.path(), copy.path()).unwrap();
        copy.holds(writes).await;
    }
}

#[tokio::test]
async fn a_journal_without_its_log_is_refused_and_left_alone() {
    for writes in [1, 7] {
        for (case, gone) in [("alone", &[LOG, INDEX][..]), ("with its index", &[LOG])] {
            let place = killed(writes).await;
            for name in gone {
                fs::remove_file(place.file(name)).unwrap();
            }
            place.is_refused_and_left_alone("is missing or empty", case);
        }
        let place = killed(writes).await;
        change(&place.file(LOG), Vec::clear);
        place.is_refused_and_left_alone("is missing or empty", "emptied");
    }
}

#[tokio::test]
async fn the_way_on_that_is_told_goes_on() {
    let place = killed(3).await;
    fs::remove_file(place.file(LOG)).unwrap();
    let refused = place.refused();
    let statement = refused.split('\'').nth(3).expect("a statement in quotes");
    place.sql(statement);
    put(&place.journal(), workflow("wf_new", 1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_log_is_refused_and_left_alone() {
    let whole = fs::read(killed(7).await.file(LOG)).unwrap().len();
    for at in [0, 5, 17, 25, 31, 32, 36, 40, 60, 200, whole / 2, whole - 100] {
        let place = killed(7).await;
        change(&place.file(LOG), |bytes| bytes[at] ^= 0x10);
        place.is_refused_and_left_alone("is damaged", &format!("a bit at {at} of {whole}"));
    }
    for kept in [33, whole / 2, whole - 1] {
        let place = killed(7).await;
        change(&place.file(LOG), |bytes| bytes.truncate(kept));
        place.is_refused_and_left_alone("is damaged", &format!("{kept} bytes of {whole}"));
    }
    // What is left of a log that was taken in is older than the file.
    let once = fs::read(killed(1).await.file(LOG)).unwrap().len();
    for kept in [once / 2, once - 1] {
        let place = killed(1).await;
        change(&place.file(LOG), |bytes| bytes.truncate(kept));
        place.is_refused_and_left_alone("is damaged", &format!("{kept} bytes of {once}, taken in"));
    }
    // Without the index, what breaks off may be a write that was cut by the loss of power; a hole is none.
    let place = killed(7).await;
    fs::remove_file(place.file(INDEX)).unwrap();
    change(&place.file(LOG), |bytes| bytes[whole / 2] ^= 0x10);
    place.is_refused_and_left_alone("is damaged", "a hole");
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_no_damage() {
    let place = killed(3).await;
    change(&place.file(LOG), |bytes| {
        let begun = bytes[32..90].to_vec();
        bytes.extend(begun);
    });
    place.holds(3).await;
}

#[tokio::test]
async fn a_log_that_began_again_is_whole() {
    let place = Place::new();
    let journal = place.journal();
    for number in 0..9 {
        put(&journal, workflow(&format!("wf_{number}"), 1)).await.unwrap();
        if number == 5 {
            // Everything is taken in and the next write begins the log again, over what stood there.
            let _: i64 = ask(&journal, "PRAGMA wal_checkpoint(RESTART)").await;
        }
    }
    let dead = Place::new();
    for name in ["journal.db", LOG, INDEX] {
        fs::copy(place.file(name), dead.file(name)).unwrap();
    }
    dead.holds(9).await;
}

#[tokio::test]
async fn who_leaves_first_does_not_vouch_for_who_stays() {
    let place = Place::new();
    let (first, second) = (place.journal(), place.journal());
    put(&first, workflow("wf_0", 1)).await.unwrap();
    first.checkpoint().await.unwrap();
    drop(first);
    put(&second, workflow("wf_1", 1)).await.unwrap();
    let copy = Place::new();
    fs::copy(place.path(), copy.path()).unwrap();
    copy.is_refused_and_left_alone("is missing or empty", "a copy while the second is at work");
    drop(second);
    fs::copy(place.path(), copy.path()).unwrap();
    copy.holds(2).await;
}
