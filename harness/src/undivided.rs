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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn acts_of_several_threads_never_overlap_and_one_that_panics_bars_no_other() {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let act = || {
            undivided(|| {
                assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "another act goes on");
                // Whoever could come between is let.
                thread::yield_now();
                INSIDE.fetch_sub(1, Ordering::SeqCst)
            })
        };
        let panicked = thread::spawn(|| undivided(|| panic!("a bug in an act"))).join();
        assert!(panicked.is_err());
        thread::scope(|scope| {
            for _thread in 0..4 {
                scope.spawn(|| (0..2_000).for_each(|_act| assert_eq!(act(), 1)));
            }
        });
    }
}
