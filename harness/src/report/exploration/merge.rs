//! The documents of all shards of a space → the one that a single machine would have made.
//!
//! Every shard runs all levels but the last, so that these must be equal; the last level's counts add up, and of
//! findings the smallest plan stays.

use std::collections::BTreeMap;

use super::document::{
    EndingWord, Exploration, FORMAT, Finding, LevelReport, NOT_RUN_MAX, Next, SHOWN_MAX, SpaceReport,
};

/// Why documents do not make a whole; each says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unjoinable {
    /// None was given.
    #[error("there is no report to merge; name the exploration.json of every shard")]
    None,
    /// One is of another form.
    #[error(
        "{name} has form {found} of this document, and this misrule knows form {FORMAT}; merge with the misrule that wrote it"
    )]
    Format {
        /// Which.
        name: String,
        /// Its form.
        found: u32,
    },
    /// Two are of different versions.
    #[error("{name} was written by misrule {found}, and {first} by {expected}; run all shards with the same version")]
    Version {
        /// Which.
        name: String,
        /// Its version.
        found: String,
        /// The first document.
        first: String,
        /// The first one's version.
        expected: String,
    },
    /// One is no shard.
    #[error("{name} is no shard but a whole exploration; there is nothing to merge with it")]
    Whole {
        /// Which.
        name: String,
    },
    /// Two are shards of different divisions.
    #[error("{name} is one of {found} shards, and {first} one of {expected}; merge shards of one division")]
    Division {
        /// Which.
        name: String,
        /// Its division.
        found: u64,
        /// The first document.
        first: String,
        /// The first one's division.
        expected: u64,
    },
    /// One stands there twice.
    #[error("{name} and {other} are both shard {number} of {of}; give each shard once")]
    Doubled {
        /// Which.
        name: String,
        /// The other one.
        other: String,
        /// Their number.
        number: u64,
        /// Of how many.
        of: u64,
    },
    /// Some are missing.
    #[error("shard {missing} of {of} is missing; merge takes the reports of all shards")]
    Missing {
        /// Their numbers.
        missing: String,
        /// Of how many.
        of: u64,
    },
    /// Two are of different spaces.
    #[error("{name} and {first} do not belong together: {what}; run all shards with the same arguments")]
    Different {
        /// Which.
        name: String,
        /// The first document.
        first: String,
        /// What differs.
        what: String,
    },
    /// One did not come to its end.
    #[error("{name} did not come to its end ({why}); run this shard again")]
    Unfinished {
        /// Which.
        name: String,
        /// Why not.
        why: &'static str,
    },
}

/// Joins the documents of all shards, each with the name by which it is spoken of.
pub fn merge(mut shards: Vec<(String, Exploration)>) -> Result<Exploration, Unjoinable> {
    belong_together(&mut shards)?;
    let mut documents = shards.into_iter().map(|(_, document)| document);
    let mut whole = documents.next().ok_or(Unjoinable::None)?;
    for document in documents {
        for (space, other) in whole.spaces.iter_mut().zip(document.spaces) {
            add(space, other);
        }
        if let (Some(ours), Some(theirs)) = (&mut whole.coverage, document.coverage) {
            ours.unite(theirs);
        }
        whole.measured.elapsed_us = whole.measured.elapsed_us.max(document.measured.elapsed_us);
        whole.measured.running_us = whole.measured.running_us.max(document.measured.running_us);
        whole.measured.threads += document.measured.threads;
        whole.measured.most_uses = whole.measured.most_uses.max(document.measured.most_uses);
        whole.measured.undisturbed_ns = whole.measured.undisturbed_ns.max(document.measured.undisturbed_ns);
    }
    whole.shard = None;
    for space in &mut whole.spaces {
        space.verdict = space.judged();
    }
    whole.settle();
    Ok(whole)
}

