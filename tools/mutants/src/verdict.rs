//! What became of a mutant, and the committed list of it: `mutants/results.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::error::Error;
use crate::key::Key;
use crate::tier::Tier;
use crate::workspace::{read, write};

/// What the gate said of one mutant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Noticed, by this rule.
    Killed { tier: Tier, by: String },
    /// These parts of the gate come by, and stayed green.
    Survived(BTreeSet<Tier>),
    /// None of these parts of the gate comes by.
    NotReached(BTreeSet<Tier>),
    /// The gate was not green and had no finding.
    Doubted(Tier),
}

impl Verdict {
    pub(crate) const fn is_killed(&self) -> bool {
        matches!(self, Self::Killed { .. })
    }

    /// This verdict after an earlier one by other parts of the gate.
    pub(crate) fn after(self, earlier: Option<&Self>) -> Self {
        let join = |one: BTreeSet<Tier>, other: &BTreeSet<Tier>| one.union(other).copied().collect();
        match (self, earlier) {
            (Self::Survived(now), Some(Self::Survived(before))) => Self::Survived(join(now, before)),
            (Self::NotReached(now), Some(Self::NotReached(before))) => Self::NotReached(join(now, before)),
            // What does not come by says nothing about what does.
            (Self::NotReached(_), Some(before @ Self::Survived(_)))
            | (Self::NotReached(_) | Self::Survived(_), Some(before @ Self::Doubted(_))) => before.clone(),
            (now, _) => now,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed { tier, by } => write!(f, "killed in {} by {by}", tier.name()),
            Self::Survived(tiers) => write!(f, "survived {}", names(tiers)),
            Self::NotReached(tiers) => write!(f, "not reached by {}", names(tiers)),
            Self::Doubted(tier) => write!(f, "inconclusive in {}", tier.name()),
        }
    }
}

fn names(tiers: &BTreeSet<Tier>) -> String {
    tiers.iter().map(|tier| tier.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no verdict");
        let tier = |name: &str| Tier::by_name(name).ok_or_else(wrong);
        if let Some(rest) = text.strip_prefix("killed in ") {
            let (name, by) = rest.split_once(" by ").ok_or_else(wrong)?;
            return Ok(Self::Killed { tier: tier(name)?, by: by.to_owned() });
        }
        let tiers = |names: &str| names.split(", ").map(tier).collect::<Result<BTreeSet<Tier>, String>>();
        if let Some(names) = text.strip_prefix("survived ") {
            return Ok(Self::Survived(tiers(names)?));
        }
        if let Some(names) = text.strip_prefix("not reached by ") {
            return Ok(Self::NotReached(tiers(names)?));
        }
        Ok(Self::Doubted(tier(text.strip_prefix("inconclusive in ").ok_or_else(wrong)?)?))
    }
}

/// What became of each mutant that was judged.
pub(crate) type Results = BTreeMap<Key, Verdict>;

const HEAD: &str = "# What became of each mutant that was judged. Written by `cargo run -p mutants -- run --save`.\n\n";

/// Reads the committed list; empty where there is none.
pub(crate) fn load(path: &Path) -> Result<Results, Error> {
    if !path.exists() {
        return Ok(Results::new());
    }
    let wrong = |said: String| Error::Content { path: path.to_owned(), said };
    let written: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(&read(path)?).map_err(|error| wrong(error.to_string()))?;
    let entries = written.into_values().flatten();
    entries.map(|(key, verdict)| Ok((Key(key), verdict.parse().map_err(wrong)?))).collect()
}

/// Writes the list, by module.
pub(crate) fn save(path: &Path, results: &Results) -> Result<(), Error> {
    write(path, &written(results))
}

fn written(results: &Results) -> String {
    let mut modules: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    for (key, verdict) in results {
        modules.entry(key.module()).or_default().insert(&key.0, verdict.to_string());
    }
    format!("{HEAD}{}", toml::to_string(&modules).expect("texts by texts are TOML"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_it_was_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.toml");
        assert_eq!(load(&path).expect("none yet"), Results::new());
        let results = Results::from([
            (
                Key("retry::backoff | \"a\" | emptied".to_owned()),
                Verdict::Killed { tier: Tier::Sim, by: "bounded".to_owned() },
            ),
            (Key("retry::backoff | 1 | plus 1".to_owned()), Verdict::Survived([Tier::Explore, Tier::Sim].into())),
            (Key("money::shown | 1 | plus 1".to_owned()), Verdict::NotReached([Tier::Sim].into())),
            (Key("money::shown | 1 | minus 1".to_owned()), Verdict::Doubted(Tier::Wire)),
        ]);
        save(&path, &results).expect("a file");
        assert_eq!(load(&path).expect("a list"), results);
        insta::assert_snapshot!(read(&path).expect("a file"));
    }

    #[test]
    fn parts_of_the_gate_that_were_asked_one_after_the_other_add_up() {
        let of = |text: &str| Verdict::from_str(text).expect(text);
        let rows = [
            ("survived sim", "survived explore"),
            ("not reached by sim", "not reached by wire"),
            ("survived sim", "not reached by wire"),
            ("not reached by sim", "survived wire"),
            ("survived sim", "killed in explore by bounded"),
            ("inconclusive in sim", "survived explore"),
        ];
        let said = rows.map(|(before, now)| format!("{before} + {now} = {}\n", of(now).after(Some(&of(before)))));
        insta::assert_snapshot!(said.concat());
    }

    #[test]
    fn a_verdict_that_nobody_gives_is_refused() {
        for wrong in ["killed", "killed in nowhere by a", "killed in sim", "survived", "survived x", "fine"] {
            assert!(Verdict::from_str(wrong).is_err(), "{wrong}");
        }
    }
}
