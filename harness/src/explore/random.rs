//! Beyond the depth: random plans of more faults, drawn by proptest over `ChaCha`.
//!
//! Runs come in rounds, and each round draws a swarm first: some kinds of faults and some places are switched off for
//! all of it, so that what they would hide comes out. A round hangs on nothing but the seed, its number and the sites
//! that the exhaustive part discovered. A failing plan is shrunk at once, so that later ones are known by it.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::{Union, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::drive::{Ending, Progress, Strategy as Way};
use super::findings::Position;
use super::judged::{Judged, Want, make};
use super::plan::{Choice, Deviation, KINDS, Kind};
use super::shrink::shrink;
use super::space::Space;
use super::{Explored, Runner};
use crate::fault::site::Site;

/// Runs of one swarm.
const ROUND: u64 = 64;
/// How likely a site that comes without any fault is drawn; one that takes faults is the less likely the more it takes.
const LIKELY: u32 = 64;
/// Arrivals at a place beyond those that were seen: faults lead to further ones.
const BEYOND: u16 = 2;
/// The most faults of one plan.
const FAULTS_MAX: usize = 8;

/// How likely a choice is drawn, and with which entries.
type Weighted = (u32, Just<(Choice, Arc<[u16]>)>);

/// How far random plans go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Draw {
    /// The seed; that of the runs if not said.
    pub seed: Option<u64>,
    /// How many runs; without end if not said.
    pub runs: Option<u64>,
}

impl Draw {
    /// The part of one of several spaces, which share the runs evenly.
    pub(super) fn share(self, index: usize, spaces: usize) -> Self {
        let (index, spaces) = (index as u64, spaces.max(1) as u64);
        Self { runs: self.runs.map(|runs| runs / spaces + u64::from(index < runs % spaces)), ..self }
    }
}

/// What came of random plans.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Drawn {
    /// Runs made.
    pub(super) run: u64,
    /// Failing plans.
    pub(super) broken: u64,
    /// Planned faults.
    pub(super) planned: u64,
    /// Planned faults whose site never came.
    pub(super) dropped: u64,
}

/// A random way through a space.
pub(super) struct Random<'a> {
    space: &'a Space,
    runner: Runner<'a>,
    pub(super) draw: Draw,
    depth: usize,
    /// Each with how likely it is drawn.
    choices: Vec<(u32, Choice)>,
    round: u64,
    explored: &'a mut Explored,
    pub(super) drawn: Drawn,
}

/// A drawn plan, and which draw it is.
pub(super) struct Item {
    plan: Box<[Deviation]>,
    number: u64,
}

impl<'a> Random<'a> {
    /// Goes on from what an exhaustive exploration discovered.
    pub(super) fn new(
        space: &'a Space,
        runner: Runner<'a>,
        draw: Draw,
        depth: usize,
        explored: &'a mut Explored,
    ) -> Self {
        let plain = make(space, runner, &[]).map_or_else(|_| Vec::new(), |outcome| outcome.asked);
        let mut choices = Vec::new();
        for kind in Kind::all() {
            match kind {
                Kind::Over(provider) => choices.push((LIKELY, Choice::over(provider))),
                Kind::At(place) => {
                    let came = explored.coverage.sites_max[place.index()];
                    let last = if came == 0 { 0 } else { came.saturating_add(BEYOND) };
                    let always = plain.iter().filter(|asked| asked.site.place == place).count();
                    let first = Choice::at(&Site { place, arrival: 1, for_step: None });
                    choices.extend((1..=last).filter_map(|number| {
                        let further = u32::from(number).saturating_sub(u32::try_from(always).ok()?);
                        Some(((LIKELY / (1 + further).pow(2)).max(1), first?.with_number(number)))
                    }));
                }
            }
        }
        choices.retain(|(_, choice)| space.entries_at(*choice) > 0);
        Self { space, runner, draw, depth, choices, round: 0, explored, drawn: Drawn::default() }
    }

    /// What it has come to so far.
    pub(super) fn so_far(&self) -> Explored {
        Explored { ending: Ending::Stuck, drawn: Some((self.draw, self.drawn.clone())), ..self.explored.clone() }
    }

