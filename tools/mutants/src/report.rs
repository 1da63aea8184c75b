//! The report in Markdown: per module how many mutants were judged, what noticed them, and each that nothing noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::equivalent::{Class, Equivalent};
use crate::key::Key;
use crate::rewrite::Mutant;
use crate::sample::CORE;
use crate::tier::Tier;
use crate::verdict::{Results, Verdict};
use crate::wilson::interval;

/// The counts of some mutants.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    all: usize,
    equivalent: usize,
    pub(crate) judged: usize,
    pub(crate) killed: usize,
    by_tier: BTreeMap<Tier, usize>,
    survived: usize,
    not_reached: usize,
    doubted: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        self.judged += 1;
        match verdict {
            Verdict::Killed { tier, .. } => {
                self.killed += 1;
                *self.by_tier.entry(*tier).or_default() += 1;
            }
            Verdict::Survived(_) => self.survived += 1,
            Verdict::NotReached(_) => self.not_reached += 1,
            Verdict::Doubted(_) => self.doubted += 1,
        }
    }

    fn join(&mut self, other: &Self) {
        self.all += other.all;
        self.equivalent += other.equivalent;
        self.judged += other.judged;
        self.killed += other.killed;
        for (tier, count) in &other.by_tier {
            *self.by_tier.entry(*tier).or_default() += count;
        }
        self.survived += other.survived;
        self.not_reached += other.not_reached;
        self.doubted += other.doubted;
    }

    fn row(&self, name: &str) -> String {
        let share = if self.judged == 0 {
            "–".to_owned()
        } else {
            let (low, high) = interval(self.killed, self.judged);
            format!("{} % ({:.0}–{:.0})", percent(self.killed, self.judged), low * 100.0, high * 100.0)
        };
        let tiers: Vec<_> = self.by_tier.iter().map(|(tier, count)| format!("{} {count}", tier.name())).collect();
        let tiers = tiers.join(", ");
        format!(
            "| {name} | {} | {} | {} | {} | {tiers} | {} | {} | {} | {share} |\n",
            self.all, self.equivalent, self.judged, self.killed, self.survived, self.doubted, self.not_reached
        )
    }
}

fn percent(part: usize, of: usize) -> usize {
    (part * 100 + of / 2) / of
}

/// The counts of all mutants that count: equivalent ones do not.
pub(crate) fn total(mutants: &[Mutant], equivalent: &[Equivalent], results: &Results) -> Counts {
    let mut total = Counts::default();
    for counts in by_module(mutants, equivalent, results).values() {
        total.join(counts);
    }
    total
}

fn by_module<'a>(mutants: &'a [Mutant], equivalent: &[Equivalent], results: &Results) -> BTreeMap<&'a str, Counts> {
    let equivalent: BTreeSet<&Key> = equivalent.iter().map(|entry| &entry.key).collect();
    let mut modules: BTreeMap<&str, Counts> = BTreeMap::new();
    for mutant in mutants {
        let counts = modules.entry(mutant.key.module()).or_default();
        counts.all += 1;
        if equivalent.contains(&mutant.key) {
            counts.equivalent += 1;
        } else if let Some(verdict) = results.get(&mutant.key) {
            counts.add(verdict);
        }
    }
    modules
}

/// The report on what was judged.
pub(crate) fn markdown(mutants: &[Mutant], equivalent: &[Equivalent], results: &Results) -> String {
    let modules = by_module(mutants, equivalent, results);
    let mut out = String::from(
        "| module | mutants | equivalent | judged | killed | by | survived | inconclusive | not reached | caught (95 %) |\n\
         |---|---:|---:|---:|---:|---|---:|---:|---:|---|\n",
    );
    let mut groups = [Counts::default(), Counts::default()];
    for (module, counts) in &modules {
        out.push_str(&counts.row(&format!("`{module}`")));
        groups[usize::from(!CORE.contains(module))].join(counts);
    }
    let mut all = groups[0].clone();
    all.join(&groups[1]);
    for (name, counts) in [("core", &groups[0]), ("elsewhere", &groups[1]), ("all", &all)] {
        out.push_str(&counts.row(&format!("**{name}**")));
    }
    let counted: BTreeSet<&Key> = mutants.iter().map(|mutant| &mutant.key).collect();
    let listed: BTreeSet<&Key> = equivalent.iter().map(|entry| &entry.key).collect();
    let escaped: Vec<_> = results
        .iter()
        .filter(|(key, verdict)| !verdict.is_killed() && counted.contains(key) && !listed.contains(key))
        .collect();
    for class in Class::ALL {
        let of_class = equivalent.iter().filter(|entry| entry.class == class && counted.contains(&entry.key)).count();
        if of_class > 0 {
            let _ = writeln!(out, "\nNot counted: {of_class} {}.", class.name());
        }
    }
    if !escaped.is_empty() {
        out.push_str("\n| not noticed | |\n|---|---|\n");
        for (key, verdict) in escaped {
            let _ = writeln!(out, "| `{}` | {verdict} |", key.0.replace('`', "'").replace('|', "\\|"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_by_module_and_lists_what_was_not_noticed() {
        let key = |module: &str, number: u32| Key(format!("{module}::f | a || {number} | plus 1"));
        let keys =
            [1, 2, 3, 4].map(|number| key("retry", number)).into_iter().chain([key("money", 1), key("money", 2)]);
        let mutants: Vec<_> = keys.zip(1..).map(|(key, id)| Mutant { id, key, file: "retry.rs".to_owned() }).collect();
        let equivalent = Equivalent { key: key("retry", 4), class: Class::Performance, reason: "slower".to_owned() };
        let results = Results::from([
            (key("retry", 1), Verdict::Killed { tier: Tier::Sim, by: "bounded".to_owned() }),
            (key("retry", 2), Verdict::Killed { tier: Tier::Explore, by: "bounded".to_owned() }),
            (key("retry", 3), Verdict::Survived([Tier::Sim].into())),
            (key("retry", 4), Verdict::Survived([Tier::Sim].into())),
            (key("money", 1), Verdict::NotReached([Tier::Sim].into())),
            (key("gone", 1), Verdict::Survived([Tier::Sim].into())),
        ]);
        insta::assert_snapshot!(markdown(&mutants, &[equivalent], &results));
    }
}
