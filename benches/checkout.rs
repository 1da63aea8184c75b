//! What one simulated checkout costs, judged by all oracles: quote, order, and the question how it stands.
//!
//! Run with `cargo bench --bench checkout`. The budget is 50 µs a run, median, on one core.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use misrule::fault::plan::Plan;
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

fn checkout(c: &mut Criterion) {
    let scenario = scenario("checkout/happy_path");
    let mut group = c.benchmark_group("simulated_checkout");
    let plans = [
        ("nothing_goes_wrong", ""),
        ("charge_reply_lost", "payment.charge#1: lost_reply"),
        ("three_faults", "inventory.reserve#1: status(503); payment.charge#1: garbage; inventory.commit#1: reset"),
        ("sale_undone", "inventory.commit#1: lost_reply; inventory.commit#2: status(400)"),
    ];
    for (name, plan) in plans {
        let plan: Plan = plan.parse().expect("a plan of this file");
        group.bench_function(name, |b| {
            b.iter(|| {
                let outcome = run(black_box(&scenario), WorldKind::Sim, &plan, 1, Path::new("")).expect("it runs");
                assert!(outcome.violations().next().is_none() && outcome.unfired.is_empty());
                outcome
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checkout);
criterion_main!(benches);
