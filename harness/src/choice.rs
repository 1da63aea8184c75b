//! The one mechanism: every uncertainty of a run is a labelled choice from a finite menu, asked here.
//!
//! Replay answers from a written plan and takes *nothing goes wrong* elsewhere; coverage and exploration read the list
//! of what was asked. Nothing else decides what goes wrong in a run.

use crate::fault::plan::{Plan, Planned};
use crate::fault::site::{Place, Site};
use crate::fault::{Fault, Faults, menu};
use crate::trace::provider_index;

/// One choice that was asked, and what was answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where.
    pub site: Site,
    /// What was chosen; none is the menu's first entry, *nothing goes wrong*.
    pub chosen: Faults,
}

/// The choices of one run.
#[derive(Debug)]
pub struct Choices {
    plan: Plan,
    fired: Vec<bool>,
    asked: Vec<Asked>,
    arrivals: [u32; Place::COUNT],
    /// By place and step.
    for_step: Vec<(usize, u32, u32)>,
    provider_arrivals: [u32; 3],
}

impl Choices {
    /// Choices answered from a plan.
    pub fn replay(plan: Plan) -> Self {
        let fired = vec![false; plan.faults.len()];
        Self {
            plan,
            fired,
            asked: Vec::with_capacity(24),
            arrivals: [0; Place::COUNT],
            for_step: Vec::with_capacity(8),
            provider_arrivals: [0; 3],
        }
    }

    /// Names the site of what happens now at a place; `step` is the script step on whose behalf.
    pub fn arrive(&mut self, place: impl Into<Place>, step: Option<u32>) -> Site {
        let place = place.into();
        let index = place.index();
        self.arrivals[index] += 1;
        let for_step = step.map(|step| {
            let known = self.for_step.iter_mut().find(|(other, of, _)| *other == index && *of == step);
            let number = if let Some((_, _, number)) = known {
                *number += 1;
                *number
            } else {
                self.for_step.push((index, step, 1));
                1
            };
            (step, number)
        });
        Site { place, arrival: self.arrivals[index], for_step }
    }

    /// Asks what goes wrong at a site. Call once a site, in the order of arrival.
    pub fn at(&mut self, site: Site) -> Faults {
        let provider = site.place.operation().map(|operation| operation.provider);
        let count = provider.map_or(0, |provider| {
            let count = &mut self.provider_arrivals[provider_index(provider)];
            *count += 1;
            *count
        });
        let mut chosen = Faults::default();
        for (planned, fired) in self.plan.faults.iter().zip(&mut self.fired) {
            match planned {
                Planned::At(address, fault)
                    if address.names(&site)
                        && chosen.iter().all(|known| menu::can_combine(site.place, known, fault)) =>
                {
                    *fired = true;
                    chosen.push(fault.clone());
                }
                // What goes wrong at the site itself goes before what goes wrong at the provider over time, or after it, as
                // the plan says; they never strike together.
                Planned::Over(at, fault) if Some(*at) == provider && chosen.is_none() => {
                    if let Some(struck) = fault.at(count) {
                        *fired = true;
                        chosen.push(struck);
                        break;
                    }
                }
                Planned::At(..) | Planned::Over(..) => {}
            }
        }
        self.asked.push(Asked { site, chosen: chosen.clone() });
        chosen
    }

    /// How often a place has come.
    pub fn arrivals(&self, place: Place) -> u32 {
        self.arrivals[place.index()]
    }

    /// What would be chosen where a place, which is no request's, came now: nothing is asked, and nothing fires.
    pub fn next_at(&self, place: Place) -> Option<Fault> {
        let site = Site { place, arrival: self.arrivals[place.index()] + 1, for_step: None };
        self.plan.faults.iter().find_map(|planned| match planned {
            Planned::At(address, fault) if address.names(&site) => Some(fault.clone()),
            Planned::At(..) | Planned::Over(..) => None,
        })
    }

    /// What was chosen at a site, or the part of it that is meant, could not happen there after all, or changed nothing.
    pub fn misfired(&mut self, site: Site, is_meant: impl Fn(&Fault) -> bool) {
        for (planned, fired) in self.plan.faults.iter().zip(&mut self.fired) {
            if matches!(planned, Planned::At(address, fault) if address.names(&site) && is_meant(fault)) {
                *fired = false;
            }
        }
        for asked in self.asked.iter_mut().filter(|asked| asked.site == site) {
            asked.chosen.remove(&is_meant);
        }
    }

    /// Whether the plan's last fault has fired, where it is one at a site.
    pub fn last_has_fired(&self) -> bool {
        matches!(self.plan.faults.last(), Some(Planned::At(..))) && self.fired.last() == Some(&true)
    }

    /// The plan, which of its faults have fired, and how often each place has come.
    pub fn so_far(&self) -> (&[Planned], &[bool], &[u32]) {
        (&self.plan.faults, &self.fired, &self.arrivals)
    }

