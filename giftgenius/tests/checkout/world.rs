//! The application over scripted ports in virtual time. Every answer is held to its tool's published output schema.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use giftgenius::app::{App, ToolCall, ToolReply};
use giftgenius::checkout::order::Order;
use giftgenius::checkout::state::Ending;
use giftgenius::error::ToolError;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::policy::{PaymentProfile, Policy, UserPolicy};
use giftgenius::ports::{BoxFuture, Clock, Entropy, Journal, Ports, Purpose, Tasks};
use giftgenius::step_log::{AlertKind, LogLine, StepLog, WebhookStatus};
use giftgenius::tools;
use giftgenius::webhooks::{Answer, WebhookSecret};
use jiff::{SignedDuration, Timestamp};
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::fuse::Fuse;
use crate::shop::{PRICE, Shop};
use crate::store::Store;

/// Calendar time that follows the virtual clock, and can be set by so many seconds.
struct VirtualClock(Instant, AtomicU64);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let set = std::time::Duration::from_secs(self.1.load(Ordering::SeqCst));
        begin + SignedDuration::try_from(self.0.elapsed() + set).unwrap()
    }
}

/// Counts instead of drawing.
#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn next(&self, _purpose: Purpose) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

#[derive(Default)]
struct Handles(Mutex<Vec<JoinHandle<()>>>);

impl Tasks for Handles {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().push(tokio::spawn(work));
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<LogLine>>);

impl StepLog for Lines {
    fn record(&self, line: LogLine) {
        self.0.lock().unwrap().push(line);
    }
}

/// What outlives an application: the providers, the journal, time, chance and the log.
pub(crate) struct World {
    pub(crate) shop: Arc<Shop>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) fuse: Arc<Fuse>,
    pub(crate) policy: Policy,
    clock: Arc<VirtualClock>,
    entropy: Arc<Counter>,
    log: Arc<Lines>,
}

impl World {
    pub(crate) fn new(payment_profile: PaymentProfile) -> Self {
        let journal = Arc::new(MemoryJournal::new());
        let fuse = Arc::new(Fuse::endless());
        Self {
            shop: Arc::new(Shop::new(payment_profile.deduplicates(), journal.clone(), fuse.clone())),
            journal,
            fuse,
            policy: Policy {
                payment_profile,
                users: UserPolicy { calls_max: u32::MAX, ..Policy::default().users },
                ..Policy::default()
            },
            clock: Arc::new(VirtualClock(Instant::now(), AtomicU64::new(0))),
            entropy: Arc::default(),
            log: Arc::default(),
        }
    }

    /// An application over the world's journal.
    pub(crate) fn start(&self) -> Life {
        self.start_on(Arc::new(Store::new(self.journal.clone(), self.fuse.clone())))
    }

    /// An application over a journal of its own.
    pub(crate) fn start_on(&self, journal: Arc<dyn Journal>) -> Life {
        let tasks = Arc::new(Handles::default());
        let ports = Ports {
            transport: self.shop.clone(),
            journal,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            tasks: tasks.clone(),
            log: self.log.clone(),
        };
        Life { app: App::with_webhooks(ports, self.policy.clone(), Some(secret())), tasks }
    }

    /// A delivery of an event as the provider signs it now: the header and the body.
    pub(crate) fn event(&self, id: &str, kind: &str, reference: &str) -> (String, Vec<u8>) {
        let body = json!({"id": id, "type": kind, "reference": reference}).to_string().into_bytes();
        (secret().sign(self.clock.now(), &body), body)
    }

    /// What became of the deliveries so far.
    pub(crate) fn webhooks(&self) -> Vec<WebhookStatus> {
        let lines = self.log.0.lock().unwrap();
        let webhooks = lines.iter().filter_map(|line| match line {
            LogLine::Webhook(webhook) => Some(webhook.status),
            _ => None,
        });
        webhooks.collect()
    }

    /// Sets the calendar clock ahead.
    pub(crate) fn jump(&self, span: std::time::Duration) {
        self.clock.1.fetch_add(span.as_secs(), Ordering::SeqCst);
    }

    /// The alerts so far.
    pub(crate) fn alerts(&self) -> Vec<AlertKind> {
        let lines = self.log.0.lock().unwrap();
        let alerts = lines.iter().filter_map(|line| match line {
            LogLine::Alert(alert) => Some(alert.kind),
            _ => None,
        });
        alerts.collect()
    }

    /// Everything that was logged, as it is printed.
    pub(crate) fn log_text(&self) -> String {
        serde_json::to_string(&*self.log.0.lock().unwrap()).unwrap()
    }

    /// Every order, open, parked and quiet alike, that these ids name.
    pub(crate) async fn order(&self, life: &Life, id: &str) -> Order {
        life.app.order(&id.into()).await.unwrap().expect("the order is there").1.to_order()
    }

