//! One run, boiled down to what exploration keeps of it: a few bytes where all is well.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use giftgenius::error::Code;

use super::Runner;
use super::plan::{Choice, Deviation};
use super::space::{Further, Space};
use crate::error::RunError;
use crate::fault::plan::Plan;
use crate::fault::site::Place;
use crate::outcome::Outcome;
use crate::report::build::rules_broken;
use crate::report::told;
use crate::run::{Asking, Printable, Printed};
use crate::trace::{EventKind, provider_index};
use crate::world::print::Print;

/// The result of a run.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The rules that it breaks; costs nothing as long as there are none.
    pub(super) rules: Vec<&'static str>,
    /// Why it could not be made.
    pub(super) not_run: Option<Box<str>>,
    /// Which of its faults fired, as bits in the order of the plan.
    pub(super) fired: u32,
    /// What it reached.
    pub(super) reached: Reached,
    /// How many plans of one fault more it gives.
    pub(super) further: Further,
    /// The choices at which it is extended, where that was asked for.
    pub(super) choices: Option<Box<[Choice]>>,
    /// Its print, where it was asked for and could be made.
    pub(super) print: Option<Print>,
}

/// What a run reached, as bits.
#[derive(Debug, Default, Clone)]
pub(super) struct Reached {
    /// Error codes that were answered, by their place in the table.
    pub(super) codes: u64,
    /// Kinds of effects, by discriminant.
    pub(super) effects: u16,
    /// How often each place came.
    pub(super) sites: [u16; Place::COUNT],
    /// How often each provider was asked for anything.
    pub(super) providers: [u16; 3],
    /// What was asked of providers after the system had been started again, in order: operations by index, each once
    /// in a row.
    pub(super) recovery: Option<Box<[u8]>>,
}

/// In a recovery path: the system was started once more.
pub(super) const AGAIN: u8 = u8::MAX;
/// In a recovery path, at its end: it went on.
pub(super) const AND_SO_ON: u8 = u8::MAX - 1;
/// The longest recovery path that is told apart from others.
const RECOVERY_MAX: usize = 16;

/// What is wanted of a run beside its verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Want {
    /// The choices at which it can be extended.
    Choices,
    /// Those, and the print by which runs with the same future are told.
    ChoicesAndPrint,
    /// How many plans of one fault more there are.
    Count,
    /// Nothing.
    Nothing,
}

/// Makes a run.
pub(super) fn make(space: &Space, runner: Runner<'_>, deviations: &[Deviation]) -> Result<Outcome, String> {
    let plan = space.plan(deviations);
    guarded(|| runner.run(&space.scenario, &plan, space.seed))
}

/// A panic of the harness is told as what it is and ends one run only.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// What a panic said.
pub fn panicked(panic: &(dyn Any + Send)) -> String {
    RunError::panicked(panic).to_string()
}

/// Makes several runs side by side; where one of them makes misrule fail, the others are made all the same.
pub(super) fn together(runner: Runner<'_>, runs: &[Asking<'_>], printed: Printed) -> Vec<Result<Printable, String>> {
    guarded(|| Ok(runner.run_together(runs, printed))).unwrap_or_else(|_| {
        // One of them failed, and that ended all: which one, they tell one by one.
        let alone = |run| guarded(|| runner.run_together(&[run], printed).pop().expect("one run was asked for"));
        runs.iter().copied().map(alone).collect()
    })
}

/// Makes the runs of several plans and boils them down, in their order.
pub(super) fn judge(space: &Space, runner: Runner<'_>, plans: &[Vec<Deviation>], want: Want) -> Vec<Judged> {
    let printed = if want == Want::ChoicesAndPrint { Printed::Yes } else { Printed::No };
    let written: Vec<Plan> = plans.iter().map(|deviations| space.plan(deviations)).collect();
    let runs: Vec<_> = written.iter().map(|plan| space.asking(plan)).collect();
    let made = together(runner, &runs, printed);
    plans.iter().zip(made).map(|(deviations, made)| boiled_down(space, deviations, made, want)).collect()
}

fn boiled_down(space: &Space, deviations: &[Deviation], made: Result<Printable, String>, want: Want) -> Judged {
    let (outcome, print) = match made {
        Ok(made) => made,
        Err(why) => return Judged { not_run: Some(why.into()), ..Judged::default() },
    };
    let last = deviations.last().map(|last| last.at);
    let fired = fired(&outcome, deviations.len());
    let moot = !is_last_fired(fired, deviations.len());
    let (further, choices) = match want {
        _ if moot => (Further::default(), None),
        Want::Nothing => (Further::default(), None),
        Want::Count => (space.count_after(&outcome, deviations), None),
        Want::Choices | Want::ChoicesAndPrint => (Further::default(), Some(space.choices_after(&outcome, last).into())),
    };
    let well = outcome.unmet.is_empty() && outcome.violations().next().is_none();
    let rules = if well { Vec::new() } else { rules_broken(&outcome) };
    Judged { rules, not_run: None, fired, reached: reached(&outcome), further, choices, print }
}

/// Whether the last of so many faults fired; there is nothing to fire in a run without any.
pub(super) const fn is_last_fired(fired: u32, faults: usize) -> bool {
    faults == 0 || fired & (1 << (faults - 1)) != 0
}

/// Which of the last so many faults of the plan fired.
fn fired(outcome: &Outcome, faults: usize) -> u32 {
    let planned = &outcome.plan.faults[outcome.plan.faults.len() - faults..];
    let fired = planned.iter().enumerate().filter(|(_, planned)| !outcome.unfired.contains(planned));
    fired.fold(0, |bits, (index, _)| bits | 1 << index)
}

fn reached(outcome: &Outcome) -> Reached {
    let mut reached = Reached::default();
    let mut recovery: Vec<u8> = Vec::new();
    // The life that was begun by the first restart, and the one whose request was the last.
    let mut restarted = u32::MAX;
    let mut incarnation = u32::MAX;
    for event in &outcome.record.trace.events {
        match &event.kind {
            EventKind::CallEnded { reply, .. } => {
                if let Some(code) = told::code(reply)
                    && let Some(index) = Code::ALL.iter().position(|known| known.as_str() == code)
                {
                    reached.codes |= 1 << index;
                }
            }
            EventKind::Effect(effect) => reached.effects |= 1 << (effect.kind as u16),
            EventKind::Restarted => restarted = restarted.min(event.incarnation),
            EventKind::Sent(sent) if event.incarnation >= restarted => {
                if event.incarnation > incarnation {
                    recovery.push(AGAIN);
                }
                incarnation = event.incarnation;
                let place = u8::try_from(sent.operation.index).expect("there are few operations");
                if recovery.last() != Some(&place) {
                    recovery.push(place);
                }
            }
            EventKind::Sent(_)
            | EventKind::CallStarted(_)
            | EventKind::Delivered { .. }
            | EventKind::Answered { .. }
            | EventKind::Log(_)
            | EventKind::Struck { .. }
            | EventKind::Webhook(_)
            | EventKind::Crashed
            | EventKind::Switched { .. } => {}
        }
    }
    for asked in &outcome.asked {
        let count = &mut reached.sites[asked.site.place.index()];
        *count = count.saturating_add(1);
        if let Some(operation) = asked.site.place.operation() {
            let count = &mut reached.providers[provider_index(operation.provider)];
            *count = count.saturating_add(1);
        }
    }
    if recovery.len() > RECOVERY_MAX {
        recovery.truncate(RECOVERY_MAX);
        recovery.push(AND_SO_ON);
    }
    if restarted < u32::MAX {
        reached.recovery = Some(recovery.into());
    }
    reached
}
