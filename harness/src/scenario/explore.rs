//! Reads `[explore]`: what exploration tries, where that is less than everything.

use super::fields::{Field, Fields};
use super::mistake::Mistakes;
use super::model::Narrowing;
use crate::fault::explain;
use crate::fault::menu::{Breadth, in_range};
use crate::fault::parse::{parse_fault, parse_provider_fault};
use crate::fault::site::Place;
use crate::provider::operations;
use crate::suggest;

/// The keys of `[explore]`.
pub(super) const EXPLORE_KEYS: [&str; 4] = ["menu", "sites", "faults", "gate_depth"];

/// Everything that `sites` may name: places, then providers.
pub(super) fn sites() -> Vec<String> {
    let mut providers: Vec<_> =
        operations::ALL.iter().map(|operation| format!("provider.{}", operation.provider.name())).collect();
    providers.sort();
    providers.dedup();
    Place::all().map(|place| place.label().to_owned()).chain(providers).collect()
}

/// Everything that `faults` may name.
pub(super) fn faults() -> Vec<&'static str> {
    explain::ALL.iter().map(|explained| explained.name).collect()
}

/// Why a word names no site or no fault, and what may have been meant.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}{}", hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}")))]
pub struct Unknown {
    /// What is wrong.
    pub message: String,
    /// What may have been meant, or where to look.
    pub hint: Option<String>,
}

/// Whether a word is one that `sites` may hold.
pub fn site(word: &str) -> Result<(), Unknown> {
    let known = sites();
    if known.iter().any(|known| known == word) {
        return Ok(());
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = suggest::hint(word.split('#').next().unwrap_or(word), &known);
    Err(Unknown { message: format!("unknown site `{word}`"), hint })
}

/// Whether a word is one that `faults` may hold: a name, or a fault with its arguments.
pub fn fault(word: &str) -> Result<(), Unknown> {
    let known = faults();
    if known.contains(&word) {
        return Ok(());
    }
    let name = word.split('(').next().unwrap_or(word);
    if !known.contains(&name) {
        return Err(Unknown { message: format!("unknown fault `{word}`"), hint: suggest::hint(name, &known) });
    }
    let over_time = parse_provider_fault(word);
    match parse_fault(word) {
        Ok(fault) => in_range(&fault).map_err(|error| Unknown { message: error.to_string(), hint: None }),
        Err(_) if over_time.is_ok() => Ok(()),
        Err(error) => Err(Unknown { message: format!("`{word}`: {error}"), hint: None }),
    }
}

/// Reads the table.
pub(super) fn read(field: &Field<'_>, mistakes: &mut Mistakes) -> Narrowing {
    let Some(table) = field.table_of("[explore]", &EXPLORE_KEYS, mistakes) else {
        return Narrowing::default();
    };
    Narrowing {
        menu: table.get("menu").and_then(|field| menu(field, mistakes)),
        sites: words(&table, "sites", site, mistakes),
        faults: words(&table, "faults", fault, mistakes),
        gate_depth: table.get("gate_depth").map_or(0, |field| depth(field, mistakes)),
    }
}

/// The most faults at a time that the gate may be asked to try.
const GATE_DEPTH_MAX: i64 = 3;

fn depth(field: &Field<'_>, mistakes: &mut Mistakes) -> u8 {
    field.integer(1..=GATE_DEPTH_MAX, mistakes).map_or(0, |depth| u8::try_from(depth).expect("its range was checked"))
}

fn menu(field: &Field<'_>, mistakes: &mut Mistakes) -> Option<Breadth> {
    let word = field.text(mistakes)?;
    let found = Breadth::ALL.into_iter().find(|menu| menu.name() == word);
    if found.is_none() {
        let hint = suggest::hint(word, &Breadth::ALL.map(Breadth::name));
        mistakes.suggest(&field.span, format!("unknown menu `{word}`"), hint);
    }
    found
}

fn words(
    table: &Fields<'_>,
    key: &str,
    known: fn(&str) -> Result<(), Unknown>,
    mistakes: &mut Mistakes,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let Some(field) = table.get(key) else {
        return words;
    };
    let Some(elements) = field.elements(mistakes) else {
        return words;
    };
    if elements.is_empty() {
        mistakes.suggest(&field.span, format!("`{key}` names nothing"), Some("leave the line out instead".to_owned()));
    }
    for element in &elements {
        let Some(word) = element.text(mistakes) else {
            continue;
        };
        if let Err(Unknown { message, hint }) = known(word) {
            mistakes.suggest(&element.span, message, hint);
        } else if words.iter().any(|known| known == word) {
            mistakes.add(&element.span, format!("`{word}` stands here twice"));
        } else {
            words.push(word.to_owned());
        }
    }
    words
}
