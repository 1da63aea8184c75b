//! Every plan of up to so many faults, breadth first: a run is extended at every choice after its last fault with every
//! other entry of the menu there, and at the site of its last fault with what can strike it as well.
//!
//! Breadth first, so that the first failing plan is a smallest one. Only the runs that are still to be extended are
//! remembered, each with its choices; the plans of the last level are never written down.

use super::coverage::Coverage;
use super::drive::{Ending, Progress, Strategy};
use super::findings::{Findings, Position, add};
use super::judged::{Judged, Want, is_last_fired};
use super::merging::{Merged, Merging, Standing};
use super::plan::{Choice, Deviation};
use super::space::{Further, Space};
use super::{Explored, Settings, Shard};
use crate::report::exploration::document::NOT_RUN_MAX;

/// A run that is to be extended.
#[derive(Debug)]
struct Node {
    plan: Box<[Deviation]>,
    choices: Box<[Choice]>,
    /// The entries that can strike the last fault's site with it.
    together: Box<[u16]>,
    /// How many plans it stands for: itself, and those that were merged with it.
    stands_for: Standing,
}

/// One plan: which run it extends, at which of its choices (after those: at its last fault's), with which entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    node: u32,
    choice: u16,
    entry: u16,
    number: u64,
}

/// What came of the plans of one number of faults.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Level {
    /// Plans there are.
    pub(super) plans: u64,
    /// Plans that were run.
    pub(super) run: u64,
    /// Plans that were not, because of another one that was.
    pub(super) merged: Merged,
    /// Of those run, plans whose last fault found no request to strike: equal to the plan without it, not extended.
    pub(super) moot: u64,
    /// Failing plans.
    pub(super) broken: u64,
}

/// A run that could not be made.
#[derive(Clone, Debug)]
pub(super) struct NotRun {
    pub(super) at: Position,
    pub(super) plan: Box<[Deviation]>,
    pub(super) why: Box<str>,
}

/// Runs that could not be made.
#[derive(Clone, Debug, Default)]
pub(super) struct NotRuns {
    /// How many, by level.
    pub(super) counts: Vec<u64>,
    /// The first ones.
    pub(super) first: Vec<NotRun>,
}

impl NotRuns {
    /// One more.
    pub(super) fn add(&mut self, at: Position, plan: &[Deviation], why: Box<str>) {
        add(&mut self.counts, at.level, 1);
        if self.first.len() < NOT_RUN_MAX {
            self.first.push(NotRun { at, plan: plan.into(), why });
        }
    }
}

/// The way through the whole of a space.
#[derive(Debug)]
pub(super) struct Exhaustive<'a> {
    space: &'a Space,
    depth: usize,
    shard: Option<Shard>,
    reduction: bool,
    merging: Merging,
    nodes: Vec<Node>,
    longer: Vec<Node>,
    cursor: Cursor,
    levels: Vec<Level>,
    coverage: Coverage,
    findings: Findings,
    not_run: NotRuns,
    /// Plans of one fault more than the depth.
    further: Further,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    node: usize,
    choice: usize,
    entry: u16,
    number: u64,
}

impl<'a> Exhaustive<'a> {
    /// The whole space to a depth.
    pub(super) fn new(space: &'a Space, settings: &Settings) -> Self {
        Self {
            space,
            depth: settings.depth,
            shard: settings.shard,
            reduction: settings.reduction,
            merging: Merging::default(),
            nodes: Vec::new(),
            longer: Vec::new(),
            cursor: Cursor::default(),
            levels: Vec::new(),
            coverage: Coverage::of(space),
            findings: Findings::default(),
            not_run: NotRuns::default(),
            further: Further::default(),
        }
    }

    /// What it has come to so far.
    pub(super) fn so_far(&self, ending: Ending) -> Explored {
        Explored {
            depth: self.depth,
            ending,
            levels: self.levels.clone(),
            drawn: None,
            coverage: self.coverage.clone(),
            findings: self.findings.clone(),
            not_run: self.not_run.clone(),
            further: self.further,
        }
    }

    /// What it came to.
    pub(super) fn explored(self, ending: Ending) -> Explored {
        Explored {
            depth: self.depth,
            ending,
            levels: self.levels,
            drawn: None,
            coverage: self.coverage,
            findings: self.findings,
            not_run: self.not_run,
            further: self.further,
        }
    }

