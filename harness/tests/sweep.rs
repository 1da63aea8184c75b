//! GiftGenius under every fault: each entry of a menu at every site that a run asks, judged by all oracles.
//!
//! What a scenario expects belongs to its own plan, so that here the oracles alone judge. A failure lists each finding
//! with its smallest plan and the line that repeats it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use giftgenius::policy::PaymentProfile;
use giftgenius::ports::Provider;
use misrule::explore::{Control, Settings, Simulated, Space, Telling, explore, tell, threads};
use misrule::fault::menu::{self, Breadth};
use misrule::fault::plan::{Plan, Planned};
use misrule::outcome::Outcome;
use misrule::report::build::EXPECTATION;
use misrule::report::exploration::document::SpaceReport;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{find, load};
use misrule::scenario::model::{Scenario, WorldKind};
use misrule::scenario::policy::PROFILES;

#[test]
fn no_single_fault_breaks_a_sale_that_goes_well() {
    single_faults("checkout/happy_path");
}

#[test]
fn no_single_fault_breaks_a_sale_that_is_taken_back() {
    single_faults("saga/cancelled_after_it_was_paid");
}

#[test]
fn no_single_fault_breaks_three_calls_at_once() {
    single_faults("duplicates/three_calls_at_once");
}

#[test]
fn no_further_fault_breaks_a_sale_whose_inventory_is_down() {
    single_faults("saga/the_inventory_is_down_after_the_charge");
}

#[test]
fn no_further_fault_breaks_a_sale_whose_charge_is_unknown_and_then_refused() {
    single_faults("unknown/refused_after_an_unknown_charge");
}

#[test]
fn no_single_fault_breaks_a_sale_that_the_provider_tells_of() {
    single_faults("webhooks/once_after_the_reply");
}

#[test]
fn no_further_fault_breaks_what_is_told_of_late() {
    single_faults("webhooks/late_after_the_refund");
}

#[test]
fn no_further_fault_breaks_what_is_told_of_a_late_copy() {
    single_faults("webhooks/a_late_copy_after_the_refund");
}