    /// What was asked and answered, in order.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Takes out what was asked and answered, in order: the run is over.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// The planned faults that never fired.
    pub fn unfired(&self) -> Vec<Planned> {
        self.plan
            .faults
            .iter()
            .zip(&self.fired)
            .filter(|(_, fired)| !**fired)
            .map(|(planned, _)| planned.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::OperationSpec;
    use crate::provider::operations::{CHARGE, LOOK_UP, QUOTE, RESERVE};

    fn choices(plan: &str) -> Choices {
        Choices::replay(plan.parse().expect("a plan"))
    }

    /// One request after another, each with its script step: what was chosen for each.
    fn run(choices: &mut Choices, requests: &[(&'static OperationSpec, Option<u32>)]) -> Vec<Option<Fault>> {
        requests
            .iter()
            .map(|(operation, step)| {
                let site = choices.arrive(*operation, *step);
                choices.at(site).one()
            })
            .collect()
    }

    const REQUESTS: [(&OperationSpec, Option<u32>); 6] = [
        (&QUOTE, Some(1)),
        (&CHARGE, Some(2)),
        (&LOOK_UP, Some(2)),
        (&CHARGE, None),
        (&CHARGE, Some(3)),
        (&CHARGE, Some(2)),
    ];

    #[test]
    fn an_empty_plan_lets_nothing_go_wrong() {
        let mut choices = choices("");
        assert_eq!(run(&mut choices, &REQUESTS), vec![None; 6]);
        assert_eq!(choices.unfired(), []);
    }

    #[test]
    fn arrival_and_step_name_the_same_event() {
        for (by_arrival, by_step, at) in [
            ("payment.charge#1: cut", "payment.charge@2#1: cut", 1),
            ("payment.charge#3: cut", "payment.charge@3#1: cut", 4),
            ("payment.charge#4: cut", "payment.charge@2#2: cut", 5),
        ] {
            let mut expected = vec![None; 6];
            expected[at] = Some(Fault::Cut);
            for plan in [by_arrival, by_step] {
                let mut choices = choices(plan);
                assert_eq!(run(&mut choices, &REQUESTS), expected, "{plan}");
                assert_eq!(choices.unfired(), [], "{plan}");
            }
        }
    }

    #[test]
    fn a_request_without_a_step_is_named_by_arrival_only() {
        let mut choices = choices("payment.charge#2: cut");
        assert_eq!(run(&mut choices, &REQUESTS)[3], Some(Fault::Cut));
        assert_eq!(choices.asked()[3].site.to_string(), "payment.charge#2");
        assert_eq!(choices.asked()[3].site.for_step, None);
    }

    #[test]
    fn a_site_is_counted_for_its_operation_and_its_step() {
        let mut choices = choices("");
        run(&mut choices, &REQUESTS);
        let sites: Vec<_> = choices.asked().iter().map(|asked| (asked.site.arrival, asked.site.for_step)).collect();
        let expected =
            [(1, Some((1, 1))), (1, Some((2, 1))), (1, Some((2, 1))), (2, None), (3, Some((3, 1))), (4, Some((2, 2)))];
        assert_eq!(sites, expected);
    }

    #[test]
    fn an_outage_counts_the_requests_of_its_provider_whatever_they_ask() {
        let mut choices = choices("provider.payment: outage(from=2, calls=3)");
        let refused = Some(Fault::Refuse);
        assert_eq!(run(&mut choices, &REQUESTS), [None, None, refused.clone(), refused.clone(), refused, None]);
        assert_eq!(choices.unfired(), []);
    }

    #[test]
    fn what_a_fault_over_time_spares_another_may_strike() {
        let plan = "provider.payment: flap(from=1, up=1, down=1, calls=4); payment.charge#2: cut";
        let mut choices = choices(plan);
        let refused = Some(Fault::Refuse);
        let struck = [None, refused.clone(), None, refused, Some(Fault::Cut), None];
        assert_eq!(run(&mut choices, &REQUESTS)[..4], struck[..4]);
    }

    #[test]
    fn an_outage_may_last_for_ever() {
        let plan = format!("provider.payment: outage(from=2, calls={})", u32::MAX);
        let refused = run(&mut choices(&plan), &REQUESTS);
        assert_eq!(refused.iter().flatten().count(), 4);
    }

    #[test]
    fn the_first_planned_fault_wins_and_the_other_has_not_fired() {
        let mut choices =
            choices("payment.charge#1: cut; payment.charge@2#1: reset; provider.payment: outage(from=1, calls=1)");
        assert_eq!(run(&mut choices, &REQUESTS)[1], Some(Fault::Cut));
        assert_eq!(choices.unfired().len(), 2);
    }

    #[test]
    fn faults_of_one_site_fire_together_and_misfire_each_by_itself() {
        let mut choices = choices("payment.charge#1: processing + lost_reply; payment.charge@2#1: hang_up");
        let sites = REQUESTS.map(|(operation, step)| choices.arrive(operation, step));
        let struck: Vec<_> = sites.iter().map(|site| choices.at(*site).to_string()).collect();
        assert_eq!(struck, ["", "processing + lost_reply + hang_up", "", "", "", ""]);
        assert!(choices.unfired().is_empty());
        choices.misfired(sites[1], |fault| matches!(fault, Fault::Circumstance(_)));
        let unfired: Vec<_> = choices.unfired().iter().map(ToString::to_string).collect();
        assert_eq!(unfired, ["payment.charge#1: processing"]);
        assert_eq!(choices.asked()[1].chosen.to_string(), "lost_reply + hang_up");
    }

    #[test]
    fn what_never_fired_is_told_in_the_order_of_the_plan() {
        let plan = "payment.charge#5: cut; payment.charge#1: cut; inventory.reserve#1: refuse; \
                    provider.inventory: outage(from=1, calls=1)";
        let mut choices = choices(plan);
        run(&mut choices, &REQUESTS);
        let unfired: Vec<_> = choices.unfired().iter().map(ToString::to_string).collect();
        assert_eq!(
            unfired,
            ["payment.charge#5: cut", "inventory.reserve#1: refuse", "provider.inventory: outage(from=1, calls=1)"]
        );
        let site = choices.arrive(&RESERVE, None);
        assert_eq!(choices.at(site), Faults::from(Fault::Refuse));
        assert_eq!(choices.unfired().len(), 2);
    }
}
