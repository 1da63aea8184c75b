//! What does not compile, kept in `mutants/uncompiled.toml`: a build of the same code then needs no rounds that find it out.
//!
//! It is a hint and no more. A mutant on the list that would compile by now is left out of a build; one that does not compile
//! and is not on it costs a round.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::key::{Key, hash};
use crate::workspace::{read, write};

/// The list.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Uncompiled {
    /// Functions that have to stay `const`, which only the compiler told.
    constant: BTreeSet<String>,
    /// Mutants, each by a hash of its key: the keys themselves would be four times as long, and nobody reads them.
    mutants: BTreeSet<String>,
}

impl Uncompiled {
    pub(crate) fn new(constant: BTreeSet<String>, refused: &BTreeSet<Key>) -> Self {
        Self { constant, mutants: refused.iter().map(hashed).collect() }
    }

    /// Reads the list; empty where there is none.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Ok(Self::default());
        }
        toml::from_str(&read(path)?)
            .map_err(|error| Error::Content { path: path.to_owned(), said: error.message().to_owned() })
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let list = toml::to_string_pretty(self).expect("texts are TOML");
        write(
            path,
            &format!("# Mutants that do not compile. Written by `cargo run -p mutants -- build --save`.\n\n{list}"),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.mutants.is_empty()
    }

    pub(crate) const fn constant(&self) -> &BTreeSet<String> {
        &self.constant
    }

    /// Those of these mutants that are on the list.
    pub(crate) fn of<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeSet<Key> {
        keys.filter(|key| self.mutants.contains(&hashed(key))).cloned().collect()
    }
}

fn hashed(key: &Key) -> String {
    format!("{:016x}", hash(key.0.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_again_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("uncompiled.toml");
        assert!(Uncompiled::load(&path).expect("none yet").is_empty());
        let keys = ["a::b | c | dropped", "a::b | c | dropped #2", "a::d | e | negated"].map(|key| Key(key.to_owned()));
        let kept = Uncompiled::new(BTreeSet::from(["as_str".to_owned()]), &keys[1..].iter().cloned().collect());
        kept.save(&path).expect("it is written");
        let known = Uncompiled::load(&path).expect("it is read");
        assert_eq!(known, kept);
        assert_eq!(known.of(keys.iter()), keys[1..].iter().cloned().collect());
        std::fs::write(&path, "mutants = 3\n").expect("it is written");
        assert!(Uncompiled::load(&path).is_err());
    }
}
