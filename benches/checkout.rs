//! What one simulated checkout costs, judged by all oracles: quote, order, and the question how it stands.
//!
//! Run with `cargo bench --bench checkout`. The budget is 33 µs a run in which nothing goes wrong, median, on one core:
//! 30,000 runs a second. Beside each time stands `thrpt`, in runs (`elem`) a second.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use misrule::fault::menu::full;
use misrule::fault::plan::{Address, Plan, Planned};
use misrule::outcome::Outcome;
use misrule::run::run;
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
    assert!(outcome.violations().next().is_none() && outcome.unfired.is_empty(), "{plan}");
    outcome
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
    group.bench_function("every_single_fault", |b| b.iter(|| plans.iter().for_each(|plan| drop(judged(&sale, plan)))));
    group.finish();
}

criterion_group!(benches, checkout, exploration);
criterion_main!(benches);
