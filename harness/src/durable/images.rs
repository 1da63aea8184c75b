//! What a process leaves of the journal's files, whole and damaged: either it is opened and holds all that was committed, or it is
//! refused, in words that say what to do, and left alone. Nothing that was committed is ever gone without a word.

use std::fs;
use std::path::Path;

use giftgenius::journal::Batch;

use super::{Durable, FILE, Held, Open, folder, missing, write};

const LOG: &str = "journal.db-wal";
const INDEX: &str = "journal.db-shm";

/// After how many batches a process is killed.
const KILLED_AFTER: [usize; 5] = [0, 1, 2, 5, 9];

/// What SQLite's log and index are made of, as its documents say: <https://www.sqlite.org/walformat.html>.
const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const INDEX_HEADERS_BYTES: usize = 96;
const USER_VERSION_AT: usize = 60;

/// The files of a journal at one moment, and what they have to hold.
#[derive(Clone)]
struct Image {
    what: String,
    file: Vec<u8>,
    log: Option<Vec<u8>>,
    index: Option<Vec<u8>>,
    held: Held,
}

/// What opening the files in some state must result in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Owed {
    /// The journal opens and holds everything.
    Whole,
    /// The same, or it is refused and its files are not changed.
    WholeOrRefused,
}

impl Image {
    fn of(folder: &Path, what: String, held: &Held) -> Result<Self, String> {
        let read = |name: &str| fs::read(folder.join(name));
        let file = read(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        Ok(Self { what, file, log: read(LOG).ok(), index: read(INDEX).ok(), held: held.clone() })
    }

    fn but(&self, how: &str, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        changed.what = format!("{}, {how}", self.what);
        change(&mut changed);
        changed
    }

    fn lay_out(&self, folder: &Path) -> Result<(), String> {
        let files = [(FILE, Some(&self.file)), (LOG, self.log.as_ref()), (INDEX, self.index.as_ref())];
        for (name, bytes) in files {
            if let Some(bytes) = bytes {
                fs::write(folder.join(name), bytes).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        Ok(())
    }

    fn is_there_as_it_was(&self, folder: &Path) -> bool {
        [(FILE, Some(&self.file)), (LOG, self.log.as_ref()), (INDEX, self.index.as_ref())]
            .into_iter()
            .all(|(name, bytes)| fs::read(folder.join(name)).ok().as_ref() == bytes)
    }

    async fn hold(&self, owed: Owed, open: &Open, told: &mut Durable) -> Result<(), String> {
        told.images += 1;
        let folder = folder()?;
        self.lay_out(folder.path())?;
        let what = &self.what;
        match open(&folder.path().join(FILE)) {
            Ok(opened) => {
                let missing = missing(&*opened.journal, &self.held).await;
                told.hold(missing.is_none(), || format!("{what}: it was opened, and {}", missing.unwrap_or_default()));
            }
            Err(error) if owed == Owed::Whole => told.broken.push(format!("{what}: it was refused: {error}")),
            Err(error) => {
                told.hold(self.is_there_as_it_was(folder.path()), || {
                    format!("{what}: it was refused, and its files were changed")
                });
                self.is_told_what_to_do(&error.to_string(), open, told)?;
            }
        }
        Ok(())
    }

    /// A refusal names the log and two remedies. The second, to continue without the log, is tried.
    fn is_told_what_to_do(&self, said: &str, open: &Open, told: &mut Durable) -> Result<(), String> {
        let what = &self.what;
        let names = said.contains(LOG) && said.contains("restore a backup") && said.contains("sqlite3");
        told.hold(names, || format!("{what}: a refusal that does not say what to do: {said}"));
        let number = said.rsplit("user_version = ").next().map(|rest| rest.trim_end_matches(['\'', '"', ' ']));
        let Some(number) = number.and_then(|number| number.parse::<i32>().ok()) else {
            told.broken.push(format!("{what}: the statement of the refusal has no number: {said}"));
            return Ok(());
        };
        let folder = folder()?;
        let mut without = self.but("its log moved away", |image| (image.log, image.index) = (None, None));
        without.file[USER_VERSION_AT..USER_VERSION_AT + 4].copy_from_slice(&number.to_be_bytes());
        without.lay_out(folder.path())?;
        if let Err(error) = open(&folder.path().join(FILE)) {
            told.broken
                .push(format!("{what}: after what the refusal tells to do, the journal is still refused: {error}"));
        }
        Ok(())
    }
}

pub(super) async fn hold(history: &[Batch], open: &Open, told: &mut Durable) -> Result<(), String> {
    let folder = folder()?;
    let path = folder.path().join(FILE);
    let mut held = Held::new();
    let opened = match open(&path) {
        Ok(opened) => opened,
        Err(error) => {
            told.broken.push(format!("a journal that is not there yet was not made: {error}"));
            return Ok(());
        }
    };
    let last = KILLED_AFTER[KILLED_AFTER.len() - 1];
    for (number, batch) in history.iter().enumerate().take(last + 1) {
        if KILLED_AFTER.contains(&number) {
            let image = Image::of(folder.path(), format!("killed after {number} batches"), &held)?;
            killed(&image, open, told).await?;
            if number > 0 {
                lost(&image, open, told).await?;
            }
            if number == last {
                damaged(&image, open, told).await?;
            }
        }
        write(&*opened.journal, &mut held, batch, told).await;
    }
    alone("while a process is at work", folder.path(), &held, Owed::WholeOrRefused, open, told).await?;
    let taken_in = opened.file.checkpoint().await;
    told.hold(taken_in.is_ok(), || format!("the log was not taken into the file: {taken_in:?}"));
    alone("after its log was taken in", folder.path(), &held, Owed::Whole, open, told).await?;
    leaving(&path, history, held, opened, open, told).await
}

/// A process that closes the journal does not mark the file as complete while another has it open; the last one does.
async fn leaving(
    path: &Path,
    history: &[Batch],
    mut held: Held,
    first: super::Handle,
    open: &Open,
    told: &mut Durable,
) -> Result<(), String> {
    let folder = path.parent().expect("the file is in a folder");
    let Ok(second) = open(path) else {
        told.broken.push("a second process could not open the file".to_owned());
        return Ok(());
    };
    let rest = history.iter().skip(held_from(history, &held));
    let mut rest = rest.take(2);
    if let Some(batch) = rest.next() {
        write(&*first.journal, &mut held, batch, told).await;
    }
    drop(first);
    if let Some(batch) = rest.next() {
        write(&*second.journal, &mut held, batch, told).await;
    }
    alone("when the first of two has left", folder, &held, Owed::WholeOrRefused, open, told).await?;
    drop(second);
    alone("when both have left", folder, &held, Owed::Whole, open, told).await?;
    Image::of(folder, "when both have left".to_owned(), &held)?.hold(Owed::Whole, open, told).await?;
    // One that only looks leaves it as it was.
    drop(open(path));
    alone("when one has looked at it", folder, &held, Owed::Whole, open, told).await
}

/// How many batches of a history are in what is held already.
fn held_from(history: &[Batch], held: &Held) -> usize {
    let is_in = |batch: &Batch| {
        batch
            .writes
            .iter()
            .all(|write| held.get(&write.key).is_some_and(|stored| stored.version > write.expected.unwrap_or(0)))
    };
    history.iter().take_while(|batch| is_in(batch)).count()
}

/// A copy of the file without what lies beside it.
async fn alone(
    when: &str,
    folder: &Path,
    held: &Held,
    owed: Owed,
    open: &Open,
    told: &mut Durable,
) -> Result<(), String> {
    let image = Image::of(folder, format!("a copy of the file {when}"), held)?;
    image.but("alone", |image| (image.log, image.index) = (None, None)).hold(owed, open, told).await
}

/// What a kill leaves is whole, whatever it was in the middle of.
async fn killed(image: &Image, open: &Open, told: &mut Durable) -> Result<(), String> {
    let begun = |image: &mut Image| {
        if let Some(log) = &mut image.log {
            let begun = log.get(LOG_HEADER_BYTES..90.min(log.len())).unwrap_or_default().to_vec();
            log.extend(begun);
        }
    };
    let broke_off = image.but("a write broken off", begun);
    let no_index = |image: &mut Image| image.index = None;
    for whole in [image.clone(), image.but("no index", no_index), broke_off.but("no index", no_index), broke_off] {
        whole.hold(Owed::Whole, open, told).await?;
    }
    Ok(())
}

/// The log is gone, or empty, or ends too early.
async fn lost(image: &Image, open: &Open, told: &mut Durable) -> Result<(), String> {
    let whole = image.log.as_ref().map_or(0, Vec::len);
    let mut images = vec![image.but("no log", |image| image.log = None)];
    let cuts = [0, 1, LOG_HEADER_BYTES, LOG_HEADER_BYTES + 1, whole / 2, whole.saturating_sub(1)];
    let frame = frame_bytes(image);
    let ends = (1..=3).filter_map(|frames| whole.checked_sub(frame * frames));
    for kept in cuts.into_iter().chain(ends).filter(|kept| *kept < whole) {
        images.push(image.but(&format!("{kept} bytes of {whole} of its log left"), |image| {
            if let Some(log) = &mut image.log {
                log.truncate(kept);
            }
        }));
    }
    for cut in images {
        cut.hold(Owed::WholeOrRefused, open, told).await?;
    }
    // Without its index too; what is cut off at the end only may then be a write that broke off.
    for kept in [None, Some(0), Some(LOG_HEADER_BYTES)] {
        let bare = image.but(&format!("no index, and {kept:?} bytes of its log"), |image| {
            image.index = None;
            image.log = kept.and_then(|kept| Some(image.log.as_ref()?[..kept].to_vec()));
        });
        bare.hold(Owed::WholeOrRefused, open, told).await?;
    }
    Ok(())
}

fn frame_bytes(image: &Image) -> usize {
    let page = image.log.as_ref().and_then(|log| Some(u32::from_be_bytes(log.get(8..12)?.try_into().ok()?)));
    FRAME_HEADER_BYTES + page.and_then(|page| usize::try_from(page).ok()).unwrap_or(0)
}

/// One bit is another, at each place that means something and at some that are only data.
async fn damaged(image: &Image, open: &Open, told: &mut Durable) -> Result<(), String> {
    let whole = image.log.as_ref().map_or(0, Vec::len);
    let frame = frame_bytes(image);
    let head = |at: usize| at..at + FRAME_HEADER_BYTES + 4;
    let first = head(LOG_HEADER_BYTES);
    let places = (0..LOG_HEADER_BYTES).chain(first.clone()).chain([whole / 2]);
    let last = whole.saturating_sub(frame);
    let late = head(last).chain([whole.saturating_sub(100), whole.saturating_sub(1)]);
    for at in places.clone().chain(late).filter(|at| *at < whole) {
        let flipped = image.but(&format!("a bit of byte {at} of {whole} of its log"), |image| flip(&mut image.log, at));
        flipped.hold(Owed::WholeOrRefused, open, told).await?;
    }
    // Without the index a hole is one by the commits behind it.
    for at in (0..LOG_HEADER_BYTES).chain(first).filter(|at| *at < whole) {
        let flipped = image.but(&format!("no index, and a bit of byte {at} of its log"), |image| {
            image.index = None;
            flip(&mut image.log, at);
        });
        flipped.hold(Owed::WholeOrRefused, open, told).await?;
    }
    for at in 0..INDEX_HEADERS_BYTES {
        let flipped = image.but(&format!("a bit of byte {at} of its index"), |image| flip(&mut image.index, at));
        flipped.hold(Owed::Whole, open, told).await?;
    }
    Ok(())
}

fn flip(bytes: &mut Option<Vec<u8>>, at: usize) {
    if let Some(byte) = bytes.as_mut().and_then(|bytes| bytes.get_mut(at)) {
        *byte ^= 0x10;
    }
}
