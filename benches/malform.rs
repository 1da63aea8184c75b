//! What a malformed call costs in simulation: made, its answer judged, and mended from its error where that can be done.
//!
//! Run with `cargo bench --bench malform`. The budget is 50 µs a call, median, on one core: 20,000 calls a second. Beside
//! each time stands `thrpt`, in calls (`elem`) a second. Making the calls up is part of it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use misrule::fixable::{Measuring, measure};
use misrule::report::document::Word;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every malformed call of one tool an iteration, and of all tools together.
fn malformed(c: &mut Criterion) {
    let mut group = c.benchmark_group("malformed_calls");
    group.sample_size(20);
    for tool in ["search_products", "create_checkout_session", "create_order", "all"] {
        let tools = if tool == "all" { Vec::new() } else { vec![tool.to_owned()] };
        let measuring = Measuring { tools, ..Measuring::default() };
        let sent = measure(&measuring).expect("it runs").sent;
        group.throughput(Throughput::Elements(sent));
        group.bench_function(tool, |b| {
            b.iter(|| {
                let errors = measure(black_box(&measuring)).expect("it runs");
                assert_eq!(errors.verdict, Word::Ok, "what is measured is well");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, malformed);
criterion_main!(benches);
