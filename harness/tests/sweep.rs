//! GiftGenius under every fault: each entry of a menu at every site that a run asks, judged by all oracles.
//!
//! What a scenario expects belongs to its own plan, so that here the oracles alone judge. A failure lists each broken
//! rule with its first runs, each with the line that repeats it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use giftgenius::policy::PaymentProfile;
use giftgenius::ports::Provider;
use misrule::fault::Fault;
use misrule::fault::menu::{self, Breadth};
use misrule::fault::plan::{Address, Plan, Planned};
use misrule::fault::site::Place;
use misrule::outcome::Outcome;
use misrule::report::build::replay;
use misrule::run::run;
use misrule::scenario::Known;
use misrule::scenario::find::{Found, find, load};
use misrule::scenario::model::{Scenario, WorldKind};
use misrule::scenario::write::write as write_scenario;

const PROFILES: [(PaymentProfile, &str); 4] = [
    (PaymentProfile::Stripe, "stripe"),
    (PaymentProfile::Acp, "acp"),
    (PaymentProfile::Keyless, "keyless"),
    (PaymentProfile::KeylessNoCancel, "keyless_no_cancel"),
];
/// How many runs of a broken rule are shown.
const SHOWN_MAX: usize = 3;

type Menu = fn(Place) -> &'static [Fault];

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
        sweep(scenario, menu::core, 2, &mut swept);
    }
    swept.assert_nothing_broken(5_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale() {
    let mut swept = Swept::default();
    sweep(scenario("checkout/happy_path"), menu::full, 2, &mut swept);
    swept.assert_nothing_broken(5_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale_whatever_the_payment_provider_promises() {
    let mut swept = Swept::default();
    for scenario in with_each_profile("checkout/happy_path").filter(|scenario| !is_usual(scenario)) {
        sweep(scenario, menu::core, 2, &mut swept);
    }
    swept.assert_nothing_broken(3_000);
}

#[test]
fn no_pair_of_faults_breaks_a_sale_that_is_taken_back() {
    let mut swept = Swept::default();
    for scenario in with_each_profile("saga/cancelled_after_it_was_paid") {
        sweep(scenario, menu::core, 2, &mut swept);
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
                sweep(scenario, menu::core, 1, &mut swept);
            }
        }
    }
    swept.assert_nothing_broken(5_000);
}

#[test]
fn what_a_sweep_finds_is_told_with_the_line_that_repeats_it() {
    let scenario = Arc::new(Scenario { name: "a/sale".to_owned(), ..scenario("checkout/happy_path") });
    let plan: Plan = "payment.charge#1: cut".parse().expect("a plan");
    let breach = |message: &str| Breach {
        rule: "one-effect".to_owned(),
        message: message.to_owned(),
        scenario: scenario.clone(),
        plan: plan.clone(),
    };
    let swept = Swept { runs: 9, breaches: ["first", "second", "third", "fourth"].map(breach).into() };
    let text = swept.told();
    assert!(text.starts_with("9 runs\none-effect: broken 4 times\n  a/sale\n    first\n    misrule replay "), "{text}");
    assert!(text.contains("a-sale.toml --plan \"payment.charge#1: cut\" --seed 1"), "{text}");
    assert!(!text.contains("fourth"), "{text}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a-sale.toml");
    let left = Found { name: "a/sale".to_owned(), path };
    assert_eq!(load(&left, &Known::of_giftgenius()).expect("a good file").script, scenario.script);
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
        sweep(scenario, menu::full, 1, &mut swept);
    }
    swept.assert_nothing_broken(300);
}

/// A scenario once for each thing that a payment provider may promise.
fn with_each_profile(name: &str) -> impl Iterator<Item = Scenario> {
    let scenario = scenario(name);
    PROFILES.into_iter().map(move |(profile, called)| {
        let mut scenario = scenario.clone();
        scenario.policy.payment_profile = profile;
        scenario.name = format!("{} with {called}", scenario.name);
        scenario
    })
}

