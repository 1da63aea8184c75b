//! Generated scenarios: shop, policy, script and plan are all drawn.
//!
//! [`story`] is what is drawn, [`draw`] draws it, [`lower`] makes a scenario of it. A story is run without faults first; then
//! each of its faults strikes one of the choices of the run before it, so that nearly every fault fires. What
//! breaks a rule is made smaller in every part at once ([`shrink`]): script, shop, policy and plan.
//!
//! A story hangs on nothing but the seed and its number, and is run and shrunk on its own, so that the result is the same for
//! any number of threads.

mod draw;
mod lower;
mod shrink;
mod story;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::vec;

use giftgenius::policy::PaymentProfile;
use rayon::ThreadPool;
use rayon::prelude::*;

use self::lower::{Lowered, lower};
use self::story::{Story, Struck};
pub use self::tell::{tell as tell_generated, tell_stuck as tell_generated_stuck};
use super::drive::{Control, Ending, Progress};
use super::judged::together;
use super::kept::Kept;
use super::plan::Deviation;
use super::{Runner, Space};
use crate::fault::menu::Breadth;
use crate::fault::plan::{Plan, Planned};
use crate::outcome::Outcome;
use crate::report::build::{rules_broken, shown};
use crate::run::{Printed, TOGETHER};
use crate::scenario::model::StoreKind;

/// Stories of one batch: their results are collected in order before the next batch begins.
const BATCH: u64 = 512;
/// Stories that one thread tries side by side.
const TRIED_TOGETHER: usize = 2 * TOGETHER;
/// Findings of one rule that say the same and are made smaller; further ones are counted with the first of those.
const SHRUNK_MAX: usize = 10;

/// What is generated.
#[derive(Clone, Copy, Debug)]
pub struct Generating {
    /// The seed of all stories.
    pub seed: u64,
    /// How many runs, where they are counted: the story that reaches the number is the last.
    pub runs: Option<u64>,
    /// The payment profile of every story; drawn as well if none.
    pub profile: Option<PaymentProfile>,
    /// What the system's store is in every one.
    pub store: StoreKind,
}

/// The results of generated scenarios.
#[derive(Clone, Debug)]
pub struct Generated {
    generating: Generating,
    ending: Ending,
    /// Stories tried.
    stories: u64,
    /// Runs made, one a story without faults among them.
    runs: u64,
    /// Faults planned in all runs.
    planned: u64,
    /// Of those, how many never fired.
    dropped: u64,
    /// Runs that broke a rule.
    broken: u64,
    groups: BTreeMap<Key, Group>,
    /// How often a finding was made smaller, by rule and what is said of it.
    shrunk: BTreeMap<(&'static str, String), usize>,
    /// Runs that could not be made, the first of them with its reason.
    not_run: (u64, Option<(u64, String)>),
}

/// What makes two findings one: the rule, the kinds of faults that it takes, and what is said.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    rule: &'static str,
    cause: Vec<String>,
    class: String,
}

#[derive(Clone, Debug)]
struct Group {
    /// The first story that shows it, made smaller.
    story: Story,
    number: u64,
    count: u64,
}

/// One story, tried.
#[derive(Default)]
struct Tried {
    runs: u64,
    planned: u64,
    dropped: u64,
    broken: Option<Broken>,
    not_run: Option<String>,
}

/// A story whose run breaks rules, with the faults that did, and what is said of each rule.
struct Broken {
    story: Story,
    rules: Vec<(&'static str, String)>,
}

impl Generated {
    /// Runs made.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    fn learn(&mut self, number: u64, tried: Tried, runner: Runner<'_>) {
        self.stories += 1;
        self.runs += tried.runs;
        self.planned += tried.planned;
        self.dropped += tried.dropped;
        if let Some(why) = tried.not_run {
            self.not_run.0 += 1;
            self.not_run.1.get_or_insert((number, why));
        }
        let Some(Broken { story, rules }) = tried.broken else { return };
        self.broken += 1;
        for (rule, class) in rules {
            let shrunk = self.shrunk.entry((rule, class.clone())).or_default();
            let mut alike = self.groups.iter_mut().filter(|(key, _)| key.rule == rule && key.class == class);
            if *shrunk >= SHRUNK_MAX
                && let Some((_, group)) = alike.next()
            {
                group.count += 1;
                continue;
            }
            *shrunk += 1;
            let smallest = shrink::shrink(&story, number, rule, runner);
            let Some(key) = key(&smallest, number, rule, runner) else { continue };
            self.groups.entry(key).or_insert(Group { story: smallest, number, count: 0 }).count += 1;
        }
    }
}

