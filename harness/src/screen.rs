//! How wide lines are for a person: as wide as the terminal, where output goes to one.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// How wide lines are where output is no terminal.
pub const WIDTH: usize = 100;
/// The narrowest and the widest terminal that is used as it is.
const WIDTHS: RangeInclusive<usize> = 40..=160;

static TERMINAL: OnceLock<usize> = OnceLock::new();

/// Output goes to a terminal this wide. Said once, before anything is written.
pub fn is_terminal(columns: usize) {
    let _ = TERMINAL.set(columns.clamp(*WIDTHS.start(), *WIDTHS.end()));
}

/// The width of the terminal, where output goes to one.
pub fn terminal() -> Option<usize> {
    TERMINAL.get().copied()
}

/// How wide lines are.
pub fn width() -> usize {
    terminal().unwrap_or(WIDTH)
}
