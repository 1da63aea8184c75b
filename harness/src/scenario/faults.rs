//! Reads `[faults]`: a site and what goes wrong there, a line each; and plans that are given on the command line.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeValue;

use super::fields::{Field, quoting};
use super::mistake::{Mistakes, ScenarioError};
use super::model::{Scenario, Step};
use crate::fault::Fault;
use crate::fault::parse::{ParseError, Target, parse_address, parse_planned};
use crate::fault::plan::{Address, Plan, Planned};
use crate::fault::site::Place;

/// What a plan has to fit.
pub(super) struct Frame {
    /// For each step, whether it is a call.
    pub(super) calls: Vec<bool>,
    /// Whether the scenario runs on the wire too.
    pub(super) on_the_wire: bool,
}

/// Reads `[faults]`.
pub(super) fn read(field: &Field<'_>, frame: &Frame, mistakes: &mut Mistakes) -> Plan {
    let mut plan = Plan::default();
    let Some(table) = field.table(mistakes) else {
        return plan;
    };
    for field in table.iter() {
        if let Some(hint) = quoting(field) {
            let message = format!("`{}` is no site", field.key);
            mistakes.suggest(&field.key_span, message, Some(hint));
            continue;
        }
        match parse_address(field.key) {
            Ok(place) => faults(&mut plan, &place, field, frame, mistakes),
            Err(error) => mistake(&error, field.key, &field.key_span, mistakes),
        }
    }
    plan
}

/// The fault at a place; at a provider there may be several, for windows of its requests.
fn faults(plan: &mut Plan, place: &Target, field: &Field<'_>, frame: &Frame, mistakes: &mut Mistakes) {
    if let Some(why) = out_of_reach(place, &frame.calls) {
        mistakes.add(&field.key_span, why);
    }
    let several = matches!((place, field.value), (Target::Provider(_), DeValue::Array(_)));
    let written = if several { field.elements(mistakes).unwrap_or_default() } else { vec![field.clone()] };
    for written in written {
        let Some(text) = written.text(mistakes) else {
            continue;
        };
        let planned = match parse_planned(place, text) {
            Ok(planned) => planned,
            Err(error) => {
                mistake(&error, text, &written.span, mistakes);
                continue;
            }
        };
        for planned in planned {
            if frame.on_the_wire && planned.only_simulated() {
                let message =
                    format!("`{text}` cannot be realised on the wire, where the operating system orders tasks");
                mistakes.suggest(&written.span, message, Some("take \"wire\" out of `worlds`".to_owned()));
            } else if frame.on_the_wire && planned.is_a_race() {
                let message = format!(
                    "a `{text}` listing lags in real time on the wire, and a busy machine may ask for it too late"
                );
                mistakes.suggest(&written.span, message, Some("take \"wire\" out of `worlds`".to_owned()));
            }
            if let Err(why) = plan.add(planned) {
                mistakes.add(&field.key_span, why);
            }
        }
    }
}

/// Why no request can be made for the step that a place names.
fn out_of_reach(place: &Target, calls: &[bool]) -> Option<String> {
    let Target::At(address) = place else {
        return None;
    };
    let step = address.step?;
    let index = usize::try_from(step).ok()?.checked_sub(1);
    match index.and_then(|index| calls.get(index)) {
        Some(true) => None,
        Some(false) => Some(format!("`{address}` names step {step}, which is no call")),
        None => Some(format!("`{address}` names step {step}, and the script has {}", calls.len())),
    }
}

fn mistake(error: &ParseError, text: &str, span: &Range<usize>, mistakes: &mut Mistakes) {
    // The place inside the text is known where the text stands in the file letter for letter.
    let quotes = match span.len().checked_sub(text.len()) {
        Some(0) => Some(0),
        Some(2) => Some(1),
        _ => None,
    };
    let place = quotes.filter(|_| !error.span.is_empty()).map_or_else(
        || span.clone(),
        |quotes| span.start + quotes + error.span.start..span.start + quotes + error.span.end,
    );
    let suggestion = error.meant.as_ref().map(|meant| format!("did you mean `{meant}`?"));
    mistakes.suggest(&place, error.message.clone(), suggestion);
}

/// A plan that is given for a scenario on the command line.
pub fn plan_for(scenario: &Scenario, text: &str) -> Result<Plan, ScenarioError> {
    let calls: Vec<_> = scenario.script.iter().map(|step| matches!(step, Step::Call(_))).collect();
    given(text, |planned| match planned {
        Planned::At(address, _) => out_of_reach(&Target::At(*address), &calls),
        Planned::Over(..) => None,
    })
}

/// A plan that is given for the providers alone, which have no script, no host and no hand in the system's process.
/// `events` says whether the payment provider posts any.
pub fn plan_for_providers(text: &str, events: bool) -> Result<Plan, ScenarioError> {
    given(text, |planned| {
        let Planned::At(address, fault) = planned else {
            return None;
        };
        let Address { place, step, number } = *address;
        let what = match place {
            Place::JournalRead | Place::JournalWrite | Place::HostCall => format!("`{address}`"),
            Place::Webhook if !events => return Some(format!("`{address}` never comes; give --webhooks ADDRESS")),
            Place::Request(_) if matches!(fault, Fault::Crash(_) | Fault::HangUp) => format!("`{fault}`"),
            Place::Request(_) | Place::Webhook if step.is_some() => {
                return Some(format!("`{address}` names a step of a script; write `{}#{number}`", place.label()));
            }
            Place::Request(_) | Place::Webhook => return None,
        };
        Some(format!("{what} is not the providers' to bring about; `misrule replay` has the rest"))
    })
}

/// A plan of the command line; `wrong` says what is wrong with one of its faults.
fn given(text: &str, wrong: impl Fn(&Planned) -> Option<String>) -> Result<Plan, ScenarioError> {
    let mut mistakes = Mistakes::default();
    let plan = match text.parse::<Plan>() {
        Ok(plan) => plan,
        Err(error) => {
            mistake(&error, text, &(0..text.len()), &mut mistakes);
            Plan::default()
        }
    };
    for planned in &plan.faults {
        let Some(why) = wrong(planned) else { continue };
        // Where it is written as plans are printed; else the whole.
        let written = planned.to_string();
        let place = text.find(&written).map_or(0..text.len(), |at| at..at + written.len());
        mistakes.add(&place, why);
    }
    if mistakes.is_empty() {
        return Ok(plan);
    }
    Err(ScenarioError::Mistaken {
        path: PathBuf::from("--plan"),
        text: text.to_owned(),
        mistakes: mistakes.into_sorted(),
    })
}