/// Draws stories and tries them, until there are enough runs, or that is stopped. What it has come to is left in `kept`.
pub fn generate(
    generating: Generating,
    runner: Runner<'_>,
    pool: &ThreadPool,
    control: &Control<'_>,
    kept: &Kept<Generated>,
) -> Generated {
    let mut generated = Generated {
        generating,
        ending: Ending::Whole,
        stories: 0,
        runs: 0,
        planned: 0,
        dropped: 0,
        broken: 0,
        groups: BTreeMap::new(),
        shrunk: BTreeMap::new(),
        not_run: (0, None),
    };
    kept.leave(generated.clone());
    let menus = Menus::new();
    let enough = |runs: u64| generating.runs.is_some_and(|wanted| runs >= wanted);
    let is_over = || control.until.is_some_and(|until| Instant::now() >= until);
    let is_stopped = || control.stop.load(Ordering::Relaxed);
    for first in (0..).step_by(usize::try_from(BATCH).expect("it is small")) {
        let numbers: Vec<u64> = (first..first + BATCH).collect();
        // Which story is the last hangs on the clock then, and what becomes of each does not.
        let attempt = |numbers: &[u64]| {
            if is_over() || is_stopped() { None } else { Some(try_stories(generating, numbers, &menus, runner)) }
        };
        let tried: Vec<Option<Vec<Tried>>> = pool.install(|| numbers.par_chunks(TRIED_TOGETHER).map(attempt).collect());
        let whole = tried.into_iter().map_while(|tried| tried).flatten();
        for (number, tried) in numbers.into_iter().zip(whole) {
            if !enough(generated.runs) {
                generated.learn(number, tried, runner);
            }
        }
        kept.offer(|| generated.clone());
        (control.watch)(&Progress {
            stage: "generated scenarios".to_owned(),
            done: generated.runs,
            all: generating.runs,
            findings: generated.groups.len(),
        });
        if enough(generated.runs) {
            break;
        }
        if is_stopped() {
            generated.ending = Ending::Interrupted;
            break;
        }
        if is_over() {
            break;
        }
    }
    generated
}

/// The menus of all stories: what can go wrong hangs on no scenario here.
struct Menus {
    full: Space,
    all: Space,
}

/// One story in so many meets every variant of every fault, which are mostly statuses; the others meet one of each class.
const WITH_ALL: u64 = 8;

impl Menus {
    fn new() -> Self {
        let (story, _) = draw::draw(0, 0, None);
        let scenario = Arc::new(lower(&story, 0).scenario);
        let space = |breadth| Space::new(scenario.clone(), Some(breadth), 0);
        Self { full: space(Breadth::Full), all: space(Breadth::All) }
    }

    fn of(&self, lowered: &Lowered, number: u64) -> Space {
        let menus = if number % WITH_ALL == WITH_ALL - 1 { &self.all } else { &self.full };
        menus.with_scenario(Arc::new(lowered.scenario.clone()))
    }
}

/// A story that is being tried.
struct Trying {
    story: Story,
    picks: vec::IntoIter<(u32, u16)>,
    lowered: Lowered,
    space: Space,
    plan: Vec<Deviation>,
    tried: Tried,
    is_over: bool,
}

/// Runs each story without faults, and then with one fault more each time; runs of different stories side by side.
fn try_stories(generating: Generating, numbers: &[u64], menus: &Menus, runner: Runner<'_>) -> Vec<Tried> {
    let mut all: Vec<Trying> = numbers.iter().map(|number| Trying::new(generating, *number, menus)).collect();
    loop {
        let mut going: Vec<&mut Trying> = all.iter_mut().filter(|trying| !trying.is_over).collect();
        if going.is_empty() {
            return all.into_iter().map(|trying| trying.tried).collect();
        }
        for some in going.chunks_mut(TOGETHER) {
            let plans: Vec<Plan> = some.iter().map(|trying| trying.space.plan(&trying.plan)).collect();
            let runs: Vec<_> = some.iter().zip(&plans).map(|(trying, plan)| trying.space.asking(plan)).collect();
            let made = together(runner, &runs, Printed::No);
            for (trying, made) in some.iter_mut().zip(made) {
                trying.take(made.map(|(outcome, _)| outcome));
            }
        }
    }
}

