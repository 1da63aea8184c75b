//! Oracles: rules over trace, ledger and replies. One file a rule, named as reports name it; [`ALL`] is the table.
//!
//! An oracle sees the whole run through [`Evidence`] and nothing else. It says *kept*, *broken* (with the events that
//! show it) or *no verdict* (with the reason): it never guesses.

//! [`evidence`] is what they are shown, [`told`] how an answer about a sale is read, [`settlement`] whether a charge's
//! fate is known.

mod acts;
pub mod alert_fits;
mod alerts_once;
mod alerts_owed;
pub mod all_or_nothing;
pub mod amount_agreed;
mod answer_shape;
pub mod as_asked;
mod attempts_logged;
pub mod backoff;
pub mod bounded;
pub mod bounds;
pub mod budget_kept;
pub mod calls;
pub mod cause_true;
mod codes;
pub mod conserved;
mod conversations;
pub mod degraded_honest;
pub mod effects_exact;
pub mod error_fixable;
pub mod error_honest;
pub mod error_shape;
pub mod evidence;
mod gather;
pub mod health_true;
mod heard;
pub mod hints_true;
pub mod in_step;
pub mod in_time;
pub mod isolated;
mod json;
pub mod key_carried;
pub mod key_conflict;
mod keyed;
pub mod limits_kept;
pub mod logged;
pub mod loop_ends;
mod money_paged;
mod money_told;
pub mod needles;
pub mod no_blind_charge;
pub mod nothing_leaked;
pub mod one_effect;
pub mod output_schema;
pub mod parked_minimal;
mod phrases;
mod quiet;
pub mod retry_owed;
pub mod runs_away;
pub mod sale_owed;
pub mod same_answer;
mod service_logged;
pub mod settled;
mod settlement;
mod taken;
mod taken_up;
#[cfg(test)]
mod testing;
pub mod told;
pub mod told_monotone;
pub mod undo_order;
pub mod undo_owed;
pub mod webhook_safe;
mod webhooks_logged;
#[cfg(test)]
mod whole_runs;
pub mod words_true;

pub use evidence::{CallView, Evidence, Rest, Setting, Shelves};
pub use told::{Told, ToldStatus};

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
pub static ALL: &[&Oracle] = &[
    &sale_owed::SALE_OWED,
    &one_effect::ONE_EFFECT,
    &no_blind_charge::NO_BLIND_CHARGE,
    &all_or_nothing::ALL_OR_NOTHING,
    &amount_agreed::AMOUNT_AGREED,
    &as_asked::AS_ASKED,
    &told_monotone::TOLD_MONOTONE,
    &effects_exact::EFFECTS_EXACT,
    &conserved::CONSERVED,
    &same_answer::SAME_ANSWER,
    &key_conflict::KEY_CONFLICT,
    &key_carried::KEY_CARRIED,
    &bounded::BOUNDED,
    &backoff::BACKOFF,
    &budget_kept::BUDGET_KEPT,
    &retry_owed::RETRY_OWED,
    &undo_order::UNDO_ORDER,
    &undo_owed::UNDO_OWED,
    &settled::SETTLED,
    &parked_minimal::PARKED_MINIMAL,
    &in_time::IN_TIME,
    &error_shape::ERROR_SHAPE,
    &cause_true::CAUSE_TRUE,
    &error_honest::ERROR_HONEST,
    &error_fixable::ERROR_FIXABLE,
    &words_true::WORDS_TRUE,
    &output_schema::OUTPUT_SCHEMA,
    &nothing_leaked::NOTHING_LEAKED,
    &isolated::ISOLATED,
    &logged::LOGGED,
    &in_step::IN_STEP,
    &loop_ends::LOOP_ENDS,
    &limits_kept::LIMITS_KEPT,
    &hints_true::HINTS_TRUE,
    &alert_fits::ALERT_FITS,
    &health_true::HEALTH_TRUE,
    &degraded_honest::DEGRADED_HONEST,
    &webhook_safe::WEBHOOK_SAFE,
    &runs_away::RUNS_AWAY,
];

/// The oracle of an id.
pub fn by_id(id: &str) -> Option<&'static Oracle> {
    ALL.iter().copied().find(|oracle| oracle.id == id)
}

/// Lets every oracle judge a run.
pub fn judge(evidence: &Evidence<'_>) -> Vec<(&'static Oracle, Verdict)> {
    if evidence.trace.ran_away.is_some() {
        return runs_away::alone(evidence);
    }
    ALL.iter().map(|oracle| (*oracle, (oracle.check)(evidence))).collect()
}

/// What one oracle has found so far; costs nothing as long as nothing is found.
struct Findings {
    oracle: &'static str,
    violations: Vec<Violation>,
}

impl Findings {
    const fn of(oracle: &'static str) -> Self {
        Self { oracle, violations: Vec::new() }
    }

    /// Adds a breach; `events` are put in order, each once. Cold, and with it all that words a breach: what nearly every run
    /// goes through lies closer together.
    #[cold]
    fn add(&mut self, message: String, events: impl IntoIterator<Item = usize>) {
        let mut events: Vec<usize> = events.into_iter().collect();
        events.sort_unstable();
        events.dedup();
        self.violations.push(Violation { oracle: self.oracle, message, events });
    }

    /// Adds the breaches that another judgement of the same oracle found.
    fn take(&mut self, found: Self) {
        self.violations.extend(found.violations);
    }

    fn is_empty(&self) -> bool {
        self.violations.is_empty()
    }

    fn verdict(self) -> Verdict {
        if self.violations.is_empty() { Verdict::Kept } else { Verdict::Broken(self.violations) }
    }
}
