//! Oracles: rules over trace, ledger and replies. One file a rule, named as reports name it; [`ALL`] is the table.
//!
//! An oracle sees the whole run through [`Evidence`] and nothing else. It says *kept*, *broken* (with the events that
//! show it) or *no verdict* (with the reason): it never guesses.

pub mod evidence;

pub use evidence::{CallView, Evidence, Rest, Told, ToldStatus};

/// One breach of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule.
    pub oracle: &'static str,
    /// What is wrong, in one sentence with the amounts and ids that matter.
    pub message: String,
    /// The events that show it: indices into the trace.
    pub events: Vec<usize>,
}

/// What an oracle says of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The rule was kept.
    Kept,
    /// The rule was broken, in each of these ways.
    Broken(Vec<Violation>),
    /// The evidence cannot support a verdict, and why.
    NoVerdict(String),
}

/// A rule.
pub struct Oracle {
    /// Its id, as in reports: `one-effect`.
    pub id: &'static str,
    /// The rule in one sentence.
    pub rule: &'static str,
    /// Why it matters and how to read a breach, for `misrule explain`.
    pub explanation: &'static str,
    /// The requirements it judges.
    pub requirements: &'static [&'static str],
    /// Judges a run.
    pub check: fn(&Evidence<'_>) -> Verdict,
}

/// Every oracle, in the order in which they are shown.
pub static ALL: &[&Oracle] = &[];
