//! The space: which faults a scenario's runs are tried with, and how a plan of them is told.

use std::sync::Arc;

use super::plan::{Choice, Deviation, KINDS, Kind, PROVIDERS};
use crate::fault::menu::{Breadth, can_combine, over_time, validate};
use crate::fault::parse::{parse_fault, parse_provider_fault};
use crate::fault::plan::{Address, Plan, Planned};
use crate::fault::site::Place;
use crate::fault::{Fault, ProviderFault};
use crate::outcome::Outcome;
use crate::run::Asking;
use crate::scenario::model::Scenario;
use crate::trace::provider_index;

/// Everything that is tried of one scenario.
#[derive(Debug)]
pub struct Space {
    /// The scenario; its own plan stands in every plan that is tried.
    pub(super) scenario: Arc<Scenario>,
    /// The seed of every run.
    pub(super) seed: u64,
    /// Which menu.
    pub(super) menu: Breadth,
    /// The payment profile's name, where it is not the one that the scenario's file names.
    pub(super) foreign: Option<&'static str>,
    /// By kind of choice.
    menus: Menus,
}

/// The menus of all kinds of choices; spaces that try the same share them.
type Menus = Arc<Vec<Vec<Entry>>>;

/// What decides what a space's menus hold: how much of each, sites, faults, and providers whose time is the scenario's own.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Extent {
    menu: Breadth,
    sites: Vec<String>,
    faults: Vec<String>,
    taken: [bool; PROVIDERS.len()],
}

/// Menus that were made before.
#[derive(Default, Debug)]
pub(super) struct Shelf(Vec<(Extent, Menus)>);

impl Shelf {
    fn menus(&mut self, extent: Extent) -> Menus {
        if let Some((_, menus)) = self.0.iter().find(|(known, _)| *known == extent) {
            return menus.clone();
        }
        let menus = Arc::new(extent.menus());
        self.0.push((extent, menus.clone()));
        menus
    }
}

impl Extent {
    fn menus(&self) -> Vec<Vec<Entry>> {
        let menu = |kind: Kind| {
            let mut entries = self.at(kind);
            tie(kind, &mut entries);
            entries
        };
        Kind::all().map(menu).collect()
    }

    fn at(&self, kind: Kind) -> Vec<Entry> {
        let wanted = self.sites.is_empty() || self.sites.iter().any(|known| known == kind.label());
        // A provider has one fault over time; windows of two could overlap.
        let taken = matches!(kind, Kind::Over(provider) if self.taken[provider_index(provider)]);
        if wanted && !taken { self.entries(kind) } else { Vec::new() }
    }

    fn entries(&self, kind: Kind) -> Vec<Entry> {
        let mut entries = entries(kind, self.menu);
        if self.faults.is_empty() {
            return entries;
        }
        let exact: Vec<_> = self.faults.iter().filter_map(|word| exactly(kind, word)).collect();
        let named = |fault: &Anything| self.faults.iter().any(|word| word == fault.name());
        entries.retain(|entry| named(&entry.fault) || exact.contains(&entry.fault));
        for fault in exact {
            if entries.iter().all(|entry| entry.fault != fault) {
                entries.push(Entry { fault, core: true, together: Box::default() });
            }
        }
        entries
    }
}

/// The fault that a word with arguments is (`status(499)`), if this kind of choice can have it. A name alone is every
/// fault of that name on the menu.
fn exactly(kind: Kind, word: &str) -> Option<Anything> {
    if !word.contains('(') {
        return None;
    }
    match kind {
        Kind::At(place) => {
            let fault = parse_fault(word).ok()?;
            validate(place, &fault).is_ok().then_some(Anything::At(fault))
        }
        Kind::Over(_) => parse_provider_fault(word).ok().map(Anything::Over),
    }
}

/// One entry of a menu.
#[derive(Debug)]
struct Entry {
    fault: Anything,
    /// Whether the core menu has it too.
    core: bool,
    /// The later entries of the menu that can strike the same site with it.
    together: Box<[u16]>,
}

/// Notes which entries of a menu can strike one site together.
fn tie(kind: Kind, entries: &mut [Entry]) {
    let Kind::At(place @ (Place::Request(_) | Place::Webhook)) = kind else { return };
    let partners = |one: usize| {
        let meets = |other: &usize| match (&entries[one].fault, &entries[*other].fault) {
            (Anything::At(one), Anything::At(other)) => can_combine(place, one, other),
            (Anything::At(_) | Anything::Over(_), _) => false,
        };
        (one + 1..entries.len()).filter(meets).map(|other| u16::try_from(other).expect("a menu is short")).collect()
    };
    let together: Vec<Box<[u16]>> = (0..entries.len()).map(partners).collect();
    for (entry, together) in entries.iter_mut().zip(together) {
        entry.together = together;
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Anything {
    At(Fault),
    Over(ProviderFault),
}

impl Anything {
    const fn name(&self) -> &'static str {
        match self {
            Self::At(fault) => fault.name(),
            Self::Over(fault) => fault.name(),
        }
    }
}

/// How many plans of one fault more there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Further {
    /// Of this space.
    pub(super) same: u64,
    /// With nothing but entries of the core menu.
    pub(super) core: u64,
}

