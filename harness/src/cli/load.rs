//! Finds and reads scenario files for a command; every mistake of every file is told before anything is run.

use std::sync::Arc;

use super::{Common, Refusal, Store};
use crate::provider::catalog::Shop;
use crate::report::terminal::{width, wrap};
use crate::scenario::find::{find, load};
use crate::scenario::model::Scenario;
use crate::scenario::{Known, ScenarioError};

/// The scenarios that can be used, and the text of every mistake in the others.
pub(super) fn readable(
    common: &Common,
    words: &[String],
    colour: bool,
) -> Result<(Vec<Arc<Scenario>>, Vec<String>), Refusal> {
    let shop = match &common.fixtures {
        None => Shop::default(),
        Some(folder) => Shop::load(folder).map_err(|error| Refusal::unusable(&error.to_string()))?,
    };
    let found = find(&common.scenarios, words).map_err(|error| Refusal::unusable(&error.to_string()))?;
    let known = Known::with_shop(shop);
    let mut scenarios = Vec::new();
    let mut mistaken = Vec::new();
    for found in &found {
        match load(found, &known) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => mistaken.push(shown(&error, colour)),
        }
    }
    Ok((scenarios, mistaken))
}

/// The scenarios that were asked for; all of them or none.
pub(super) fn scenarios(common: &Common, words: &[String], colour: bool) -> Result<Vec<Arc<Scenario>>, Refusal> {
    let (scenarios, mistaken) = readable(common, words, colour)?;
    if mistaken.is_empty() { Ok(scenarios) } else { Err(Refusal::drawn(&mistaken.concat(), "nothing was run")) }
}

/// The one scenario that a name stands for.
pub(super) fn one(common: &Common, name: &String, colour: bool) -> Result<Arc<Scenario>, Refusal> {
    let mut scenarios = scenarios(common, std::slice::from_ref(name), colour)?;
    if scenarios.len() == 1 {
        return Ok(scenarios.remove(0));
    }
    let found: Vec<_> = scenarios.iter().map(|scenario| &*scenario.name).collect();
    Err(Refusal::unusable(&format!(
        "`{name}` names {} scenarios, and one is taken at a time: {}",
        found.len(),
        found.join(", ")
    )))
}

/// The same scenarios with this store.
pub(super) fn kept_in(mut scenarios: Vec<Arc<Scenario>>, store: Store) -> Vec<Arc<Scenario>> {
    let kind = store.kind();
    for scenario in scenarios.iter_mut().filter(|scenario| scenario.store != kind) {
        Arc::make_mut(scenario).store = kind;
    }
    scenarios
}

/// An error as it is printed: a drawing as it is, a sentence in lines.
fn shown(error: &ScenarioError, colour: bool) -> String {
    match error {
        ScenarioError::Mistaken { .. } => error.render(colour),
        ScenarioError::Unreadable { .. }
        | ScenarioError::TooLarge { .. }
        | ScenarioError::NotText { .. }
        | ScenarioError::NameActs { .. } => wrap(error.render(colour).trim_end(), width()),
    }
}
