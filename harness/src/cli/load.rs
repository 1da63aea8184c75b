//! Finds and reads scenario files for a command; every mistake of every file is told before anything is run.

use std::path::Path;
use std::sync::Arc;

use super::Refusal;
use crate::oracle;
use crate::provider::catalog::Fixture;
use crate::scenario::Known;
use crate::scenario::find::{find, load};
use crate::scenario::model::Scenario;

/// The names that scenarios may refer to.
pub(super) fn known() -> Known {
    Known {
        oracles: oracle::ALL.iter().map(|oracle| oracle.id).collect(),
        skus: Fixture::embedded().products().iter().map(|product| product.sku.clone()).collect(),
    }
}

/// The scenarios that can be used, and the text of every mistake in the others.
pub(super) fn readable(
    root: &Path,
    words: &[String],
    colour: bool,
) -> Result<(Vec<Arc<Scenario>>, Vec<String>), Refusal> {
    let found = find(root, words).map_err(|error| Refusal::unusable(&error.to_string()))?;
    let known = known();
    let mut scenarios = Vec::new();
    let mut mistaken = Vec::new();
    for found in &found {
        match load(found, &known) {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => mistaken.push(error.render(colour)),
        }
    }
    Ok((scenarios, mistaken))
}

/// The scenarios that were asked for; all of them or none.
pub(super) fn scenarios(root: &Path, words: &[String], colour: bool) -> Result<Vec<Arc<Scenario>>, Refusal> {
    let (scenarios, mistaken) = readable(root, words, colour)?;
    if mistaken.is_empty() { Ok(scenarios) } else { Err(Refusal::unusable(&mistaken.concat())) }
}