    /// At rest: no order is open, each intent was journalled, and either one whole sale stands or nothing at all.
    pub(crate) async fn is_whole(&self, life: &Life) -> bool {
        let counts = life.app.saga_counts().await.unwrap();
        assert_eq!((counts.open, counts.parked), (0, 0), "open and parked");
        assert!(self.shop.unjournalled().is_empty(), "without intent: {:?}", self.shop.unjournalled());
        match (self.shop.money(), self.shop.stock()) {
            (PRICE, (0, 1)) => true,
            (0, (0, 0)) => false,
            other => panic!("money and (held, sold): {other:?}"),
        }
    }
}

/// The secret of the payment provider's webhooks.
pub(crate) fn secret() -> WebhookSecret {
    WebhookSecret::new("whsec_0123456789abcdef".into()).unwrap()
}

/// One life of the application.
pub(crate) struct Life {
    pub(crate) app: Arc<App>,
    tasks: Arc<Handles>,
}

impl Life {
    /// Calls a tool as ann.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> ToolReply {
        call(self.app.clone(), tool.to_owned(), arguments).await
    }

    /// The same in a task of its own.
    pub(crate) fn calling(&self, tool: &str, arguments: Value) -> JoinHandle<ToolReply> {
        tokio::spawn(call(self.app.clone(), tool.to_owned(), arguments))
    }

    /// A fresh checkout session.
    pub(crate) async fn session(&self) -> String {
        let arguments = json!({"items": [{"sku": "tea-set", "quantity": 1}], "currency": "EUR"});
        text(&self.call("create_checkout_session", arguments).await, "/checkout_session_id")
    }

    /// Pays a session.
    pub(crate) async fn buy(&self, session: &str, key: &str) -> ToolReply {
        self.call("create_order", purchase(session, key)).await
    }

    /// Delivers an event.
    pub(crate) async fn webhook(&self, (signature, body): &(String, Vec<u8>)) -> Answer {
        self.app.payment_webhook(Some(signature), body).await
    }

    /// Waits until nothing is going on in the background any more.
    pub(crate) async fn rest(&self) {
        loop {
            let Some(handle) = self.tasks.0.lock().unwrap().pop() else { return };
            handle.await.expect("no background work panics");
        }
    }

    /// Dies: nothing of it moves any more.
    pub(crate) async fn crash(self) {
        let handles = std::mem::take(&mut *self.tasks.0.lock().unwrap());
        for handle in handles {
            handle.abort();
            let _ = handle.await;
        }
    }
}

pub(crate) fn purchase(session: &str, key: &str) -> Value {
    json!({"checkout_session_id": session, "payment_method_id": "pm_visa", "idempotency_key": key})
}

pub(crate) fn text(reply: &ToolReply, pointer: &str) -> String {
    let value = reply.structured.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {pointer} in {}", reply.structured)).to_owned()
}

/// `success`, `pending` and so on, or the error's code.
/// What a replay says, apart from that it is one and when it was true.
pub(crate) fn replayed(reply: &ToolReply) -> Value {
    let mut said = reply.structured.clone();
    let body = if reply.is_error { said.get_mut("error") } else { Some(&mut said) };
    let fields = body.and_then(Value::as_object_mut).expect("an answer is an object");
    assert_eq!(fields.remove("replayed"), Some(Value::Bool(true)));
    assert!(fields.remove("as_of").is_some_and(|at| at.is_string()));
    said
}

pub(crate) fn said(reply: &ToolReply) -> String {
    text(reply, if reply.is_error { "/error/code" } else { "/status" })
}

pub(crate) fn effects(reply: &ToolReply) -> String {
    text(reply, if reply.is_error { "/error/effects" } else { "/effects" })
}

pub(crate) fn is_paid(order: &Order) -> bool {
    order.saga.ending == Some(Ending::Paid)
}

async fn call(app: Arc<App>, tool: String, arguments: Value) -> ToolReply {
    let begun = Instant::now();
    let call = ToolCall {
        name: tool.clone(),
        arguments: arguments.into(),
        user: "ann".into(),
        correlation_id: None,
        idempotency_key: None,
    };
    let reply = app.call_tool(call).await.expect("the tool exists");
    app.answered(&reply);
    assert!(begun.elapsed() <= app.policy().tool_deadline, "{tool} took {:?}", begun.elapsed());
    if reply.is_error {
        serde_json::from_value::<ToolError>(reply.structured["error"].clone()).expect("a whole error");
    } else {
        let broken: Vec<_> = OUTPUTS[tool.as_str()].iter_errors(&reply.structured).map(|e| e.to_string()).collect();
        assert!(broken.is_empty(), "{tool} answered {}: {broken:?}", reply.structured);
    }
    reply
}

/// What each tool promises to answer.
static OUTPUTS: LazyLock<BTreeMap<&'static str, Validator>> = LazyLock::new(|| {
    let compiled = |tool: &tools::Tool| {
        (tool.spec.name, jsonschema::validator_for(&tool.spec.output_schema).expect("a valid schema"))
    };
    tools::table().iter().map(compiled).collect()
});
