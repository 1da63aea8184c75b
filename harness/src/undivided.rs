//! Acts that no signal cuts in two: a report that is being written, a run's folder that no process watches over yet.

use std::sync::{Mutex, PoisonError};

/// Held by the one act that goes on.
static ACTING: Mutex<()> = Mutex::new(());

/// Does something that is done as a whole or not at all. Whoever ends the process does that in here too, and so after it.
/// Not to be called from within itself.
pub fn undivided<T>(act: impl FnOnce() -> T) -> T {
    let _acting = ACTING.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}
