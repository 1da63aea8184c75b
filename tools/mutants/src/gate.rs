//! The built gate: runs of it with and without a mutant, and which mutants each part of it comes by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::limits::{self, Ended};
use crate::switch;
use crate::tier::{Answer, KILLED_FROM_OUTSIDE, OUTPUT, Tier, red};
use crate::verdict::Verdict;
use crate::workspace::{Places, read, write};

/// A tier's whole, where it is not asked by scenario.
const WHOLE: &str = "";

/// What the unmutated gate comes by, by tier and scenario.
#[derive(Default, Serialize, Deserialize, Debug)]
struct Reached {
    /// Of which build: the binary's time, in seconds.
    built: u64,
    by: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>,
    /// Scenarios that are not green without a mutant, by tier: they judge none.
    red: BTreeMap<String, BTreeSet<String>>,
}

/// The built gate.
pub(crate) struct Gate<'a> {
    places: &'a Places,
    reached: Reached,
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.out());
    }
}

impl<'a> Gate<'a> {
    /// Runs what was not run yet without a mutant, and notes what it comes by.
    pub(crate) fn open(places: &'a Places, tiers: &[Tier], said: &mut dyn Write) -> Result<Self, Error> {
        let path = places.folder.join("reached.json");
        let built = fs::metadata(places.misrule()).and_then(|it| it.modified());
        let built = built.map_err(|error| Error::read(&places.misrule(), error))?;
        let built = built.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let known: Option<Reached> = read(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        let reached = known.filter(|known| known.built == built);
        let mut gate = Self { places, reached: reached.unwrap_or(Reached { built, ..Reached::default() }) };
        for tier in tiers {
            if !gate.reached.by.contains_key(tier.name()) {
                let _ = writeln!(said, "{}: without a mutant", tier.name());
                gate.measure(*tier)?;
                write(&path, &serde_json::to_string(&gate.reached).expect("numbers by names are JSON"))?;
            }
            for name in gate.reached.red.get(tier.name()).into_iter().flatten() {
                let _ = writeln!(said, "{}: {name} is not green without a mutant, and judges none", tier.name());
            }
        }
        Ok(gate)
    }

    fn measure(&mut self, tier: Tier) -> Result<(), Error> {
        let mut by = BTreeMap::new();
        let mut not_green = BTreeSet::new();
        if tier.by_scenario() {
            for name in self.simulated()? {
                let (answer, ids) = self.noted(tier, std::slice::from_ref(&name))?;
                if answer == Answer::Kept {
                    by.insert(name, ids);
                } else {
                    not_green.insert(name);
                }
            }
        } else if tier.by_name_of_scenario() {
            let (_, ids) = self.noted(tier, &[])?;
            by.insert(WHOLE.to_owned(), ids);
            let report = self.report()?;
            not_green = red(&report).into_iter().collect();
            by.extend(names(&report).filter(|name| !not_green.contains(name)).map(|name| (name, BTreeSet::new())));
        } else {
            let (answer, ids) = self.noted(tier, &[])?;
            if answer != Answer::Kept {
                return Err(Error::Red(format!("{}: {answer:?} {}", tier.name(), self.red().join(", "))));
            }
            by.insert(WHOLE.to_owned(), ids);
        }
        self.reached.by.insert(tier.name().to_owned(), by);
        self.reached.red.insert(tier.name().to_owned(), not_green);
        Ok(())
    }

    /// The scenarios that run in simulation.
    fn simulated(&self) -> Result<Vec<String>, Error> {
        self.run(Tier::Sim, &[], &[], false)?;
        Ok(names(&self.report()?).collect())
    }

    /// The report on scenarios that the last run left.
    fn report(&self) -> Result<Value, Error> {
        let path = self.out().join("report.json");
        serde_json::from_str(&read(&path)?).map_err(|error| Error::Content { path, said: error.to_string() })
    }

    fn red(&self) -> Vec<String> {
        let report = read(&self.out().join("report.json")).ok();
        report.and_then(|text| serde_json::from_str(&text).ok()).map(|report| red(&report)).unwrap_or_default()
    }

    fn noted(&self, tier: Tier, scenarios: &[String]) -> Result<(Answer, BTreeSet<u32>), Error> {
        let notes = self.places.folder.join(format!("notes-{}", std::process::id()));
        let _ = fs::remove_file(&notes);
        let answer = self.run(tier, scenarios, &[(switch::REACHED, notes.display().to_string())], false)?;
        let ids = read(&notes).unwrap_or_default().lines().filter_map(|id| id.parse().ok()).collect();
        let _ = fs::remove_file(&notes);
        Ok((answer, ids))
    }

    fn out(&self) -> PathBuf {
        // Of this process alone, so that several may judge at the same time.
        self.places.folder.join(format!("out-{}", std::process::id()))
    }

    fn run(
        &self,
        tier: Tier,
        scenarios: &[String],
        environment: &[(&str, String)],
        first: bool,
    ) -> Result<Answer, Error> {
        let out = self.out();
        // The reports of the run before are not this one's.
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out).map_err(|error| Error::read(&out, error))?;
        let words = tier.words(scenarios, &out, first);
        let program = self.places.misrule();
        let output = out.join(OUTPUT);
        let start = || limits::run(&program, &words, environment, &self.places.root, &output, tier.time_max());
        let mut ended = start()?;
        if ended == Ended::Signal(KILLED_FROM_OUTSIDE) {
            ended = start()?;
        }
        match ended {
            // With a mutant it is what the mutant makes of it.
            Ended::Code(2) if environment.iter().all(|(name, _)| *name != switch::ACTIVE) => {
                Err(Error::Red(format!("misrule does not know what it is asked: {}", words.join(" "))))
            }
            ended => Ok(tier.answer(ended, &out)),
        }
    }

