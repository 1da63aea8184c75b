//! Ctrl-C: says how far the run had come, and ends it at once. A report file that is being written is written first.

use std::io::{self, Write as _};
use std::process;
use std::thread;

use crate::report::files;
use crate::report::terminal::{WIDTH, with_exit, wrap};

/// What a shell gives for a command that ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// From now on Ctrl-C ends the process with `said`. Without a thread or a handler it ends as it would have anyway.
pub(super) fn watch(said: impl FnOnce() -> String + Send + 'static) {
    let watching = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_err() {
            return;
        }
        files::between_writes(|| {
            let last = with_exit("no report was written", INTERRUPTED, WIDTH);
            let _ = write!(io::stderr(), "\n{}{last}\n", wrap(&said(), WIDTH));
            process::exit(INTERRUPTED.into());
        });
    };
    let _ = thread::Builder::new().name("interrupt".to_owned()).spawn(watching);
}
