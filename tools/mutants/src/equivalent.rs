//! `mutants/equivalent.toml`: mutants that the gate need not notice, each with the reason. They are not counted, so the list is
//! held to what can be checked, and its reasons are read in review.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::error::Error;
use crate::key::Key;
use crate::rewrite::Mutant;
use crate::verdict::Results;
use crate::workspace::read;

/// The most of a module's mutants that may be on the list, in percent.
const PERCENT_MAX: usize = 10;

/// Why a mutant need not be noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// No input makes a difference.
    Equivalent,
    /// Slower or larger, and the same to its callers.
    Performance,
    /// A difference that no contract of GiftGenius speaks of.
    OutsideTheContract,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Equivalent, Self::Performance, Self::OutsideTheContract];

    /// What its mutants are called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::Performance => "of performance only",
            Self::OutsideTheContract => "outside the contract",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Equivalent {
    pub(crate) key: Key,
    pub(crate) class: Class,
    pub(crate) reason: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
}

/// Reads the list; empty where there is none.
pub(crate) fn load(path: &Path) -> Result<Vec<Equivalent>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file: File = toml::from_str(&read(path)?)
        .map_err(|error| Error::Content { path: path.to_owned(), said: error.to_string() })?;
    Ok(file.equivalent)
}

/// Every way in which the list does not hold: of the mutants there are, and of what became of them.
pub(crate) fn check(list: &[Equivalent], mutants: &[Mutant], results: &Results) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in list {
        let key = &entry.key;
        if !seen.insert(key) {
            wrong.push(format!("listed twice: {key}"));
        }
        if entry.reason.trim().is_empty() {
            wrong.push(format!("no reason: {key}"));
        }
        if !mutants.iter().any(|mutant| mutant.key == *key) {
            wrong.push(format!("no such mutant: {key}"));
        }
        if let Some(verdict) = results.get(key).filter(|verdict| verdict.is_killed()) {
            wrong.push(format!("{verdict}, so it is none: {key}"));
        }
        *listed.entry(key.module()).or_default() += 1;
    }
    for (module, count) in listed {
        let all = mutants.iter().filter(|mutant| mutant.key.module() == module).count();
        if count * 100 > all * PERCENT_MAX {
            wrong.push(format!("{count} of the {all} mutants of `{module}` are listed; {PERCENT_MAX} % may be"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::Tier;
    use crate::verdict::Verdict;

    fn key(number: u32) -> Key {
        Key(format!("retry::f | {number} | plus 1"))
    }

    fn mutants() -> Vec<Mutant> {
        (1..=20).map(|id| Mutant { id, key: key(id), file: "retry.rs".to_owned() }).collect()
    }

    fn entry(key: Key) -> Equivalent {
        Equivalent { key, class: Class::Equivalent, reason: "the bound is never reached".to_owned() }
    }

    #[test]
    fn a_list_that_holds_is_left_alone() {
        let results = Results::from([(key(1), Verdict::Survived([Tier::Sim].into()))]);
        assert_eq!(check(&[entry(key(1)), entry(key(2))], &mutants(), &results), Vec::<String>::new());
    }

    #[test]
    fn every_way_not_to_hold_is_told() {
        let killed = Verdict::Killed { tier: Tier::Sim, by: "bounded".to_owned() };
        let list = [
            entry(key(1)),
            entry(key(2)),
            entry(key(2)),
            entry(key(99)),
            Equivalent { reason: " ".to_owned(), ..entry(key(3)) },
        ];
        let wrong = check(&list, &mutants(), &Results::from([(key(1), killed)]));
        insta::assert_snapshot!(wrong.join("\n"));
    }

    #[test]
    fn the_file_is_read_with_its_classes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("equivalent.toml");
        let entry =
            |class: &str| format!("[[equivalent]]\nkey = \"a | b | plus 1\"\nclass = \"{class}\"\nreason = \"why\"\n");
        let all = ["equivalent", "performance", "outside_the_contract"].map(entry).concat();
        std::fs::write(&path, all).expect("a file");
        let read: Vec<_> = load(&path).expect("a list").into_iter().map(|entry| entry.class).collect();
        assert_eq!(read, [Class::Equivalent, Class::Performance, Class::OutsideTheContract]);
        std::fs::write(&path, entry("boring")).expect("a file");
        assert!(load(&path).is_err());
    }
}
