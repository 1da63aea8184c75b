//! Progress: which scenario is being run and how many are done, on a terminal; elsewhere it is silent. It also knows
//! how far a run has come when somebody interrupts it.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar, or nothing, and a tally.
pub(super) struct Progress {
    bar: ProgressBar,
    tally: Arc<Mutex<Tally>>,
}

/// How far a run has come.
#[derive(Debug, Default)]
pub(super) struct Tally {
    all: usize,
    done: usize,
    broken: Vec<String>,
}

impl Tally {
    /// In a sentence.
    pub(super) fn said(&self) -> String {
        let broken = match self.broken.as_slice() {
            [] => "no rule was broken until then".to_owned(),
            broken => format!("rules were broken in {}", broken.join(", ")),
        };
        format!("interrupted after {} of {} scenarios and worlds; {broken}", self.done, self.all)
    }
}

impl Progress {
    /// A bar over this many runs.
    pub(super) fn start(runs: usize, shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("  {bar:30} {pos} of {len}  {msg}").expect("a template that parses");
        let length = u64::try_from(runs).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), target).with_style(style);
        Self { bar, tally: Arc::new(Mutex::new(Tally { all: runs, ..Tally::default() })) }
    }

    /// How far the run has come, to be asked at any time.
    pub(super) fn tally(&self) -> Arc<Mutex<Tally>> {
        self.tally.clone()
    }

    /// A run begins.
    pub(super) fn begin(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// A run is done.
    pub(super) fn done(&self, what: &str, broken: bool) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.done += 1;
        if broken {
            tally.broken.push(what.to_owned());
        }
        drop(tally);
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