impl Space {
    /// What is tried of a scenario: its own narrowing of a menu, of the one that it names itself unless another is given.
    pub fn new(scenario: Arc<Scenario>, menu: Option<Breadth>, seed: u64) -> Self {
        Self::with_menus(&mut Shelf::default(), scenario, menu, seed)
    }

    /// The same, with menus from a shelf where they are on it.
    pub(super) fn with_menus(shelf: &mut Shelf, scenario: Arc<Scenario>, menu: Option<Breadth>, seed: u64) -> Self {
        let menu = menu.or(scenario.explore.menu).unwrap_or(Breadth::Full);
        let taken =
            |provider| scenario.plan.faults.iter().any(|own| matches!(own, Planned::Over(at, _) if *at == provider));
        let menus = shelf.menus(Extent {
            menu,
            sites: scenario.explore.sites.clone(),
            faults: scenario.explore.faults.clone(),
            taken: PROVIDERS.map(taken),
        });
        Self { scenario, seed, menu, foreign: None, menus }
    }

    /// The same menus of another scenario, which narrows nothing and has no plan of its own.
    pub(super) fn with_scenario(&self, scenario: Arc<Scenario>) -> Self {
        let seed = scenario.seed;
        Self { scenario, seed, menu: self.menu, foreign: None, menus: self.menus.clone() }
    }

    /// How many entries a choice's menu has.
    pub(super) fn entries_at(&self, at: Choice) -> u16 {
        u16::try_from(self.menus[at.kind_index()].len()).expect("a menu is short")
    }

