//! Runs written by hand: a small language for traces and books, for the oracles' tests.
//!
//! [`Run`] writes events as the world and the host would; [`Run::sale`] is a whole correct purchase. A test writes a
//! run, breaks one thing in it, and asks one oracle. The host, the store, rest and judging are in this file; requests
//! and effects are in `providers`, log lines in `log`, the JSON of answers in `answers`.

mod answers;
mod log;
mod providers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use giftgenius::error::{Code, Effects, ToolError};
use giftgenius::ids::{CorrelationId, OrderId};
use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::step_log::{AlertKind, CallLine, CheckoutStatus, Level, LogLine, StepStatus};
use serde_json::{Value, json};
use smol_str::SmolStr;

pub(super) use self::answers::{order_answer, order_arguments, pending, session_answer, success};
use super::evidence::{OrderAtRest, ParkedOrder};
use super::needles::Needles;
use super::{Evidence, Oracle, Rest, Setting, Shelves, Verdict};
use crate::fault::Fault;
use crate::fault::plan::Plan;
use crate::fault::site::{Place, Site};
use crate::provider::catalog::Fixture;
use crate::provider::ledger::{EffectId, EffectKind};
use crate::provider::operations::QUOTE;
use crate::scenario::model::{Replicas, WorldKind};
use crate::trace::{CallId, CallStarted, EventKind, HostReply, Record, Write};

/// The price of everything.
pub(super) const PRICE: i64 = 4200;

/// A run being written.
pub(super) struct Run {
    pub(super) record: Record,
    pub(super) rest: Rest,
    pub(super) policy: Policy,
    pub(super) world: WorldKind,
    pub(super) canaries: Vec<&'static str>,
    pub(super) plan: Plan,
    pub(super) checkout_on: bool,
    pub(super) now: Duration,
    calls: u32,
    /// When the last call was made.
    called: Duration,
    /// The correlation id that requests and log lines carry from now on.
    pub(super) correlation: String,
    pub(super) user: &'static str,
    pub(super) intent: Option<&'static str>,
    /// What requests ask from now on.
    pub(super) question: u64,
    /// The process that acts from now on.
    pub(super) process: u32,
    /// How many processes share the journal, and how far their clocks are apart.
    pub(super) replicas: Replicas,
    /// Whether what is answered again says so.
    pub(super) marks_replays: bool,
    /// Stock that differs from the shop's.
    pub(super) stock: BTreeMap<String, u32>,
}

/// Marks an answer as one that was given before.
fn mark(reply: &mut HostReply) {
    let HostReply::Tool { structured, is_error } = reply else { return };
    let structured = Arc::make_mut(structured);
    let body = if *is_error { &mut structured["error"] } else { structured };
    body["replayed"] = json!(true);
    body["as_of"] = json!("2026-01-01T00:00:00Z");
}

impl Run {
    pub(super) fn new() -> Self {
        let mut record = Record::default();
        record.incarnation = 1;
        Self {
            record,
            rest: Rest::default(),
            policy: Policy::default(),
            world: WorldKind::Sim,
            canaries: Vec::new(),
            plan: Plan::default(),
            checkout_on: true,
            now: Duration::ZERO,
            calls: 0,
            called: Duration::ZERO,
            correlation: String::new(),
            user: "ada",
            intent: Some("gift"),
            question: 0,
            process: 1,
            replicas: Replicas::default(),
            marks_replays: true,
            stock: BTreeMap::new(),
        }
    }

    pub(super) fn with_profile(profile: PaymentProfile) -> Self {
        let mut run = Self::new();
        run.policy.payment_profile = profile;
        run
    }

    // ---- time

