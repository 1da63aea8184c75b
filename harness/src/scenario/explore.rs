//! Reads `[explore]`: what exploration tries, where that is less than everything.

use super::fields::{Field, Fields};
use super::mistake::Mistakes;
use super::model::Narrowing;
use crate::fault::explain;
use crate::fault::menu::Breadth;
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

/// Reads the table.
pub(super) fn read(field: &Field<'_>, mistakes: &mut Mistakes) -> Narrowing {
    let Some(table) = field.table_of("[explore]", &EXPLORE_KEYS, mistakes) else {
        return Narrowing::default();
    };
    let sites = sites();
    let sites: Vec<&str> = sites.iter().map(String::as_str).collect();
    Narrowing {
        menu: table.get("menu").and_then(|field| menu(field, mistakes)),
        sites: words(&table, "sites", "site", &sites, mistakes),
        faults: words(&table, "faults", "fault", &faults(), mistakes),
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

fn words(table: &Fields<'_>, key: &str, what: &str, known: &[&str], mistakes: &mut Mistakes) -> Vec<String> {
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
        if !known.contains(&word) {
            let hint = suggest::hint(word.split('#').next().unwrap_or(word), known);
            mistakes.suggest(&element.span, format!("unknown {what} `{word}`"), hint);
        } else if words.iter().any(|known| known == word) {
            mistakes.add(&element.span, format!("`{word}` stands here twice"));
        } else {
            words.push(word.to_owned());
        }
    }
    words
}
