//! Progress on a terminal: which scenario is being run, and how many are done. Elsewhere it is silent.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over this many runs.
    pub(super) fn start(runs: usize, shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("  {bar:30} {pos} of {len}  {msg}").expect("a template that parses");
        let length = u64::try_from(runs).unwrap_or(u64::MAX);
        Self { bar: ProgressBar::with_draw_target(Some(length), target).with_style(style) }
    }

    /// A run begins.
    pub(super) fn begin(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// A run is done.
    pub(super) fn done(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
