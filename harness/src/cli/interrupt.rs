//! Ctrl-C, or SIGTERM: says how far the run had come, and ends it at once; or asks an exploration to stop, which then reports what
//! was done. What may not be cut in two, such as a report
//! file that is being written, is done first.

use std::io::{self, Write as _};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::report::files;
use crate::report::terminal::{INTERRUPTED as INTERRUPTED_EXIT, width, with_exit, wrap};
use crate::undivided::undivided;
use crate::visible::visible_lines;

/// What a shell gives for a command that ended by SIGINT.
const EXIT: u8 = INTERRUPTED_EXIT;

/// What is said of a command that was interrupted, where there is nothing more to say.
pub(super) const INTERRUPTED: &str = "interrupted";

/// From now on either ends the process with `said`. Without a thread or a handler it ends as it would have anyway.
pub(super) fn watch(said: impl FnOnce() -> String + Send + 'static) {
    let watching = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if !runtime.block_on(asked_to_end()) {
            return;
        }
        undivided(|| {
            let written =
                if files::reports_are_written() { "the reports were written" } else { "no report was written" };
            let last = with_exit(written, EXIT, width());
            let _ = write!(io::stderr(), "\n{}{last}\n", wrap(&visible_lines(&said()), width()));
            process::exit(EXIT.into());
        });
    };
    let _ = thread::Builder::new().name("interrupt".to_owned()).spawn(watching);
}

/// From now on the first signal ends the process once `conclude` has written what was done, with the code that it gives;
/// the second one at once.
pub(super) fn watch_and_conclude(conclude: impl FnOnce() -> u8 + Send + 'static) {
    let watching = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if !runtime.block_on(asked_to_end()) {
            return;
        }
        let concluding = thread::Builder::new().name("conclude".to_owned()).spawn(move || {
            let code = conclude();
            undivided(|| process::exit(code.into()));
        });
        if concluding.is_err() || runtime.block_on(asked_to_end()) {
            undivided(|| process::exit(EXIT.into()));
        }
    };
    let _ = thread::Builder::new().name("interrupt".to_owned()).spawn(watching);
}

/// From now on the first signal asks for an end, and the second one ends the process at once.
pub(super) fn ask_to_stop(stop: Arc<AtomicBool>) {
    let watching = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if !runtime.block_on(asked_to_end()) {
            return;
        }
        stop.store(true, Ordering::Relaxed);
        let said = "stopping; what was done until now will be reported. Once more ends at once.";
        let _ = writeln!(io::stderr(), "\n{said}");
        if runtime.block_on(asked_to_end()) {
            undivided(|| process::exit(EXIT.into()));
        }
    };
    let _ = thread::Builder::new().name("interrupt".to_owned()).spawn(watching);
}

/// Waits for Ctrl-C or SIGTERM. `false` where neither can be heard.
async fn asked_to_end() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
                Some(()) = terminate.recv() => true,
            };
        }
    }
    tokio::signal::ctrl_c().await.is_ok()
}