#[test]
fn no_pair_of_faults_breaks_a_sale_that_the_provider_tells_of_whatever_it_promises() {
    let mut swept = Swept::default();
    for scenario in with_each_profile("webhooks/once_after_the_reply") {
        sweep(&scenario, Breadth::Core, 2, &mut swept);
    }
    swept.assert_nothing_broken(5_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale() {
    let mut swept = Swept::default();
    sweep(&scenario("checkout/happy_path"), Breadth::Full, 2, &mut swept);
    swept.assert_nothing_broken(5_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale_whatever_the_payment_provider_promises() {
    let mut swept = Swept::default();
    for scenario in with_each_profile("checkout/happy_path").filter(|scenario| !is_usual(scenario)) {
        sweep(&scenario, Breadth::Core, 2, &mut swept);
    }
    swept.assert_nothing_broken(3_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale_that_is_taken_back() {
    let mut swept = Swept::default();
    for scenario in with_each_profile("saga/cancelled_after_it_was_paid") {
        sweep(&scenario, Breadth::Core, 2, &mut swept);
    }
    swept.assert_nothing_broken(10_000);
}

#[test]
fn no_fault_over_time_breaks_a_sale_alone_or_with_another_fault() {
    let mut swept = Swept::default();
    for scenario in
        with_each_profile("checkout/happy_path").chain(with_each_profile("saga/cancelled_after_it_was_paid"))
    {
        for provider in Provider::ALL {
            for fault in menu::over_time(Breadth::Full) {
                let mut scenario = scenario.clone();
                scenario.plan.add(Planned::Over(provider, fault.clone())).expect("the files have no fault over time");
                scenario.name = format!("{} and {} at {}", scenario.name, fault.name(), provider.name());
                sweep(&scenario, Breadth::Core, 1, &mut swept);
            }
        }
    }
    swept.assert_nothing_broken(5_000);
}

#[test]
fn a_run_hangs_on_nothing_that_ran_before_it() {
    let scenarios = all();
    let runs = |scenario: &Arc<Scenario>| {
        let outcome = simulated(scenario, &scenario.plan);
        // The record itself, not its text: there identifiers are as they were drawn.
        (scenario.name.clone(), format!("{:#?}", outcome.record))
    };
    let forwards: BTreeMap<_, _> = scenarios.iter().map(runs).collect();
    let backwards: BTreeMap<_, _> = scenarios.iter().rev().map(runs).collect();
    for (name, trace) in &forwards {
        assert!(trace == &backwards[name], "two runs of {name} differ");
    }
}

/// Every entry of the full menu, one at a time, under each payment profile.
fn single_faults(name: &str) {
    let mut swept = Swept::default();
    for scenario in with_each_profile(name) {
        sweep(&scenario, Breadth::Full, 1, &mut swept);
    }
    swept.assert_nothing_broken(300);
}

/// A scenario once for each thing that a payment provider may promise.
fn with_each_profile(name: &str) -> impl Iterator<Item = Scenario> {
    let scenario = scenario(name);
    PROFILES.into_iter().map(move |(_, profile)| scenario.with_profile(profile))
}

fn is_usual(scenario: &Scenario) -> bool {
    scenario.policy.payment_profile == PaymentProfile::Stripe
}

fn scenario(name: &str) -> Scenario {
    let scenarios = all();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name).expect("a scenario of this name");
    Scenario::clone(scenario)
}

fn all() -> Vec<Arc<Scenario>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let known = Known::of_giftgenius();
    let found = find(&root, &[]).expect("scenarios");
    found.iter().map(|found| load(found, &known).unwrap_or_else(|error| panic!("{}", error.render(false)))).collect()
}

/// Runs a scenario under its own plan and under every plan that has up to `depth` faults more.
fn sweep(scenario: &Scenario, menu: Breadth, depth: usize, swept: &mut Swept) {
    let space = Space::new(Arc::new(scenario.without_expectations()), Some(menu), scenario.seed);
    let settings = Settings { depth, draw: None, time: None, shard: None, findings_max: None, reduction: false };
    let pool = threads(thread::available_parallelism().map_or(1, usize::from)).expect("threads");
    let control = Control { stop: &AtomicBool::new(false), until: None, watch: &|_| {}, kept: None };
    let simulated = Simulated::default();
    let explored = explore(std::slice::from_ref(&space), &simulated, &settings, &pool, &control).remove(0);
    let mut told = tell(&space, &explored, &Telling { runner: &simulated, confirm: None });
    // What parks an order here is the provider that is lost for good; whether it had to is for the oracles.
    told.findings.retain(|finding| finding.rule != EXPECTATION);
    swept.spaces.push(told);
}

fn simulated(scenario: &Arc<Scenario>, plan: &Plan) -> Outcome {
    run(scenario, WorldKind::Sim, plan, scenario.seed, Path::new("")).expect("a simulated run lacks nothing")
}

/// What sweeps came to.
#[derive(Default)]
struct Swept {
    spaces: Vec<SpaceReport>,
}

impl Swept {
    /// `runs_min` guards against a sweep that tries nothing and is content.
    fn assert_nothing_broken(&self, runs_min: u64) {
        let well = |space: &SpaceReport| space.findings.is_empty() && space.not_run.first.is_empty();
        assert!(self.spaces.iter().all(well), "{}", self.told());
        let runs: u64 = self.spaces.iter().map(SpaceReport::runs).sum();
        assert!(runs >= runs_min, "only {runs} runs were made, where at least {runs_min} were meant");
    }

    /// Every finding with the line that repeats it.
    fn told(&self) -> String {
        let mut text = String::new();
        for space in &self.spaces {
            for finding in &space.findings {
                let shown =
                    finding.shown.iter().map(|shown| format!("{}\n    {}", shown.messages.join(" "), shown.replay));
                let shown = shown.collect::<String>();
                write!(text, "\n{} in {}, with {}: {shown}", finding.rule, space.scenario, space.profile)
                    .expect("writing to a string does not fail");
            }
            for not_run in &space.not_run.first {
                write!(text, "\nnot run: {}: {}", not_run.plan, not_run.why)
                    .expect("writing to a string does not fail");
            }
        }
        text
    }
}
