//! What an exploration has come to so far: left where another thread finds it, because one whose run has no end cannot tell
//! of it any more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How old it may become. To leave it takes a copy, which is not worth the while after each batch.
const OLD: Duration = Duration::from_millis(250);

/// The latest, with when it was left.
#[derive(Debug)]
pub struct Kept<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// Leaves what `make` gives, where the last one is old.
    pub fn offer(&self, make: impl FnOnce() -> T) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(since, _)| since.elapsed() >= OLD) {
            let fresh = make();
            *kept = Some((Instant::now(), fresh));
        }
    }

    /// Leaves it however old the last one is.
    pub fn leave(&self, latest: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), latest));
    }

    /// Takes it away, if anything was left.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(|(_, kept)| kept)
    }
}