    /// Every plan of a round.
    fn plans(&self, round: u64) -> Vec<Item> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.draw.seed.unwrap_or(self.space.seed).to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let allowed = self.swarm(&mut runner);
        let least = self.depth + 1;
        let faults =
            proptest::collection::vec((Union::new_weighted(allowed), any::<Index>()), least..=FAULTS_MAX.max(least));
        let begin = round * ROUND;
        let end = self.draw.runs.map_or(begin + ROUND, |runs| runs.min(begin + ROUND));
        let draw = |number| {
            let drawn = faults.new_tree(&mut runner).expect("nothing is filtered out").current();
            let mut plan: Vec<Deviation> = Vec::with_capacity(drawn.len());
            for ((at, entries), entry) in drawn {
                let drawn = Deviation { at, entry: entries[entry.index(entries.len())] };
                if self.space.has_room_for(&plan, drawn) {
                    plan.push(drawn);
                }
            }
            plan.sort_unstable();
            Item { plan: plan.into(), number }
        };
        (begin..end).map(draw).collect()
    }

    /// Every choice that a round's plans may make, with its likelihood and the entries that are switched on.
    fn swarm(&self, runner: &mut TestRunner) -> Vec<Weighted> {
        let names: Vec<_> = {
            let mut names: Vec<_> = self.space.each_entry().map(|(_, name)| name).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let on = |count, share| proptest::collection::vec(proptest::bool::weighted(share), count);
        let masks = (on(names.len(), 0.5), on(KINDS, 0.75));
        let (kinds_on, places_on) = masks.new_tree(runner).expect("nothing is filtered out").current();
        let is_on = |deviation| {
            let name = self.space.name(deviation);
            names.binary_search(&name).is_ok_and(|index| kinds_on[index])
        };
        let with = |(likely, at): &(u32, Choice), on: &dyn Fn(Deviation) -> bool| {
            let entries = (0..self.space.entries_at(*at)).filter(|entry| on(Deviation { at: *at, entry: *entry }));
            (*likely, Just((*at, entries.collect::<Arc<[u16]>>())))
        };
        let on = self.choices.iter().filter(|(_, at)| places_on[at.kind_index()]).map(|choice| with(choice, &is_on));
        let swarm: Vec<_> = on.filter(|(_, Just((_, entries)))| !entries.is_empty()).collect();
        if swarm.is_empty() {
            // Everything was switched off.
            return self.choices.iter().map(|choice| with(choice, &|_| true)).collect();
        }
        swarm
    }
}

impl Way for Random<'_> {
    type Item = Item;

    /// Whole rounds.
    fn next(&mut self, most: usize) -> Vec<Item> {
        let mut items = Vec::with_capacity(most);
        let ended = |round: u64, draw: Draw| draw.runs.is_some_and(|runs| round * ROUND >= runs);
        while items.len() < most && !self.choices.is_empty() && !ended(self.round, self.draw) {
            items.extend(self.plans(self.round));
            self.round += 1;
        }
        items
    }

    fn plan(&self, item: &Item, into: &mut Vec<Deviation>) {
        into.extend_from_slice(&item.plan);
    }

    fn want(&self) -> Want {
        Want::Nothing
    }

    fn learn(&mut self, items: &[Item], judged: Vec<Judged>) -> bool {
        let level = self.depth + 1;
        for (item, run) in items.iter().zip(judged) {
            self.drawn.run += 1;
            let at = Position { level, number: item.number };
            if let Some(why) = run.not_run {
                self.explored.not_run.add(at, &item.plan, why);
                continue;
            }
            let came = |index: &usize| run.fired & (1 << index) != 0;
            let fired: Vec<Deviation> = (0..item.plan.len()).filter(came).map(|index| item.plan[index]).collect();
            self.drawn.planned += item.plan.len() as u64;
            self.drawn.dropped += (item.plan.len() - fired.len()) as u64;
            self.drawn.broken += u64::from(!run.rules.is_empty());
            for deviation in &fired {
                self.explored.coverage.strike(self.space, *deviation);
            }
            self.explored.coverage.add(run.reached);
            for rule in run.rules {
                let findings = &mut self.explored.findings;
                if let Some(key) = findings.explained_by(rule, &fired).cloned() {
                    findings.count(&key, level, 1);
                    continue;
                }
                let smallest = shrink(self.space, self.runner, rule, &fired);
                findings.add(self.space, rule, &smallest, at, 1);
            }
        }
        true
    }

    fn space(&self) -> &Space {
        self.space
    }

    fn runs(&self) -> u64 {
        self.drawn.run
    }

    fn findings(&self) -> usize {
        self.explored.findings.groups.len()
    }

    fn progress(&self) -> Progress {
        Progress {
            stage: "random plans".to_owned(),
            done: self.drawn.run,
            all: self.draw.runs,
            findings: self.explored.findings.groups.len(),
        }
    }
}
