//! The parts of the gate that a mutant is held to, cheapest first: how each is asked, and what its answer is called.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

use crate::limits::{Ended, TimeMax};

/// A part of the gate.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tier {
    /// Every scenario in simulation.
    Sim,
    /// Every malformed call in simulation.
    Errors,
    /// The journal's file in every state that it may be left in.
    Journal,
    /// GiftGenius's own command line, over HTTP and in its log.
    Faces,
    /// Malformed frames, and a plain call after each, on the wire: over HTTP and over stdio.
    Frames,
    /// Every scenario under every fault alone, the whole menu.
    Explore,
    /// Every scenario under every fault alone, the core menu, all payment profiles.
    Profiles,
    /// Generated scenarios, where misrule makes them.
    Generate,
    /// Every scenario on the wire.
    Wire,
}

/// Runs that a generated tier makes, as the gate does.
const GENERATED_RUNS: u32 = 60_000;

/// Scenarios on the wire that are asked before all the others.
const FEW: usize = 16;

/// Of a processor. The slowest of what is asked in simulation takes a third of it without a mutant.
const PROCESSOR_MAX: Duration = Duration::from_secs(300);

/// Longer than any load makes it take.
const WALL_MAX: Duration = Duration::from_secs(1800);

impl Tier {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Errors => "errors",
            Self::Journal => "journal",
            Self::Faces => "faces",
            Self::Frames => "frames",
            Self::Explore => "explore",
            Self::Profiles => "profiles",
            Self::Generate => "generate",
            Self::Wire => "wire",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|tier| tier.name() == name)
    }

    /// Whether the tier is asked about one scenario after the other, so that only those need to be run that reach a mutant.
    pub(crate) const fn by_scenario(self) -> bool {
        matches!(self, Self::Explore | Self::Profiles)
    }

    /// Whether the tier is asked about scenarios by their names, all of them: what a start comes by, each comes by.
    pub(crate) const fn by_name_of_scenario(self) -> bool {
        matches!(self, Self::Wire)
    }

    /// What is asked one after the other until something breaks. A few scenarios from all over notice most of what the wire
    /// notices, in a tenth of the time.
    pub(crate) fn parts(self, scenarios: &[String]) -> Vec<Vec<String>> {
        let whole = scenarios.to_vec();
        if self.by_name_of_scenario() && scenarios.len() > FEW {
            let few = scenarios.iter().step_by(scenarios.len().div_ceil(FEW)).cloned().collect();
            return vec![few, whole];
        }
        vec![whole]
    }

    /// Whether chance (the time that real processes take) may decide it: a breach must then come twice.
    pub(crate) const fn twice(self) -> bool {
        matches!(self, Self::Wire | Self::Frames | Self::Faces)
    }

    /// What takes more of a processor than this does not end.
    pub(crate) const fn time_max(self) -> TimeMax {
        let processor = match self {
            Self::Sim | Self::Errors | Self::Journal | Self::Faces => Duration::from_secs(60),
            // Each child of its own takes a second or two.
            Self::Frames | Self::Wire | Self::Explore | Self::Profiles | Self::Generate => PROCESSOR_MAX,
        };
        TimeMax { processor, wall: WALL_MAX }
    }

    /// misrule's words; `first` asks it to stop at the first finding where it can.
    pub(crate) fn words(self, scenarios: &[String], out: &Path, first: bool) -> Vec<String> {
        let out = out.display().to_string();
        let mut words: Vec<&str> = match self {
            Self::Sim => vec!["run", "--world", "sim", "--no-color", "--out", &out],
            Self::Wire => vec!["run", "--world", "wire", "--no-color", "--out", &out],
            Self::Errors => return ["errors", "--world", "sim", "--json"].map(str::to_owned).to_vec(),
            Self::Journal => return vec!["journal".to_owned()],
            Self::Faces => return vec!["faces".to_owned()],
            Self::Frames => return ["errors", "--world", "wire", "--json"].map(str::to_owned).to_vec(),
            Self::Explore => vec!["explore", "--depth", "1", "--menu", "all", "--no-color", "--out", &out],
            Self::Profiles => {
                vec!["explore", "--depth", "1", "--menu", "core", "--profile", "all", "--no-color", "--out", &out]
            }
            Self::Generate => vec!["explore", "--generate", "--seed", "1", "--no-color", "--out", &out],
        };
        let runs = GENERATED_RUNS.to_string();
        if matches!(self, Self::Generate) {
            words.extend(["--runs", &runs]);
        }
        if first && matches!(self, Self::Explore | Self::Profiles) {
            words.extend(["--max-findings", "1"]);
        }
        words.into_iter().map(str::to_owned).chain(scenarios.iter().cloned()).collect()
    }

    /// The file that holds the findings: a report of the command, or what it printed.
    const fn document(self) -> &'static str {
        match self {
            Self::Sim | Self::Wire => "report.json",
            Self::Errors | Self::Frames | Self::Journal | Self::Faces => OUTPUT,
            Self::Explore | Self::Profiles | Self::Generate => "exploration.json",
        }
    }

    /// What one run of misrule comes to.
    pub(crate) fn answer(self, ended: Ended, out: &Path) -> Answer {
        let rules = || {
            let text = std::fs::read_to_string(out.join(self.document())).ok()?;
            let rules = rules(&serde_json::from_str(&text).ok()?);
            rules.into_iter().next()
        };
        match ended {
            Ended::Code(0) => Answer::Kept,
            Ended::Code(1) => Answer::Broken(rules().unwrap_or_else(|| match self {
                Self::Errors | Self::Frames => "error-fixable".to_owned(),
                Self::Journal => "durable".to_owned(),
                Self::Faces => "faces".to_owned(),
                Self::Sim | Self::Explore | Self::Profiles | Self::Generate | Self::Wire => {
                    "a rule that the report does not name".to_owned()
                }
            })),
            Ended::Code(3) => Answer::Doubted,
            Ended::Code(2) => Answer::Broken("input that became unusable".to_owned()),
            Ended::Code(4) => Answer::Broken("it could not run".to_owned()),
            Ended::Code(101) => Answer::Broken("a panic of the whole process".to_owned()),
            Ended::Code(code) => Answer::Broken(format!("exit {code}")),
            Ended::OutOfTime => Answer::Broken("the limit on processor time".to_owned()),
            Ended::Hung => Answer::NotJudged("it did not end in time"),
            Ended::Signal(KILLED_FROM_OUTSIDE) => Answer::NotJudged("it was killed from outside"),
            Ended::Signal(6) => Answer::Broken("an abort (out of memory, or a stack too deep)".to_owned()),
            Ended::Signal(signal) => Answer::Broken(format!("signal {signal}")),
        }
    }
}