    pub(super) fn wait_ms(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    pub(super) fn push(&mut self, kind: EventKind) {
        self.record.push_in(self.process, self.now, kind);
    }

    // ---- the host

    /// A tool call; requests and log lines belong to it from now on.
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> CallId {
        self.correlation = format!("step-{}.1", self.calls + 1);
        self.call_again(tool, arguments)
    }

    /// A call under the correlation id of the one before.
    pub(super) fn call_again(&mut self, tool: &str, arguments: Value) -> CallId {
        let call = CallId(self.calls);
        self.calls += 1;
        let step = self.calls;
        let key = arguments.get("idempotency_key").and_then(Value::as_str).map(SmolStr::new);
        self.push(EventKind::CallStarted(Box::new(CallStarted {
            call,
            step,
            tool: tool.into(),
            arguments: arguments.into(),
            key,
            user: self.user.into(),
            correlation: self.correlation.as_str().into(),
            intent: self.intent.map(Into::into),
            malformed: None,
        })));
        self.called = self.now;
        self.begun(tool);
        call
    }

    /// The line with which a call begins.
    fn begun(&mut self, tool: &str) {
        let line = CallLine {
            event: "tool_call_begun".into(),
            level: Level::Info,
            user_id: self.user.into(),
            step_id: tool.to_owned().into(),
            idempotency_key: self.line(tool, StepStatus::Success, None).idempotency_key,
            correlation_id: self.correlation.as_str().into(),
            asked: Arc::default(),
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        self.log(LogLine::Call(line));
    }

    pub(super) fn reply(&mut self, call: CallId, mut reply: HostReply) {
        if self.marks_replays && self.is_replay(call) {
            mark(&mut reply);
        }
        self.push(EventKind::CallEnded { call, reply });
    }

    /// Whether an earlier call under the key has been answered for good.
    fn is_replay(&self, call: CallId) -> bool {
        let events = || self.record.trace.events.iter();
        let started = |wanted: CallId| {
            events().find_map(|event| match &event.kind {
                EventKind::CallStarted(started) if started.call == wanted => Some(started),
                _ => None,
            })
        };
        let Some(own) = started(call).filter(|own| own.key.is_some() && own.tool == "create_order") else {
            return false;
        };
        events().any(|event| match &event.kind {
            EventKind::CallEnded { call: earlier, reply: HostReply::Tool { structured, is_error } } => {
                let for_good = if *is_error {
                    structured.pointer("/error/retryable") == Some(&json!(false))
                } else {
                    structured.get("status") != Some(&json!("pending"))
                };
                for_good
                    && started(*earlier)
                        .is_some_and(|one| (&one.tool, &one.key, &one.user) == (&own.tool, &own.key, &own.user))
            }
            _ => false,
        })
    }

    pub(super) fn answer(&mut self, call: CallId, structured: Value) {
        self.reply(call, HostReply::Tool { structured: structured.into(), is_error: false });
    }

    /// A well-formed tool error under the current correlation id.
    pub(super) fn error(&self, code: Code, order: Option<(&str, Effects)>) -> Value {
        let correlation = CorrelationId::from(self.correlation.as_str());
        let mut error = ToolError::new(code, "it did not work", &correlation);
        if let Some((order, effects)) = order {
            error = error.about(&OrderId::from(order), effects);
        }
        json!({ "error": serde_json::to_value(&*error).expect("a tool error is plain JSON") })
    }

    pub(super) fn fail(&mut self, call: CallId, structured: Value) {
        self.reply(call, HostReply::Tool { structured: structured.into(), is_error: true });
    }

    pub(super) fn fail_with(&mut self, call: CallId, code: Code, order: Option<(&str, Effects)>) {
        let error = self.error(code, order);
        self.fail(call, error);
    }

    pub(super) fn session(&mut self, id: &str) -> CallId {
        self.session_in(id, None)
    }

    /// A session of a workflow.
    pub(super) fn session_in(&mut self, id: &str, workflow: Option<&str>) -> CallId {
        let call = self.call("create_checkout_session", json!({"items": [{"sku": "tea-set", "quantity": 1}]}));
        let quote = self.send(&QUOTE, None, None);
        self.ok(quote);
        self.step("create_checkout_session", StepStatus::Success, None);
        let mut answer = session_answer(id, PRICE);
        if let Some(workflow) = workflow {
            answer["workflow_id"] = json!(workflow);
        }
        self.answer(call, answer);
        call
    }

    pub(super) fn create_order(&mut self, session: &str, key: &str) -> CallId {
        self.call("create_order", order_arguments(session, key))
    }

    /// `success` for a `create_order`, with its log lines.
    pub(super) fn tell_success(&mut self, call: CallId, session: &str, order: &str) {
        self.result(session, CheckoutStatus::Success, None);
        self.step("create_order", StepStatus::Success, None);
        self.answer(call, success(session, order));
    }

    pub(super) fn tell_pending(&mut self, call: CallId, session: &str, order: &str) {
        self.result(session, CheckoutStatus::Pending, None);
        self.step("create_order", StepStatus::Success, None);
        self.answer(call, pending(session, order, "unknown"));
    }

    pub(super) fn tell_failure(&mut self, call: CallId, session: &str, order: &str, code: Code) {
        self.result(session, CheckoutStatus::Failed, Some(code));
        self.step("create_order", StepStatus::Failed, Some(code));
        self.fail_with(call, code, Some((order, Effects::None)));
    }

    pub(super) fn get_order(&mut self, order: &str, status: &str) -> CallId {
        let call = self.call("get_order", json!({"order_id": order}));
        self.step("get_order", StepStatus::Success, None);
        self.answer(call, order_answer(order, status));
        call
    }

    // ---- the store

    /// A write to the journal that goes well, and is no order's driver's.
    pub(super) fn write(&mut self) {
        self.writes(None);
    }

    /// A write of an order's driver.
    pub(super) fn write_of(&mut self, order: &str) {
        self.writes(Some(order.into()));
    }

    fn writes(&mut self, order: Option<OrderId>) {
        let trace = &mut self.record.trace;
        trace.writes.push(Write { at: trace.events.len(), incarnation: self.process, order });
    }

    /// A write to the journal that is refused.
    pub(super) fn lost_write(&mut self) {
        self.strike(Place::JournalWrite, Fault::Busy);
    }

    /// Something goes wrong at a place that is no request's.
    pub(super) fn strike(&mut self, place: Place, fault: Fault) {
        let site = Site { place, arrival: 1, for_step: None };
        self.push(EventKind::Struck { site, fault: Box::new(fault) });
    }

    /// The process is killed, and `next` takes over from it.
    pub(super) fn die(&mut self, next: u32) {
        self.push(EventKind::Crashed);
        self.process = next;
        self.push(EventKind::Restarted);
    }

    // ---- at rest

    pub(super) fn at_rest(&mut self, order: &str, status: &'static str, money: &'static str) {
        self.rest.orders.push(OrderAtRest { order_id: order.into(), status, money });
    }

    /// The order waits for a person, as the system's record, its list and its alert say.
    pub(super) fn park(&mut self, order: &str, money: &'static str) {
        self.at_rest(order, "parked", money);
        self.rest
            .parked
            .push(ParkedOrder { order_id: order.into(), note: String::from("a charge may stand; look it up") });
        self.alert(AlertKind::OrderParked, order);
    }

    // ---- whole runs

    /// A correct purchase of `gift` as `ord_1`, from session to rest.
    pub(super) fn sale() -> Self {
        let mut run = Self::new();
        run.buy();
        run
    }

    /// A correct purchase as `ord_1`; answers charge and commit.
    pub(super) fn buy(&mut self) -> (EffectId, EffectId) {
        self.session("cs_1");
        let call = self.create_order("cs_1", "k1");
        let reserve = self.reserve("ord_1");
        let charge = self.charge("ord_1");
        let commit = self.commit("ord_1", reserve);
        self.tell_success(call, "cs_1", "ord_1");
        self.at_rest("ord_1", "paid", "charged");
        (charge, commit)
    }

    // ---- judging

    pub(super) fn with_evidence<T>(&mut self, look: impl FnOnce(&Evidence<'_>) -> T) -> T {
        let ledger = &mut self.record.ledger;
        if ledger.opening_stock.is_empty() {
            let taken = ledger
                .effects
                .iter()
                .filter(|effect| {
                    matches!(effect.kind, EffectKind::Reserve | EffectKind::Commit)
                        && ledger.stands_at(effect, Duration::MAX)
                })
                .count();
            ledger.opening_stock = vec![(SmolStr::new("tea-set"), 10)];
            ledger.closing_stock =
                vec![(SmolStr::new("tea-set"), 10 - u32::try_from(taken).expect("a handful of effects"))];
        }
        let canaries = Needles::new(&self.canaries);
        let fixture = Fixture::embedded();
        let evidence = Evidence::new(
            &self.record.trace,
            &self.record.ledger,
            &self.rest,
            Setting {
                policy: &self.policy,
                world: self.world,
                canaries: canaries.as_ref(),
                plan: &self.plan,
                checkout_on_at_start: self.checkout_on,
                replicas: self.replicas,
                shop: Shelves { fixture: &fixture, stock: &self.stock },
            },
        );
        look(&evidence)
    }

    #[track_caller]
    pub(super) fn kept(&mut self, oracle: &Oracle) {
        let verdict = self.with_evidence(oracle.check);
        assert_eq!(verdict, Verdict::Kept, "{}", oracle.id);
    }

    /// The sentences of the breaches, joined; a panic where there is none.
    #[track_caller]
    pub(super) fn broken(&mut self, oracle: &Oracle) -> String {
        match self.with_evidence(oracle.check) {
            Verdict::Broken(violations) => {
                for violation in &violations {
                    assert_eq!(violation.oracle, oracle.id);
                    let events = self.record.trace.events.len();
                    assert!(violation.events.iter().all(|event| *event < events));
                }
                let messages: Vec<&str> = violations.iter().map(|it| it.message.as_str()).collect();
                messages.join("\n")
            }
            other @ (Verdict::Kept | Verdict::NoVerdict(_)) => {
                panic!("{} should have been broken, but: {other:?}", oracle.id)
            }
        }
    }

    /// Kept or broken, as a row of a table says.
    #[track_caller]
    pub(super) fn kept_if(&mut self, oracle: &Oracle, is_kept: bool) {
        if is_kept {
            self.kept(oracle);
        } else {
            self.broken(oracle);
        }
    }

    /// Broken with these words where there are any, else kept.
    #[track_caller]
    pub(super) fn kept_unless(&mut self, oracle: &Oracle, broken: Option<&str>) {
        match broken {
            Some(words) => {
                let said = self.broken(oracle);
                assert!(said.contains(words), "{said}");
            }
            None => self.kept(oracle),
        }
    }

    /// Every oracle keeps quiet.
    #[track_caller]
    pub(super) fn kept_by_all(&mut self) {
        self.canaries = vec!["sk_live_4242", "4242424242424242"];
        // Answers written by hand hold what the rules look at, and not all that a tool publishes.
        for oracle in super::ALL.iter().filter(|oracle| oracle.id != super::output_schema::OUTPUT_SCHEMA.id) {
            self.kept(oracle);
        }
    }
}