    /// Whether the cheapest tier is still green: what is wrong with the machine must not be told of a mutant.
    pub(crate) fn confirm(&self, tier: Tier) -> Result<(), Error> {
        let scenarios = self.asked(tier, None);
        match self.run(tier, &scenarios, &[], true)? {
            Answer::Kept => Ok(()),
            answer => Err(Error::Red(format!("{}, which was green before: {answer:?}", tier.name()))),
        }
    }

    /// The scenarios that a tier by scenario is asked about: all green ones, or those of them that come by a mutant.
    fn asked(&self, tier: Tier, mutant: Option<u32>) -> Vec<String> {
        let by = self.reached.by.get(tier.name()).into_iter().flatten();
        let comes_by = |ids: &BTreeSet<u32>| !tier.by_scenario() || mutant.is_none_or(|id| ids.contains(&id));
        by.filter(|(name, ids)| *name != WHOLE && comes_by(ids)).map(|(name, _)| name.clone()).collect()
    }

    fn is_reached(&self, tier: Tier, id: u32) -> bool {
        self.reached.by.get(tier.name()).into_iter().flatten().any(|(_, ids)| ids.contains(&id))
    }

    /// Judges one mutant: tier after tier until one notices it. `Err` inside: why it could not be judged.
    pub(crate) fn judge(&self, id: u32, tiers: &[Tier]) -> Result<Result<Verdict, &'static str>, Error> {
        let mut doubted = None;
        let (reached, passed): (Vec<Tier>, Vec<Tier>) = tiers.iter().partition(|tier| self.is_reached(**tier, id));
        for tier in reached.iter().copied() {
            let scenarios = self.asked(tier, Some(id));
            let environment = [(switch::ACTIVE, id.to_string())];
            for part in tier.parts(&scenarios) {
                let mut answer = self.run(tier, &part, &environment, true)?;
                if tier.twice() && answer != Answer::Kept {
                    answer = self.run(tier, &part, &environment, true)?;
                }
                match answer {
                    Answer::Broken(by) => return Ok(Ok(Verdict::Killed { tier, by })),
                    Answer::NotJudged(why) => return Ok(Err(why)),
                    Answer::Doubted => doubted = doubted.or(Some(tier)),
                    Answer::Kept => {}
                }
            }
        }
        Ok(Ok(match doubted {
            Some(tier) => Verdict::Doubted(tier),
            None if reached.is_empty() => Verdict::NotReached(passed.into_iter().collect()),
            None => Verdict::Survived(reached.into_iter().collect()),
        }))
    }
}

/// The names of the scenarios in a report.
fn names(report: &Value) -> impl Iterator<Item = String> {
    let scenarios = report["scenarios"].as_array().into_iter().flatten();
    scenarios.filter_map(|scenario| scenario["name"].as_str()).map(str::to_owned)
}