    /// The kinds of choices that have a menu, each with the names of its faults, once each.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (Kind, Vec<&'static str>)> {
        Kind::all().zip(&*self.menus).filter(|(_, menu)| !menu.is_empty()).map(|(kind, menu)| {
            let mut names: Vec<_> = menu.iter().map(|entry| entry.fault.name()).collect();
            names.dedup();
            (kind, names)
        })
    }

    /// Whether nothing can go wrong anywhere.
    pub fn is_empty(&self) -> bool {
        self.menus.iter().all(Vec::is_empty)
    }

    /// How many entries there are in all, over every kind of choice.
    pub(super) fn entries(&self) -> usize {
        self.menus.iter().map(Vec::len).sum()
    }

    /// An entry's index among all, over every kind of choice.
    pub(super) fn entry_index(&self, deviation: Deviation) -> usize {
        let before: usize = self.menus[..deviation.at.kind_index()].iter().map(Vec::len).sum();
        before + usize::from(deviation.entry)
    }

    /// Every entry, in the order of [`Self::entry_index`].
    pub(super) fn each_entry(&self) -> impl Iterator<Item = (Kind, &'static str)> {
        Kind::all().zip(&*self.menus).flat_map(|(kind, menu)| menu.iter().map(move |entry| (kind, entry.fault.name())))
    }

    /// An entry's fault as it stands in a plan, by index over every kind of choice.
    pub(super) fn entry_text(&self, index: usize) -> String {
        self.menus.iter().flatten().nth(index).map_or_else(String::new, |entry| match &entry.fault {
            Anything::At(fault) => fault.to_string(),
            Anything::Over(fault) => fault.to_string(),
        })
    }

    /// The name of an entry's fault.
    pub(super) fn name(&self, deviation: Deviation) -> &'static str {
        self.entry(deviation).fault.name()
    }

    /// Whether the core menu has an entry too.
    pub(super) fn is_core(&self, deviation: Deviation) -> bool {
        self.entry(deviation).core
    }

    fn entry(&self, deviation: Deviation) -> &Entry {
        &self.menus[deviation.at.kind_index()][usize::from(deviation.entry)]
    }

    /// One choice as it stands in a plan.
    pub(super) fn planned(&self, deviation: Deviation) -> Planned {
        let at = deviation.at;
        match (&self.entry(deviation).fault, at.kind()) {
            (Anything::At(fault), Kind::At(place)) => {
                Planned::At(Address { place, step: None, number: at.number() }, fault.clone())
            }
            (Anything::Over(fault), Kind::Over(provider)) => Planned::Over(provider, fault.clone()),
            (Anything::At(_), Kind::Over(_)) | (Anything::Over(_), Kind::At(_)) => {
                unreachable!("a menu holds what its kind of choice can have")
            }
        }
    }

    /// A run of it under a plan.
    pub(super) fn asking<'a>(&'a self, plan: &'a Plan) -> Asking<'a> {
        (&self.scenario, plan, self.seed)
    }

    /// The plan of some choices: the scenario's own, then these.
    pub(super) fn plan(&self, deviations: &[Deviation]) -> Plan {
        let own = &self.scenario.plan.faults;
        let mut faults = Vec::with_capacity(own.len() + deviations.len());
        faults.extend_from_slice(own);
        faults.extend(deviations.iter().map(|deviation| self.planned(*deviation)));
        Plan { faults }
    }

    /// The choices at which a run's plan may be extended: those after its last fault at which nothing went wrong and
    /// something could. What happens up to there is fixed, so that every combination is reached exactly once.
    pub(super) fn choices_after(&self, outcome: &Outcome, last: Option<Choice>) -> Vec<Choice> {
        let mut choices = Vec::new();
        self.each_choice_after(outcome, last, |choice| choices.push(choice));
        choices
    }

    /// The entries that can strike the site of a plan's last fault with what strikes it already. Only later ones of the menu,
    /// so that every combination is reached exactly once.
    pub(super) fn together(&self, plan: &[Deviation]) -> Box<[u16]> {
        let Some((last, before)) = plan.split_last() else { return Box::default() };
        let mut together = self.entry(*last).together.clone();
        for known in before.iter().filter(|known| known.at == last.at) {
            let with = &self.entry(*known).together;
            together = together.iter().copied().filter(|entry| with.binary_search(entry).is_ok()).collect();
        }
        together
    }

    /// Whether a further fault can be chosen beside those of a plan, in any order.
    pub(super) fn has_room_for(&self, plan: &[Deviation], further: Deviation) -> bool {
        plan.iter().filter(|known| known.at == further.at).all(|known| {
            let (first, last) = if known.entry < further.entry { (*known, further) } else { (further, *known) };
            self.entry(first).together.binary_search(&last.entry).is_ok()
        })
    }

    /// How many plans of one fault more a run gives.
    pub(super) fn count_after(&self, outcome: &Outcome, plan: &[Deviation]) -> Further {
        let mut further = Further::default();
        let all_core = plan.iter().all(|deviation| self.is_core(*deviation));
        self.each_choice_after(outcome, plan.last().map(|last| last.at), |choice| {
            let menu = &self.menus[choice.kind_index()];
            further.same += menu.len() as u64;
            if all_core {
                further.core += menu.iter().filter(|entry| entry.core).count() as u64;
            }
        });
        if let Some(last) = plan.last() {
            let together = self.together(plan);
            further.same += together.len() as u64;
            if all_core {
                let is_core = |entry: &&u16| self.is_core(Deviation { entry: **entry, ..*last });
                further.core += together.iter().filter(is_core).count() as u64;
            }
        }
        further
    }

    fn each_choice_after(&self, outcome: &Outcome, last: Option<Choice>, mut each: impl FnMut(Choice)) {
        let over_from = match last.map(Choice::kind) {
            None => 0,
            Some(Kind::Over(_)) => last.map_or(0, |last| last.kind_index() + 1),
            Some(Kind::At(_)) => KINDS,
        };
        for provider in PROVIDERS {
            let choice = Choice::over(provider);
            if choice.kind_index() >= over_from && self.entries_at(choice) > 0 {
                each(choice);
            }
        }
        let mut reached = !matches!(last.map(Choice::kind), Some(Kind::At(_)));
        for asked in &outcome.asked {
            let Some(choice) = Choice::at(&asked.site) else { continue };
            if reached && asked.chosen.is_none() && !self.menus[choice.kind_index()].is_empty() {
                each(choice);
            }
            reached = reached || Some(choice) == last;
        }
    }
}

/// The menu of a kind of choice.
fn entries(kind: Kind, menu: Breadth) -> Vec<Entry> {
    match kind {
        Kind::At(place) => {
            let core = Breadth::Core.at(place);
            let all = menu.at(place).iter();
            let entry = |fault: &Fault| Entry {
                fault: Anything::At(fault.clone()),
                core: core.contains(fault),
                together: Box::default(),
            };
            all.map(entry).collect()
        }
        Kind::Over(_) => {
            let core = over_time(Breadth::Core);
            let all = over_time(menu).iter();
            let entry = |fault: &ProviderFault| Entry {
                core: core.contains(fault),
                fault: Anything::Over(fault.clone()),
                together: Box::default(),
            };
            all.map(entry).collect()
        }
    }
}
