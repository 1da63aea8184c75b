//! What one simulated checkout costs, judged by all oracles: quote and order, and where it is not said otherwise the
//! question how it stands.
//!
//! Run with `cargo bench --bench checkout`. The budget is 33 µs a run in which nothing goes wrong, median, on one core:
//! 30,000 runs a second. Beside each time stands `thrpt`, in runs (`elem`) a second. `simulated_checkout` makes one run at
//! a time, as the gate and a replay do; `side_by_side` as many as exploration makes at once on each core.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use misrule::fault::menu::full;
use misrule::fault::plan::{Address, Plan, Planned};
use misrule::outcome::Outcome;
use misrule::run::{Printed, TOGETHER, run, simulate_together};
use misrule::scenario::find::{find, load};
use misrule::scenario::model::{Scenario, WorldKind};
use misrule::scenario::parse::Known;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn scenario(name: &str) -> Arc<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = find(&root, &[name.to_owned()]).expect("the scenario is in the repository");
    load(&found[0], &Known::of_giftgenius()).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// Runs a plan, and holds it to what the gate holds every run to.
fn judged(scenario: &Arc<Scenario>, plan: &Plan) -> Outcome {
    let outcome = run(black_box(scenario), WorldKind::Sim, plan, 1, Path::new("")).expect("it runs");
    well(&outcome);
    outcome
}

fn well(outcome: &Outcome) {
    assert!(outcome.violations().next().is_none() && outcome.unfired.is_empty(), "{}", outcome.plan);
}

/// One run an iteration: `thrpt` is runs a second.
fn checkout(c: &mut Criterion) {
    let sale = scenario("checkout/happy_path");
    let replicas = scenario("replicas/both_get_the_same_call");
    let mut group = c.benchmark_group("simulated_checkout");
    group.throughput(Throughput::Elements(1));
    let plans = [
        ("nothing_goes_wrong", &sale, ""),
        ("charge_reply_lost", &sale, "payment.charge#1: lost_reply"),
        (
            "three_faults",
            &sale,
            "inventory.reserve#1: status(503); payment.charge#1: garbage; inventory.commit#1: reset",
        ),
        ("sale_undone", &sale, "inventory.commit#1: lost_reply; inventory.commit#2: status(400)"),
        ("crash_under_the_charge", &sale, "payment.charge#1: crash(after_send)"),
        ("two_replicas", &replicas, ""),
    ];
    for (name, scenario, plan) in plans {
        let plan: Plan = plan.parse().expect("a plan of this file");
        group.bench_function(name, |b| b.iter(|| judged(scenario, &plan)));
    }
    group.finish();
}

/// As many at once as exploration makes on each core; `thrpt` is runs a second.
fn side_by_side(c: &mut Criterion) {
    let sale = scenario("checkout/happy_path");
    let bought = scenario("checkout/bought_in_two_calls");
    let mut group = c.benchmark_group("side_by_side");
    group.throughput(Throughput::Elements(TOGETHER as u64));
    for (name, scenario, plan) in [
        ("quote_and_order", &bought, ""),
        ("nothing_goes_wrong", &sale, ""),
        ("charge_reply_lost", &sale, "payment.charge#1: lost_reply"),
    ] {
        let plan: Plan = plan.parse().expect("a plan of this file");
        let runs = [(scenario, &plan, 1); TOGETHER];
        let run = || simulate_together(black_box(&runs), &|| None, Printed::No);
        group.bench_function(name, |b| {
            b.iter(|| run().into_iter().for_each(|made| well(&made.expect("it runs").0)));
        });
    }
    group.finish();
}

/// What exploration does: every plan of one fault, crashes, store and clock included, once an iteration. `thrpt` is
/// runs a second.
fn exploration(c: &mut Criterion) {
    let sale = scenario("checkout/happy_path");
    let plans: Vec<Plan> = judged(&sale, &Plan::default())
        .asked
        .iter()
        .flat_map(|asked| {
            let address = Address { place: asked.site.place, step: None, number: asked.site.arrival };
            full(asked.site.place).iter().map(move |fault| Plan { faults: vec![Planned::At(address, fault.clone())] })
        })
        .collect();
    let mut group = c.benchmark_group("exploration");
    group.throughput(Throughput::Elements(plans.len().try_into().expect("a few hundred plans")));
    group.sample_size(20);
    let together = |plans: &[Plan]| {
        let runs: Vec<_> = plans.iter().map(|plan| (&sale, plan, 1)).collect();
        simulate_together(&runs, &|| None, Printed::No)
    };
    group.bench_function("every_single_fault", |b| {
        b.iter(|| plans.chunks(TOGETHER).flat_map(together).for_each(|made| well(&made.expect("it runs").0)));
    });
    group.finish();
}

criterion_group!(benches, checkout, side_by_side, exploration);
criterion_main!(benches);
