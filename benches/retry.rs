//! What the retry layer costs a call that succeeds at once, beside a bare call over the same transport.
//!
//! Run with `cargo bench --bench retry`. The transport answers at once from memory, so all that is measured is ours:
//! in `bare`, making the request and reading the reply; in `retried`, that and time-out, classification and budget.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use giftgenius::adapters::SystemClock;
use giftgenius::attempts::Counts;
use giftgenius::ids::CorrelationId;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::operations::alerts::Alerts;
use giftgenius::policy::Policy;
use giftgenius::ports::{
    BoxFuture, Method, Ports, Provider, Request, Response, StepLog, Tasks, Transport, TransportError,
};
use giftgenius::providers::{Call, Caller, NO_BODY};
use giftgenius::retry::{Budgets, Urgency};
use giftgenius::step_log::LogLine;
use misrule::system::entropy::SeededEntropy;

const REPLY: &str = r#"{"payment_methods":[{"id":"pm_visa","brand":"visa","last4":"4242"}]}"#;
const PATH: &str = "/v1/payment_methods?customer=ada";

struct AtOnce;

impl Transport for AtOnce {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async {
            Ok(Response { status: 200, retry_after: None, date: None, body: Bytes::from_static(REPLY.as_bytes()) })
        })
    }
}

struct Nothing;

impl Tasks for Nothing {
    fn spawn(&self, _: &'static str, _: BoxFuture<'static, ()>) {}
}

impl StepLog for Nothing {
    fn record(&self, _: LogLine) {}
}

fn caller() -> Caller {
    let policy = Policy::default();
    let ports = Ports {
        transport: Arc::new(AtOnce),
        journal: Arc::new(MemoryJournal::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SeededEntropy::new(1, 1)),
        tasks: Arc::new(Nothing),
        log: Arc::new(Nothing),
    };
    Caller { ports, budgets: Budgets::new(policy.budget), policy, alerts: Alerts::default(), counts: Counts::default() }
}

async fn bare(caller: &Caller, correlation: &CorrelationId) -> serde_json::Value {
    let request = Request {
        provider: Provider::Payment,
        operation: "payment.methods",
        method: Method::Get,
        path: PATH.into(),
        idempotency_key: None,
        correlation_id: correlation.clone(),
        body: Bytes::new(),
    };
    let response = caller.ports.transport.send(request).await.expect("it answers");
    serde_json::from_slice(&response.body).expect("it answers JSON")
}

async fn retried(caller: &Caller, correlation: &CorrelationId) -> serde_json::Value {
    let call = Call { provider: Provider::Payment, operation: "payment.methods", path: PATH, key: None, correlation };
    let urgency = Urgency::Caller { deadline: tokio::time::Instant::now() + caller.policy.tool_deadline };
    caller.repeat(&call, NO_BODY, urgency, |_: &serde_json::Value| true).await.expect("it answers")
}

fn retry(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (caller, correlation) = (caller(), CorrelationId::from("bench"));
    let mut group = c.benchmark_group("call_that_succeeds_at_once");
    group.bench_function("bare", |b| {
        b.iter(|| runtime.block_on(bare(black_box(&caller), &correlation)));
    });
    group.bench_function("retried", |b| {
        b.iter(|| runtime.block_on(retried(black_box(&caller), &correlation)));
    });
    group.finish();
}

criterion_group!(benches, retry);
criterion_main!(benches);
