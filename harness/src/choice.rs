//! The one mechanism: every uncertainty of a run is a labelled choice from a finite menu, asked here.
//!
//! Replay answers from a written plan and takes *nothing goes wrong* elsewhere; coverage and exploration read the list
//! of what was asked. Nothing else decides what goes wrong in a run.

use crate::fault::plan::{Plan, Planned};
use crate::fault::site::Site;
use crate::fault::{Fault, ProviderFault};
use crate::trace::provider_index;

/// One choice that was asked, and what was answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where.
    pub site: Site,
    /// What was chosen; `None` is the menu's first entry, *nothing goes wrong*.
    pub chosen: Option<Fault>,
}

/// The choices of one run.
#[derive(Debug)]
pub struct Choices {
    plan: Plan,
    fired: Vec<bool>,
    asked: Vec<Asked>,

    provider_arrivals: [u32; 3],
}

impl Choices {
    /// Choices answered from a plan.
    pub fn replay(plan: Plan) -> Self {
        let fired = vec![false; plan.faults.len()];
        Self { plan, fired, asked: Vec::new(), provider_arrivals: [0; 3] }
    }

    /// Names the site of a request that arrives now.
    pub fn arrive(&mut self, operation: &'static crate::provider::OperationSpec, step: Option<u32>) -> Site {
        let arrival = 1 + self.asked.iter().filter(|asked| std::ptr::eq(asked.site.operation, operation)).count();
        let for_step = step.map(|step| {
            let earlier = self.asked.iter().filter(|asked| {
                std::ptr::eq(asked.site.operation, operation)
                    && asked.site.for_step.is_some_and(|(other, _)| other == step)
            });
            (step, 1 + u32::try_from(earlier.count()).expect("a run has fewer requests than that"))
        });
        let arrival = u32::try_from(arrival).expect("a run has fewer requests than that");
        Site { operation, arrival, for_step }
    }

    /// Asks what goes wrong at a site. Call once a request, in the order of arrival.
    pub fn at(&mut self, site: Site) -> Option<Fault> {
        let provider = site.operation.provider;
        let count = &mut self.provider_arrivals[provider_index(provider)];
        *count += 1;
        let count = *count;
        let mut chosen = None;
        for (planned, fired) in self.plan.faults.iter().zip(&mut self.fired) {
            match planned {
                Planned::At(address, fault) if address.names(&site) => {
                    *fired = true;
                    chosen = Some(fault.clone());
                    break;
                }
                Planned::Over(at, fault) if *at == provider && covers(fault, count) => {
                    *fired = true;
                    chosen = Some(Fault::Refuse);
                    break;
                }
                Planned::At(..) | Planned::Over(..) => {}
            }
        }
        self.asked.push(Asked { site, chosen: chosen.clone() });
        chosen
    }

    /// What was asked and answered, in order.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
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

/// Whether a fault over time covers the `count`th request of its provider.
fn covers(fault: &ProviderFault, count: u32) -> bool {
    match fault {
        ProviderFault::Outage { from, calls } => count >= *from && count - from < *calls,
    }
}