/// The signal that a machine short of memory, or a person, ends processes with: no mutant sends it.
pub(crate) const KILLED_FROM_OUTSIDE: i32 = 9;

/// The file with what misrule printed.
pub(crate) const OUTPUT: &str = "stdout";

/// What a tier says of a build.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Nothing was found.
    Kept,
    /// Inconclusive: the gate would not be green, and has no finding.
    Doubted,
    /// What was found, by the name of its rule.
    Broken(String),
    /// The machine, and not the mutant, may have ended it.
    NotJudged(&'static str),
}

/// The rules of the findings in a report of scenarios or of an exploration, in order and each once.
fn rules(document: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let runs = list(document, "scenarios").iter().flat_map(|scenario| list(scenario, "runs")).collect::<Vec<_>>();
    for place in runs.iter().chain(&list(document, "spaces")) {
        for finding in list(place, "findings") {
            let Some(rule) = finding["rule"].as_str() else { continue };
            if !found.iter().any(|known| known == rule) {
                found.push(rule.to_owned());
            }
        }
    }
    // An expectation says which scenario was surprised; an oracle says which rule is broken.
    found.sort_by_key(|rule| rule == "expectation");
    found
}

/// The names of the scenarios in a report that are not what the unmutated system is held to.
pub(crate) fn red(document: &Value) -> Vec<String> {
    let places = ["scenarios", "spaces"].into_iter().flat_map(|name| document[name].as_array().into_iter().flatten());
    let red = places.filter(|place| !matches!(place["verdict"].as_str(), Some("ok")));
    let mut names: Vec<String> =
        red.filter_map(|place| place["name"].as_str().or(place["scenario"].as_str())).map(str::to_owned).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_named_after_an_oracle_before_an_expectation() {
        let report = serde_json::json!({"scenarios": [
            {"name": "a", "runs": [{"findings": []}, {"findings": [{"rule": "expectation"}]}]},
            {"name": "b", "runs": [{"findings": [{"rule": "one-effect"}, {"rule": "expectation"}]}]}]});
        assert_eq!(rules(&report), ["one-effect", "expectation"]);
        let exploration = serde_json::json!({"spaces": [{"findings": [{"rule": "bounded"}]}]});
        assert_eq!(rules(&exploration), ["bounded"]);
    }

    #[test]
    fn every_end_of_a_process_has_a_name() {
        let nowhere = Path::new("/nowhere");
        let answers = [
            Ended::Code(0),
            Ended::Code(1),
            Ended::Code(3),
            Ended::Code(4),
            Ended::Code(101),
            Ended::Code(2),
            Ended::OutOfTime,
            Ended::Hung,
            Ended::Signal(9),
            Ended::Signal(6),
            Ended::Signal(11),
        ]
        .map(|ended| format!("{ended:?}: {:?}", Tier::Errors.answer(ended, nowhere)));
        insta::assert_snapshot!(answers.join("\n"));
    }

    #[test]
    fn the_wire_is_asked_about_a_few_scenarios_before_all() {
        let names: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
        let parts = Tier::Wire.parts(&names);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [14, 40]);
        assert_eq!(parts[0][..3], ["s0", "s3", "s6"]);
        assert_eq!(Tier::Wire.parts(&names[..FEW]), [names[..FEW].to_vec()]);
        assert_eq!(Tier::Explore.parts(&names), std::slice::from_ref(&names));
    }

    #[test]
    fn red_scenarios_are_named() {
        let report = serde_json::json!({"scenarios": [{"name": "a", "verdict": "ok"}, {"name": "b", "verdict": "broken"}],
            "spaces": [{"scenario": "c", "verdict": "inconclusive"}]});
        assert_eq!(red(&report), ["b", "c"]);
    }
}