fn is_usual(scenario: &Scenario) -> bool {
    scenario.policy.payment_profile == PROFILES[0].0
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

/// Runs a scenario under its own plan and then under every plan that has up to `depth` faults more. A plan is extended
/// only at sites after its last fault: what happens up to there is fixed, so each combination is run exactly once.
fn sweep(scenario: Scenario, menu: Menu, depth: usize, swept: &mut Swept) {
    let scenario = Arc::new(scenario);
    let mut plans = vec![Extended { plan: scenario.plan.clone(), from: 0 }];
    for level in 0..=depth {
        swept.runs += plans.len();
        let mut longer = Vec::new();
        let grows = (level < depth).then_some(menu);
        for (broken, extended) in in_parallel(&plans, |plan| judged(&scenario, plan, grows)) {
            swept.breaches.extend(broken);
            longer.extend(extended);
        }
        plans = longer;
    }
}

/// What sweeps came to.
#[derive(Default)]
struct Swept {
    runs: usize,
    breaches: Vec<Breach>,
}

/// A plan, and the index of the first site that a further fault may strike.
struct Extended {
    plan: Plan,
    from: usize,
}

/// One broken rule of one run.
struct Breach {
    rule: String,
    message: String,
    scenario: Arc<Scenario>,
    plan: Plan,
}

/// What a run breaks, and every plan of one fault more from `menu`.
fn judged(scenario: &Arc<Scenario>, tried: &Extended, menu: Option<Menu>) -> (Vec<Breach>, Vec<Extended>) {
    let breach = |rule: &str, message: String| Breach {
        rule: rule.to_owned(),
        message,
        scenario: scenario.clone(),
        plan: tried.plan.clone(),
    };
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| simulated(scenario, &tried.plan))) else {
        return (vec![breach("no panic", "the run panicked".to_owned())], Vec::new());
    };
    let mut breaches: Vec<_> =
        outcome.violations().map(|violation| breach(violation.oracle, violation.message.clone())).collect();
    // A fault of the file's own plan may lose its site to an earlier one; the one that was added last may not.
    if tried.from > 0 && outcome.unfired.contains(tried.plan.faults.last().expect("a fault was added")) {
        breaches.push(breach("every fault fires", "the last fault did not fire".to_owned()));
    }
    let extended = menu.map_or_else(Vec::new, |menu| extended(&outcome, tried.from, menu));
    (breaches, extended)
}

fn simulated(scenario: &Arc<Scenario>, plan: &Plan) -> Outcome {
    run(scenario, WorldKind::Sim, plan, scenario.seed, Path::new("")).expect("a simulated run lacks nothing")
}

fn extended(outcome: &Outcome, from: usize, menu: Menu) -> Vec<Extended> {
    let mut plans = Vec::new();
    for (index, asked) in outcome.asked.iter().enumerate().skip(from).filter(|(_, asked)| asked.chosen.is_none()) {
        let address = Address { place: asked.site.place, step: None, number: asked.site.arrival };
        for fault in menu(asked.site.place) {
            let mut plan = outcome.plan.clone();
            plan.faults.push(Planned::At(address, fault.clone()));
            plans.push(Extended { plan, from: index + 1 });
        }
    }
    plans
}

/// What each item comes to, in their order.
fn in_parallel<I: Sync, O: Send>(items: &[I], each: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let each = &each;
    thread::scope(|scope| {
        let chunk = items.len().div_ceil(threads).max(1);
        let working: Vec<_> =
            items.chunks(chunk).map(|items| scope.spawn(move || items.iter().map(each).collect::<Vec<_>>())).collect();
        working.into_iter().flat_map(|working| working.join().expect("panics of a run are caught")).collect()
    })
}

impl Swept {
    /// `runs_min` guards against a sweep that tries nothing and is content.
    fn assert_nothing_broken(&self, runs_min: usize) {
        assert!(self.breaches.is_empty(), "{}", self.told());
        assert!(self.runs >= runs_min, "only {} runs were made, where at least {runs_min} were meant", self.runs);
    }

    /// Every broken rule with the first runs that break it, each with the line that repeats it.
    fn told(&self) -> String {
        let mut rules: BTreeMap<&str, Vec<&Breach>> = BTreeMap::new();
        for breach in &self.breaches {
            rules.entry(&breach.rule).or_default().push(breach);
        }
        let mut text = format!("{} runs", self.runs);
        for (rule, breaches) in &rules {
            write!(text, "\n{rule}: broken {} times", breaches.len()).expect("writing to a string does not fail");
            for breach in breaches.iter().take(SHOWN_MAX) {
                let line = replay_line(breach);
                write!(text, "\n  {}\n    {}\n    {line}", breach.scenario.name, breach.message)
                    .expect("writing to a string does not fail");
            }
        }
        text
    }
}

/// The line that repeats a run. The scenario is left as a file, since none of the committed ones may have its payment
/// profile.
fn replay_line(breach: &Breach) -> String {
    let name = breach.scenario.name.replace(['/', ' '], "-");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    let scenario = Scenario { path, ..Scenario::clone(&breach.scenario) };
    fs::write(&scenario.path, write_scenario(&scenario)).expect("a file under target/");
    replay(&scenario, WorldKind::Sim, &breach.plan, scenario.seed)
}
