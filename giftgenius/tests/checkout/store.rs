//! Journals that misbehave, over one in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use giftgenius::journal::memory::MemoryJournal;
use giftgenius::journal::{Batch, CommitError, JournalError, Key, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Journal};
use jiff::Timestamp;

use crate::fuse::Fuse;

/// A journal whose calls take a moment, burn the fuse, and can fail.
pub(crate) struct Store {
    inner: Arc<MemoryJournal>,
    fuse: Arc<Fuse>,
    down: AtomicBool,
    /// How many listings are still to panic.
    panics: AtomicUsize,
    commits: AtomicUsize,
    /// How long the next commit takes, in seconds.
    slow: AtomicU64,
    /// Which commit fails, and whether it is written all the same.
    fails: Option<(usize, bool)>,
}

impl Store {
    pub(crate) fn new(inner: Arc<MemoryJournal>, fuse: Arc<Fuse>) -> Self {
        Self {
            inner,
            fuse,
            down: AtomicBool::new(false),
            panics: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            slow: AtomicU64::new(0),
            fails: None,
        }
    }

    /// Whose commit of this number (from 0) fails, after it was written or without.
    pub(crate) fn failing(inner: Arc<MemoryJournal>, number: usize, written: bool) -> Self {
        Self { fails: Some((number, written)), ..Self::new(inner, Arc::new(Fuse::endless())) }
    }

    /// From now on so many listings have a bug.
    pub(crate) fn set_panics(&self, times: usize) {
        self.panics.store(times, Ordering::SeqCst);
    }

    /// How many of them are left.
    pub(crate) fn panics_left(&self) -> usize {
        self.panics.load(Ordering::SeqCst)
    }

    /// Takes the store down or up.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// The next commit takes so many seconds.
    pub(crate) fn set_slow(&self, seconds: u64) {
        self.slow.store(seconds, Ordering::SeqCst);
    }

    async fn up(&self) -> Result<(), JournalError> {
        self.fuse.burn().await;
        // Somebody else's turn: what an answer takes on its way through a thread.
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) { Err(JournalError::Busy) } else { Ok(()) }
    }
}

impl Journal for Store {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let key = key.clone();
        Box::pin(async move {
            self.up().await?;
            self.inner.get(&key).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        Box::pin(async move {
            self.up().await?;
            tokio::time::sleep(Duration::from_secs(self.slow.swap(0, Ordering::SeqCst))).await;
            let number = self.commits.fetch_add(1, Ordering::SeqCst);
            let fails = self.fails.filter(|(which, _)| *which == number);
            if fails.is_some_and(|(_, written)| !written) {
                return Err(JournalError::Full.into());
            }
            let result = self.inner.commit(batch).await;
            self.fuse.burn().await;
            // Written, and others see it before the writer knows.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if fails.is_some() { Err(JournalError::Full.into()) } else { result }
        })
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            self.up().await?;
            let left = self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if left.is_ok() {
                // Without a word from the panic hook: it is meant.
                std::panic::resume_unwind(Box::new("a bug in the store"));
            }
            self.inner.list(state).await
        })
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        self.inner.drop_expired(now)
    }
}
