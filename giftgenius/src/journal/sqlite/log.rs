//! Whether a journal still has its write-ahead log, told from the files' bytes before SQLite opens them: SQLite takes a
//! log that is missing, or that breaks off in the middle, for one that ends there, and goes on without what it held.
//!
//! Three things tell. The file itself carries a mark while what was written last may be in the log only (`rows`). The
//! log's index (`-shm`) says how many frames of the log were committed; after a crash it is still there. And where the
//! index is gone, a frame that is wrong with two commits behind it was no write that broke off: each commit is on disk
//! before the next begins.
//!
//! Formats: <https://www.sqlite.org/fileformat2.html#walformat> and <https://www.sqlite.org/walformat.html>.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::file::{APPLICATION_ID, is_marked, user_version};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// How often what looks wrong is looked at before it is: another process may be writing at this moment.
const LOOKS: u32 = 3;

/// Refuses, in words that follow the path, a journal whose log is lost or damaged. What cannot be read is left to SQLite.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let mut first = None;
    for _ in 0..LOOKS {
        let Some(wrong) = look(path) else { return Ok(()) };
        if first.is_some_and(|first| first != wrong) {
            first = None;
            continue;
        }
        first = Some(wrong);
    }
    match first {
        None => Ok(()),
        Some(Wrong::Lost) => Err(format!(
            "what was written last was in its write-ahead log, and {} is missing or empty; put the log back beside the \
             file, or restore a backup of both. To go on without it, or with a \
             backup that SQLite itself made, which needs none: sqlite3 '{}' 'PRAGMA user_version = {}'",
            beside(path, "-wal").display(),
            path.display(),
            user_version(false)
        )),
        Some(Wrong::Damaged { .. }) => Err(format!(
            "its write-ahead log {} is damaged: what was written last cannot be read; restore a backup of both. To go on \
             with what is left: move the log away and sqlite3 '{}' 'PRAGMA user_version = {}'",
            beside(path, "-wal").display(),
            path.display(),
            user_version(false)
        )),
    }
}

/// What is wrong, with what identifies the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    Lost,
    Damaged { salts: [u8; 8] },
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn look(path: &Path) -> Option<Wrong> {
    // The index first: what it counts was in the log before.
    let index = Index::read(&beside(path, "-shm"));
    let log = Log::read(&beside(path, "-wal")).ok()?;
    let is_marked = mark_of(path)?;
    let needs_its_log = index.is_some_and(|index| index.frames > index.taken_in);
    // Also where all of it was taken in: of a log that ends too early, what is left is older than the file, and would be read
    // in its place.
    let ends_early =
        |salts: [u8; 8], frames: u32| index.is_some_and(|index| salts == index.salts && index.frames > frames);
    match log {
        Log::Empty => (is_marked || needs_its_log).then_some(Wrong::Lost),
        Log::Headless => Some(Wrong::Damaged { salts: [0; 8] }),
        Log::Frames { salts, committed, commits_beyond } => {
            (ends_early(salts, committed) || commits_beyond >= 2).then_some(Wrong::Damaged { salts })
        }
    }
}

/// Whether the file's own header says that it needs its log; `None` if it is no journal of GiftGenius's.
fn mark_of(path: &Path) -> Option<bool> {
    let mut header = [0; 100];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    let number = |at| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let is_ours = header.starts_with(b"SQLite format 3\0") && number(68) == APPLICATION_ID;
    is_ours.then(|| is_marked(number(60)))
}

/// What a log holds.
enum Log {
    /// Nothing.
    Empty,
    /// Something, and its beginning is wrong.
    Headless,
    Frames {
        salts: [u8; 8],
        /// Frames up to the last commit before the first that is wrong.
        committed: u32,
        /// Commits of the same log at or behind the first frame that is wrong.
        commits_beyond: u32,
    },
}

impl Log {
    fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Empty),
            Err(error) => return Err(error),
        };
        // A header without a frame is a log that was just begun.
        if file.metadata()?.len() <= HEADER_BYTES as u64 {
            return Ok(Self::Empty);
        }
        let mut bytes = BufReader::new(file);
        let mut header = [0; HEADER_BYTES];
        bytes.read_exact(&mut header)?;
        let magic = big(&header, 0);
        let mut sum = Sum { is_big_endian: magic & 1 == 1, low: 0, high: 0 };
        sum.add(&header[..24]);
        if magic & !1 != 0x377f_0682 || !sum.is(&header[24..]) {
            return Ok(Self::Headless);
        }
        let salts = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| header[16 + at]);
        let page_bytes = usize::try_from(big(&header, 8)).unwrap_or(0);
        let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
        let (mut frames, mut committed, mut commits_beyond, mut is_right) = (0, 0, 0, true);
        while bytes.read_exact(&mut frame).is_ok() {
            let (head, page) = frame.split_at(FRAME_HEADER_BYTES);
            let is_of_this_log = head[8..16] == salts;
            let is_commit = big(head, 4) != 0;
            if is_right && is_of_this_log {
                sum.add(&head[..8]);
                sum.add(page);
                is_right = sum.is(&head[16..]);
            } else {
                is_right = false;
            }
            if is_right {
                frames += 1;
                if is_commit {
                    committed = frames;
                }
            } else if is_of_this_log && is_commit {
                commits_beyond += 1;
            }
        }
        Ok(Self::Frames { salts, committed, commits_beyond })
    }
}

fn big(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The running checksum of a log or of its index.
struct Sum {
    is_big_endian: bool,
    low: u32,
    high: u32,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let word = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
                if self.is_big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
            };
            self.low = self.low.wrapping_add(word(0)).wrapping_add(self.high);
            self.high = self.high.wrapping_add(word(4)).wrapping_add(self.low);
        }
    }

    /// Whether it is the one that stands there, as logs store it.
    fn is(&self, stored: &[u8]) -> bool {
        (big(stored, 0), big(stored, 4)) == (self.low, self.high)
    }
}

/// What the log's index says of the log.
#[derive(Clone, Copy)]
struct Index {
    salts: [u8; 8],
    /// Frames that were committed.
    frames: u32,
    /// Of them, those that have been taken into the file.
    taken_in: u32,
}

impl Index {
    /// `None` where there is none, or none that is whole.
    fn read(path: &Path) -> Option<Self> {
        const COPY: usize = 48;
        let mut bytes = [0; 2 * COPY + 4];
        File::open(path).ok()?.read_exact(&mut bytes).ok()?;
        // Numbers here are the machine's own.
        let number = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut sum = Sum { is_big_endian: cfg!(target_endian = "big"), low: 0, high: 0 };
        sum.add(&bytes[..40]);
        let is_whole = bytes[..COPY] == bytes[COPY..2 * COPY]
            && number(0) == 3_007_000
            && bytes[12] == 1
            && (number(40), number(44)) == (sum.low, sum.high);
        let salts = [0, 1, 2, 3, 4, 5, 6, 7].map(|at| bytes[32 + at]);
        is_whole.then(|| Self { salts, frames: number(16), taken_in: number(2 * COPY) })
    }
}