impl Trying {
    fn new(generating: Generating, number: u64, menus: &Menus) -> Self {
        let (mut story, picks) = draw::draw(generating.seed, number, generating.profile);
        story.store = generating.store;
        let lowered = lower(&story, number);
        let space = menus.of(&lowered, number);
        Self {
            story,
            picks: picks.into_iter(),
            lowered,
            space,
            plan: Vec::new(),
            tried: Tried::default(),
            is_over: false,
        }
    }

    /// Takes in what came of the run, and plans the next one.
    fn take(&mut self, made: Result<Outcome, String>) {
        self.is_over = true;
        let outcome = match made {
            Ok(outcome) => outcome,
            Err(why) => {
                self.tried.not_run = Some(why);
                return;
            }
        };
        self.tried.runs += 1;
        self.tried.planned += self.plan.len() as u64;
        self.tried.dropped += outcome.unfired.len() as u64;
        let well = outcome.unmet.is_empty() && outcome.violations().next().is_none();
        if !well {
            self.story.faults = struck(&outcome, &self.lowered);
            let rules = rules_broken(&outcome).into_iter().map(|rule| (rule, class(&outcome, rule))).collect();
            self.tried.broken = Some(Broken { story: self.story.clone(), rules });
            return;
        }
        let Some((at, entry)) = self.picks.next() else { return };
        let choices = self.space.choices_after(&outcome, self.plan.last().map(|last| last.at));
        if choices.is_empty() {
            return;
        }
        let at = choices[at as usize % choices.len()];
        self.plan.push(Deviation { at, entry: entry % self.space.entries_at(at) });
        self.is_over = false;
    }
}

/// The faults of a run where they struck, told by acts instead of by the order of all.
fn struck(outcome: &Outcome, lowered: &Lowered) -> Vec<Struck> {
    let mut struck = Vec::new();
    for planned in outcome.plan.faults.iter().filter(|planned| !outcome.unfired.contains(planned)) {
        struck.push(match planned {
            Planned::Over(provider, fault) => Struck::Over(*provider, fault.clone()),
            Planned::At(address, fault) => {
                let site = outcome.asked.iter().map(|asked| &asked.site).find(|site| address.names(site));
                let of_act = site
                    .and_then(|site| site.for_step)
                    .and_then(|(step, number)| Some((lowered.act_of(step)?, number)));
                let (act, number) = of_act.map_or((None, address.number), |(act, number)| (Some(act), number));
                Struck::At { place: address.place, act, number, fault: fault.clone() }
            }
        });
    }
    struck
}

/// A story's run with its faults; `None` where it cannot be made, or one of them never strikes.
fn run(story: &Story, number: u64, runner: Runner<'_>) -> Option<Outcome> {
    let lowered = lower(story, number);
    let plan: Plan = lowered.plan(&story.faults);
    if plan.faults.len() < story.faults.len() {
        return None;
    }
    let scenario = Arc::new(lowered.scenario);
    let outcome = super::judged::guarded(|| runner.run(&scenario, &plan, scenario.seed)).ok()?;
    outcome.unfired.is_empty().then_some(outcome)
}

/// What makes a finding one with another.
fn key(story: &Story, number: u64, rule: &'static str, runner: Runner<'_>) -> Option<Key> {
    let outcome = run(story, number, runner)?;
    let mut cause: Vec<String> = story
        .faults
        .iter()
        .map(|struck| match struck {
            Struck::At { place, fault, .. } => format!("{}: {}", place.label(), fault.name()),
            Struck::Over(provider, fault) => format!("provider.{}: {}", provider.name(), fault.name()),
        })
        .collect();
    cause.sort();
    cause.dedup();
    Some(Key { rule, cause, class: class(&outcome, rule) })
}

/// What is said of a broken rule, without what differs from run to run: numbers.
fn class(outcome: &Outcome, rule: &'static str) -> String {
    let (messages, _) = shown(outcome, rule);
    messages
        .first()
        .map_or_else(String::new, |message| message.chars().filter(|letter| !letter.is_ascii_digit()).collect())
}

#[cfg(test)]
mod tests;
