//! Reads `[expect]`: what is expected beyond the oracles.

use std::collections::BTreeMap;

use super::answer;
use super::fields::{Field, quoting};
use super::mistake::Mistakes;
use super::model::Expect;
use super::parse::{COUNT_MAX, Known};
use crate::provider::ledger::EffectKind;
use crate::provider::operations;
use crate::suggest;

/// The keys of `[expect]`.
pub(super) const EXPECT_KEYS: [&str; 5] = ["answer", "requests", "standing", "parked", "broken"];
/// The effects that can stand at rest.
pub(super) const STANDING: [EffectKind; 3] = [EffectKind::Charge, EffectKind::Reserve, EffectKind::Commit];

/// `parked = "any"`: however many.
pub(super) const ANY: &str = "any";

/// Reads the table.
pub(super) fn read(field: &Field<'_>, known: &Known, mistakes: &mut Mistakes) -> Expect {
    let Some(table) = field.table_of("[expect]", &EXPECT_KEYS, mistakes) else {
        return Expect::default();
    };
    let labels = operations::ALL.map(|operation| operation.label);
    let standing = STANDING.map(EffectKind::name);
    Expect {
        answer: table.get("answer").and_then(|field| answer::read(field, mistakes)),
        requests: table
            .get("requests")
            .map_or_else(BTreeMap::new, |field| counts(field, "operation", &labels, mistakes)),
        standing: table
            .get("standing")
            .map_or_else(BTreeMap::new, |field| counts(field, "effect", &standing, mistakes)),
        parked: table.get("parked").map_or(Some(0), |field| parked(field, mistakes)),
        broken: table
            .get("broken")
            .and_then(|field| field.elements(mistakes))
            .unwrap_or_default()
            .iter()
            .filter_map(|element| {
                let id = element.text(mistakes)?;
                oracle(id, element, known, mistakes)
            })
            .collect(),
    }
}

fn parked(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<u32> {
    if field.value.as_str() == Some(ANY) {
        return None;
    }
    field.number(0..=COUNT_MAX, mistakes)
}

fn counts(field: &Field<'_>, what: &str, known: &[&str], mistakes: &mut Mistakes) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    let Some(table) = field.table(mistakes) else {
        return counts;
    };
    for field in table.iter() {
        if !known.contains(&field.key) {
            mistakes.suggest(
                &field.key_span,
                format!("unknown {what} `{}`", field.key),
                quoting(field).or_else(|| suggest::hint(field.key, known)),
            );
        } else if let Some(count) = field.number(0..=COUNT_MAX, mistakes) {
            counts.insert(field.key.to_owned(), count);
        }
    }
    counts
}

/// An oracle's id.
pub(super) fn oracle(id: &str, field: &Field<'_>, known: &Known, mistakes: &mut Mistakes) -> Option<String> {
    if known.oracles.contains(&id) {
        return Some(id.to_owned());
    }
    mistakes.suggest(
        &field.span,
        format!("unknown oracle `{id}`"),
        suggest::hint(id, &known.oracles).or_else(|| Some("`misrule list --oracles` shows them all".to_owned())),
    );
    None
}