/// Whether documents are all shards of one whole; puts them in order.
fn belong_together(shards: &mut [(String, Exploration)]) -> Result<(), Unjoinable> {
    let Some((first, model)) = shards.first().cloned() else {
        return Err(Unjoinable::None);
    };
    let mut by_number: BTreeMap<u64, String> = BTreeMap::new();
    for (name, document) in shards.iter() {
        let name = name.clone();
        if document.format != FORMAT {
            return Err(Unjoinable::Format { name, found: document.format });
        }
        if document.misrule != model.misrule {
            let (found, expected) = (document.misrule.clone(), model.misrule);
            return Err(Unjoinable::Version { name, found, first, expected });
        }
        let Some(part) = document.shard else {
            return Err(Unjoinable::Whole { name });
        };
        let expected = model.shard.map_or(0, |part| part.of);
        if part.of != expected {
            return Err(Unjoinable::Division { name, found: part.of, first, expected });
        }
        if let Some(what) = different(&model, document) {
            return Err(Unjoinable::Different { name, first, what });
        }
        for space in &document.spaces {
            let why = match space.ending {
                EndingWord::Whole => continue,
                EndingWord::Interrupted => "it was interrupted",
                EndingWord::Enough => "it ended at so many findings",
                EndingWord::OutOfTime => "its time was over",
                EndingWord::Stuck => "one of its runs had no end",
            };
            return Err(Unjoinable::Unfinished { name, why });
        }
        if let Some(other) = by_number.insert(part.number, name.clone()) {
            return Err(Unjoinable::Doubled { name, other, number: part.number, of: part.of });
        }
    }
    let of = model.shard.map_or(0, |part| part.of);
    let missing: Vec<_> = (1..=of).filter(|number| !by_number.contains_key(number)).map(|it| it.to_string()).collect();
    if !missing.is_empty() {
        return Err(Unjoinable::Missing { missing: missing.join(", "), of });
    }
    shards.sort_by_key(|(_, document)| document.shard.map(|part| part.number));
    Ok(())
}

/// What two documents of one whole may not differ in.
fn different(one: &Exploration, other: &Exploration) -> Option<String> {
    if one.spaces.len() != other.spaces.len() || one.left_out != other.left_out {
        return Some("they explore different scenarios or payment profiles".to_owned());
    }
    one.spaces.iter().zip(&other.spaces).find_map(|(one, other)| {
        let table = [
            ("scenario", one.scenario == other.scenario),
            ("payment profile", one.profile == other.profile),
            ("depth", one.depth == other.depth),
            ("menu", one.menu == other.menu),
            ("seed", one.seed == other.seed),
            // What has the same name is not the same file, or not the same system.
            ("content of the scenario, or the menus", one.print == other.print),
            ("outcome of the runs that every shard makes", shared(one) == shared(other)),
        ];
        table.iter().find(|(_, same)| !same).map(|(what, _)| format!("the {what} differs"))
    })
}

/// What every shard runs.
fn shared(space: &SpaceReport) -> &[LevelReport] {
    &space.levels[..space.levels.len().min(space.depth)]
}

/// Adds the result of another shard.
fn add(space: &mut SpaceReport, other: SpaceReport) {
    let depth = space.depth;
    for (level, other) in space.levels.iter_mut().zip(&other.levels).skip(depth) {
        level.run += other.run;
        // What was merged was merged before the last level, in each shard alike.
        level.moot += other.moot;
        level.broken += other.broken;
    }
    space.findings = joined(std::mem::take(&mut space.findings), other.findings, depth);
    space.not_run.counts = sums(&space.not_run.counts, &other.not_run.counts, depth);
    let first = &mut space.not_run.first;
    first.extend(other.not_run.first);
    first.sort_by_key(|not_run| (not_run.level, not_run.number));
    first.dedup();
    first.truncate(NOT_RUN_MAX);
    if let (Some(ours), Some(theirs)) = (&mut space.coverage, other.coverage) {
        ours.unite(theirs);
    }
    if let (Some(next), Some(other)) = (&mut space.next, other.next) {
        *next = Next { same: next.same + other.same, core: next.core + other.core };
    }
}

/// Findings of both, smallest first; of the same rule and cause the smaller plan, and all plans counted.
fn joined(ours: Vec<Finding>, theirs: Vec<Finding>, depth: usize) -> Vec<Finding> {
    let mut by_cause: BTreeMap<(String, Vec<String>), Finding> = BTreeMap::new();
    for finding in ours.into_iter().chain(theirs) {
        let key = (finding.rule.clone(), finding.cause.clone());
        let joined = match by_cause.remove(&key) {
            None => finding,
            Some(known) => {
                let plans = sums(&known.plans, &finding.plans, depth);
                let at = |finding: &Finding| (finding.level, finding.number);
                let smaller = if at(&finding) < at(&known) { finding } else { known };
                Finding { plans, ..smaller }
            }
        };
        by_cause.insert(key, joined);
    }
    let mut findings: Vec<_> = by_cause.into_values().collect();
    findings.sort_by_key(|finding| (finding.level, finding.number));
    for finding in findings.iter_mut().skip(SHOWN_MAX) {
        finding.shown = None;
    }
    findings
}

/// Counts by number of faults: up to the depth all shards counted the same plans, from there on each its own.
fn sums(ours: &[u64], theirs: &[u64], depth: usize) -> Vec<u64> {
    let at = |counts: &[u64], level: usize| counts.get(level).copied().unwrap_or(0);
    (0..ours.len().max(theirs.len()))
        .map(|level| if level < depth { at(ours, level) } else { at(ours, level) + at(theirs, level) })
        .collect()
}