    fn level(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// Goes on to the plans of one fault more. Says whether there are any.
    fn deepen(&mut self) -> bool {
        if self.levels.len() > self.depth {
            return false;
        }
        self.nodes = std::mem::take(&mut self.longer);
        self.merging = Merging::default();
        self.cursor = Cursor::default();
        let mut level = Level::default();
        for node in &self.nodes {
            let plans = node.choices.iter().map(|at| u64::from(self.space.entries_at(*at))).sum::<u64>();
            let plans = plans + node.together.len() as u64;
            level.plans += plans * node.stands_for.all();
            level.merged.observed += plans * node.stands_for.observed;
            level.merged.restarted += plans * node.stands_for.restarted;
        }
        let more = level.plans > 0;
        self.levels.push(level);
        more
    }

    /// The plan under the cursor, which goes on to the next.
    fn step(&mut self) -> Option<Item> {
        loop {
            let Cursor { node, choice, entry, number } = self.cursor;
            let at = self.nodes.get(node)?;
            let chosen = match at.choices.get(choice) {
                Some(choice) => (entry < self.space.entries_at(*choice)).then_some(entry),
                None if choice == at.choices.len() => at.together.get(usize::from(entry)).copied(),
                None => {
                    self.cursor = Cursor { node: node + 1, choice: 0, entry: 0, number };
                    continue;
                }
            };
            let Some(chosen) = chosen else {
                self.cursor = Cursor { node, choice: choice + 1, entry: 0, number };
                continue;
            };
            self.cursor = Cursor { node, choice, entry: entry + 1, number: number + 1 };
            let narrow = "a run is extended at fewer choices, and a level has fewer runs, than that";
            return Some(Item {
                node: u32::try_from(node).expect(narrow),
                choice: u16::try_from(choice).expect(narrow),
                entry: chosen,
                number,
            });
        }
    }

    /// Whether a plan of the present level is for this shard. All but the last level are run by each, since what they
    /// find says what is new on the last.
    fn is_ours(&self, number: u64) -> bool {
        self.level() < self.depth || self.shard.is_none_or(|shard| shard.has(number))
    }
}

impl Strategy for Exhaustive<'_> {
    type Item = Item;

    fn next(&mut self, most: usize) -> Vec<Item> {
        if self.levels.is_empty() {
            // The run that all others extend: nothing but the scenario's own plan.
            self.levels.push(Level { plans: 1, ..Level::default() });
            return vec![Item { node: 0, choice: 0, entry: 0, number: 0 }];
        }
        let mut items = Vec::with_capacity(most);
        loop {
            while items.len() < most
                && let Some(item) = self.step()
            {
                if self.is_ours(item.number) {
                    items.push(item);
                }
            }
            if !items.is_empty() || !self.deepen() {
                return items;
            }
        }
    }

    fn plan(&self, item: &Item, into: &mut Vec<Deviation>) {
        if self.level() == 0 {
            return;
        }
        let node = &self.nodes[item.node as usize];
        into.extend_from_slice(&node.plan);
        let last = || node.plan.last().expect("what strikes together strikes with a fault").at;
        let at = node.choices.get(usize::from(item.choice)).copied().unwrap_or_else(last);
        into.push(Deviation { at, entry: item.entry });
    }

    fn want(&self) -> Want {
        if self.level() == self.depth {
            Want::Count
        } else if self.reduction && self.level() > 0 {
            Want::ChoicesAndPrint
        } else {
            Want::Choices
        }
    }

    fn learn(&mut self, items: &[Item], judged: Vec<Judged>) -> bool {
        let level = self.level();
        let mut plan = Vec::new();
        for (item, run) in items.iter().zip(judged) {
            plan.clear();
            self.plan(item, &mut plan);
            let tally = self.levels.last_mut().expect("the first plan opened a level");
            tally.run += 1;
            let at = Position { level, number: item.number };
            if let Some(why) = run.not_run {
                self.not_run.add(at, &plan, why);
                continue;
            }
            let moot = !is_last_fired(run.fired, plan.len());
            tally.moot += u64::from(moot);
            let stands_for = if level == 0 { Standing::default() } else { self.nodes[item.node as usize].stands_for };
            let plans = stands_for.all();
            tally.broken += if run.rules.is_empty() { 0 } else { plans };
            if let Some(last) = plan.last()
                && !moot
            {
                self.coverage.strike(self.space, *last);
            }
            self.coverage.add(run.reached);
            self.further.same += run.further.same * plans;
            self.further.core += run.further.core * plans;
            for rule in run.rules {
                match self.findings.explained_by(rule, &plan).cloned() {
                    Some(key) => self.findings.count(&key, level, plans),
                    None => {
                        self.findings.add(self.space, rule, &plan, at, plans);
                    }
                }
            }
            let Some(choices) = run.choices else { continue };
            let node = |choices, together| Node { plan: plan.as_slice().into(), choices, together, stands_for };
            match run.print.and_then(|print| self.merging.same(print, (item.node, item.choice), self.longer.len())) {
                Some((known, how)) => self.longer[known].stands_for.add(stands_for, how),
                None => self.longer.push(node(choices, Box::default())),
            }
            // As a node of its own: merged runs share what came of the site, and a second fault there changes that.
            let together = self.space.together(&plan);
            if !together.is_empty() {
                self.longer.push(node(Box::default(), together));
            }
        }
        true
    }

    fn space(&self) -> &Space {
        self.space
    }

    fn runs(&self) -> u64 {
        self.levels.iter().map(|level| level.run).sum()
    }

    fn findings(&self) -> usize {
        self.findings.groups.len()
    }

    fn progress(&self) -> Progress {
        let level = self.levels.last();
        let all = level.map(|level| match self.shard {
            Some(shard) if self.level() == self.depth => shard.part_of(level.plans),
            _ => level.plans,
        });
        Progress {
            stage: crate::report::units::count(self.level(), "fault"),
            done: level.map_or(0, |level| level.run),
            all: all.map(|all| all.saturating_sub(level.map_or(0, |level| level.merged.all()))),
            findings: self.findings.groups.len(),
        }
    }
}
