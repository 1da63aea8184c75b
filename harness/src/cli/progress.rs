//! Progress: which scenario is being run and how many are done, on a terminal; elsewhere it is silent. It also knows
//! how far an interrupted run has come.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::explore::Progress as Explored;
use crate::report::units;
use crate::visible::visible;

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

    /// The same of a proof, whose last part is GiftGenius as it is.
    pub(super) fn hunted(&self) -> String {
        let bugs = self.all.saturating_sub(1);
        format!("interrupted after {} of {}", self.done.min(bugs), units::count(bugs, "planted bug"))
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
        self.bar.set_message(visible(what).into_owned());
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

/// How an exploration gets on: plans done, their rate, findings and the time left; silent but on a terminal.
pub(super) struct Rate {
    bar: ProgressBar,
}

impl Rate {
    /// Begins.
    pub(super) fn start(shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_style(Self::style(false));
        Self { bar }
    }

    fn style(bounded: bool) -> ProgressStyle {
        let template = if bounded {
            "  {prefix}  {bar:20} {human_pos} of {human_len}  {per_sec}  {msg}  {eta} left"
        } else {
            "  {prefix}  {human_pos}  {per_sec}  {msg}"
        };
        ProgressStyle::with_template(template).expect("a template that parses")
    }

    /// Shows how far it has come.
    pub(super) fn show(&self, progress: &Explored) {
        let stage = visible(&progress.stage);
        if self.bar.prefix() != stage {
            self.bar.set_prefix(stage.into_owned());
            self.bar.reset();
            self.bar.set_style(Self::style(progress.all.is_some()));
            if let Some(all) = progress.all {
                self.bar.set_length(all);
            }
        }
        self.bar.set_message(units::count(progress.findings, "finding"));
        self.bar.set_position(progress.done);
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }
}

impl Drop for Rate {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
