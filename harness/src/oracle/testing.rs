//! Runs written by hand: a small language for traces and books, for the oracles' tests.
//!
//! [`Run`] writes events as the world and the host would; [`Run::sale`] is a whole correct purchase. A test writes a
//! run, breaks one thing in it, and asks one oracle. Longer than most files here, because it is one vocabulary: a test
//! that had to gather its words from several places would not read as a sentence.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::error::{Code, Effects, ToolError};
use giftgenius::ids::{CorrelationId, OrderId};
use giftgenius::money::{Currency, Money};
use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::step_log::{
    Alert, AlertKind, AttemptLine, AttemptOutcome, AttemptUrgency, CallLine, CheckoutResult, CheckoutStatus, Level,
    LogLine, StepLine, StepStatus,
};
use serde_json::{Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::evidence::{OrderAtRest, ParkedOrder};
use super::needles::Needles;
use super::{Evidence, Oracle, Rest, Setting, Verdict};
use crate::fault::Fault;
use crate::fault::plan::Plan;
use crate::fault::site::{Place, Site};
use crate::provider::OperationSpec;
use crate::provider::ledger::{Effect, EffectId, EffectKind};
use crate::provider::operations::{CHARGE, COMMIT, QUOTE, RESERVE};
use crate::scenario::model::{Replicas, WorldKind};
use crate::trace::{CallId, CallStarted, EventKind, ExchangeId, HostReply, Record, Seen, Sent, Write};

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
        let call = CallId(self.calls);
        self.calls += 1;
        let step = self.calls;
        self.correlation = format!("step-{step}.1");
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

    pub(super) fn reply(&mut self, call: CallId, reply: HostReply) {
        self.push(EventKind::CallEnded { call, reply });
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

    // ---- the providers

    /// A request under the current correlation id.
    pub(super) fn send(
        &mut self,
        operation: &'static OperationSpec,
        reference: Option<&str>,
        key: Option<&str>,
    ) -> ExchangeId {
        self.send_faulty(operation, reference, key, None)
    }

    pub(super) fn send_faulty(
        &mut self,
        operation: &'static OperationSpec,
        reference: Option<&str>,
        key: Option<&str>,
        fault: Option<Fault>,
    ) -> ExchangeId {
        let arrival =
            1 + self.record.trace.sent().filter(|(_, _, sent)| std::ptr::eq(sent.operation, operation)).count();
        let exchange = self.record.next_exchange();
        let sent = Sent {
            exchange,
            site: Site {
                place: operation.into(),
                arrival: u32::try_from(arrival).expect("a handful of requests"),
                for_step: None,
            },
            operation,
            key: key.map(Into::into),
            correlation: self.correlation.as_str().into(),
            step: crate::world::stage::step_of(&self.correlation),
            reference: reference.map(Into::into),
            amount: (operation.label == CHARGE.label).then_some(PRICE),
            currency: (operation.label == CHARGE.label).then_some(Currency::EUR),
            customer: (operation.label == CHARGE.label).then(|| self.user.into()),
            question: self.question,
            fault,
        };
        self.push(EventKind::Sent(Box::new(sent)));
        exchange
    }

    /// The provider takes it in and says so.
    pub(super) fn deliver(&mut self, exchange: ExchangeId) {
        self.push(EventKind::Delivered { exchange, status: 200, replay_of: None });
    }

    pub(super) fn see(&mut self, exchange: ExchangeId, seen: Seen) {
        let sent = self.record.trace.sent().find(|(_, _, sent)| sent.exchange == exchange);
        let (begun, sent) = sent.map(|(_, event, sent)| (event.at, sent)).expect("it was sent");
        let (operation, correlation, provider_key) = (sent.operation.label, sent.correlation.clone(), sent.key.clone());
        let took =
            if seen == Seen::Silence { self.policy.retry.attempt_timeout } else { self.now.saturating_sub(begun) };
        let retry_after_ms = match &seen {
            Seen::Reply { retry_after: Some(after), .. } => u64::try_from(after.as_millis()).ok(),
            _ => None,
        };
        let (outcome, status) = match &seen {
            Seen::Reply { status: status @ 200..=299, .. } => (AttemptOutcome::Ok, Some(*status)),
            Seen::Reply { status, .. } => (AttemptOutcome::Status, Some(*status)),
            Seen::Silence => (AttemptOutcome::TimedOut, None),
            Seen::Broken => (AttemptOutcome::Broken, None),
            Seen::Cut => (AttemptOutcome::Cut, None),
            Seen::Refused => (AttemptOutcome::NotSent, None),
        };
        self.push(EventKind::Answered { exchange, seen });
        let line = self.attempt(operation, 1, outcome);
        let is_waited_for = self.now <= self.called + self.policy.tool_deadline;
        self.log(LogLine::Attempt(AttemptLine {
            urgency: if is_waited_for { AttemptUrgency::Caller } else { AttemptUrgency::Background },
            status,
            provider_key,
            retry_after_ms,
            duration_ms: u64::try_from(took.as_millis()).expect("short"),
            correlation_id: correlation.as_str().into(),
            ..line
        }));
    }

    /// The line of an attempt that a caller waits for.
    pub(super) fn attempt(&self, operation: &'static str, number: u32, outcome: AttemptOutcome) -> AttemptLine {
        AttemptLine {
            event: "provider_attempt".into(),
            level: if outcome == AttemptOutcome::Ok { Level::Info } else { Level::Warn },
            operation: operation.into(),
            number,
            urgency: AttemptUrgency::Caller,
            outcome,
            status: None,
            duration_ms: 0,
            retry_after_ms: None,
            wait_ms: None,
            provider_key: None,
            correlation_id: self.correlation.as_str().into(),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// Delivered, and a whole 200 seen.
    pub(super) fn ok(&mut self, exchange: ExchangeId) {
        self.deliver(exchange);
        self.status(exchange, 200);
    }

    pub(super) fn status(&mut self, exchange: ExchangeId, status: u16) {
        self.see(exchange, Seen::Reply { status, retry_after: None, intact: true });
    }

    /// Silence, and the time-out it costs.
    pub(super) fn silence(&mut self, exchange: ExchangeId) {
        self.see(exchange, Seen::Silence);
        self.now += self.policy.retry.attempt_timeout;
    }

    /// An effect, as brought by an exchange.
    pub(super) fn effect(
        &mut self,
        kind: EffectKind,
        reference: &str,
        exchange: Option<ExchangeId>,
        undoes: Option<EffectId>,
    ) -> EffectId {
        let money = match kind {
            EffectKind::Charge | EffectKind::Refund | EffectKind::Dispute | EffectKind::RefundFailed => Some(PRICE),
            EffectKind::Close
            | EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Commit
            | EffectKind::Restock => None,
        };
        self.effect_of(kind, reference, exchange, undoes, money)
    }

    pub(super) fn effect_of(
        &mut self,
        kind: EffectKind,
        reference: &str,
        exchange: Option<ExchangeId>,
        undoes: Option<EffectId>,
        minor_units: Option<i64>,
    ) -> EffectId {
        let number = u32::try_from(self.record.ledger.effects.len()).expect("a handful of effects");
        let sent = exchange.and_then(|exchange| {
            self.record
                .trace
                .sent()
                .find(|(_, _, sent)| sent.exchange == exchange)
                .map(|(_, _, sent)| (sent.key.clone(), sent.correlation.clone()))
        });
        let (key, correlation) = sent.unwrap_or_default();
        let stock = match kind {
            EffectKind::Charge
            | EffectKind::Refund
            | EffectKind::Dispute
            | EffectKind::RefundFailed
            | EffectKind::Close => Vec::new(),
            EffectKind::Reserve
            | EffectKind::Release
            | EffectKind::Expire
            | EffectKind::Commit
            | EffectKind::Restock => vec![(SmolStr::new("tea-set"), 1)],
        };
        let effect = Arc::new(Effect {
            id: EffectId(number),
            at: self.now,
            exchange,
            kind,
            reference: reference.into(),
            subject: format_smolstr!("{}_{number}", kind.name()),
            amount: minor_units.map(|minor_units| Money::new(minor_units, Currency::EUR)),
            stock,
            undoes,
            key,
            correlation,
        });
        self.record.ledger.effects.push(effect.clone());
        self.push(EventKind::Effect(effect));
        EffectId(number)
    }

    /// A request that is applied, answered whole, and logged as a step: `reserve`, `charge`, …
    pub(super) fn done(
        &mut self,
        operation: &'static OperationSpec,
        kind: EffectKind,
        reference: &str,
        undoes: Option<EffectId>,
    ) -> EffectId {
        let key = format!("{} {reference}", kind.name());
        let exchange = self.send(operation, Some(reference), Some(&key));
        let effect = self.effect(kind, reference, Some(exchange), undoes);
        self.ok(exchange);
        let order = reference.replace("/1", "");
        self.order_step(kind.name(), StepStatus::Success, &order);
        effect
    }

    pub(super) fn reserve(&mut self, order: &str) -> EffectId {
        self.done(&RESERVE, EffectKind::Reserve, &format!("{order}/1"), None)
    }

    pub(super) fn charge(&mut self, order: &str) -> EffectId {
        self.done(&CHARGE, EffectKind::Charge, order, None)
    }

    pub(super) fn commit(&mut self, order: &str, reserve: EffectId) -> EffectId {
        let reference = format!("{order}/1");
        self.done(&COMMIT, EffectKind::Commit, &reference, Some(reserve))
    }

    // ---- the log

    pub(super) fn log(&mut self, line: LogLine) {
        self.push(EventKind::Log(Box::new(line)));
    }

    pub(super) fn line(&self, step: &str, status: StepStatus, code: Option<Code>) -> StepLine {
        let (event, level) = match status {
            StepStatus::Success => ("workflow_step_succeeded", Level::Info),
            StepStatus::Failed => ("workflow_step_failed", Level::Error),
            StepStatus::Retry => ("workflow_step_retried", Level::Warn),
            StepStatus::RolledBack => ("workflow_step_rolled_back", Level::Info),
            StepStatus::Started => ("workflow_step_started", Level::Info),
        };
        let level = code.map_or(level, Level::of);
        let key = self.record.trace.events.iter().find_map(|event| match &event.kind {
            EventKind::CallStarted(started) if *started.correlation == self.correlation => started.key.clone(),
            _ => None,
        });
        StepLine {
            event: event.to_owned().into(),
            level,
            user_id: self.user.into(),
            workflow_id: None,
            step_id: step.to_owned().into(),
            status,
            error_code: code,
            idempotency_key: key,
            correlation_id: self.correlation.as_str().into(),
            order_id: None,
            duration_ms: u64::try_from(self.now.saturating_sub(self.called).as_millis()).expect("short"),
            attempts: self.sent_since_the_call(),
            wait_ms: None,
            found: None,
            asked: Some(Arc::default()),
            time: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn sent_since_the_call(&self) -> u32 {
        let sent = self.record.trace.sent().filter(|(_, _, sent)| *sent.correlation == self.correlation).count();
        u32::try_from(sent).expect("a handful of requests")
    }

    pub(super) fn step(&mut self, step: &str, status: StepStatus, code: Option<Code>) {
        let line = self.line(step, status, code);
        self.log(LogLine::Step(line));
    }

    pub(super) fn order_step(&mut self, step: &str, status: StepStatus, order: &str) {
        let mut line = self.line(step, status, None);
        line.order_id = Some(order.into());
        self.log(LogLine::Step(line));
    }

    pub(super) fn result(&mut self, session: &str, status: CheckoutStatus, code: Option<Code>) {
        let line = CheckoutResult {
            event: "checkout_result".into(),
            level: code.map_or(Level::Info, Level::of),
            order_id: None,
            workflow_id: None,
            amount: None,
            replayed: false,
            duration_ms: 0,
            request_id: self.correlation.as_str().into(),
            user_id: self.user.into(),
            checkout_session_id: session.into(),
            status,
            error_code: code,
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        self.log(LogLine::CheckoutResult(line));
    }

    pub(super) fn alert(&mut self, kind: AlertKind, order: &str) {
        let correlation = CorrelationId::from(self.correlation.as_str());
        let line = Alert::new(kind, order, "look at it", &correlation, jiff::Timestamp::UNIX_EPOCH);
        self.log(LogLine::Alert(line.of_order(Some(&order.into()))));
    }

    // ---- the store

    /// A write to the journal that goes well.
    pub(super) fn write(&mut self) {
        let trace = &mut self.record.trace;
        trace.writes.push(Write { at: trace.events.len(), incarnation: self.process });
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

pub(super) fn session_answer(id: &str, minor_units: i64) -> Value {
    json!({
        "checkout_session_id": id,
        "amount": {"minor_units": minor_units, "currency": "EUR"},
        "items": [{"sku": "tea-set", "quantity": 1}],
        "expires_at": "2026-01-01T01:00:00Z",
    })
}

pub(super) fn order_arguments(session: &str, key: &str) -> Value {
    json!({
        "checkout_session_id": session,
        "payment_method_id": "pm_visa",
        "idempotency_key": key,
    })
}

pub(super) fn success(session: &str, order: &str) -> Value {
    json!({
        "status": "success",
        "order_id": order,
        "checkout_session_id": session,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
        "effects": "charged",
    })
}

pub(super) fn pending(session: &str, order: &str, effects: &str) -> Value {
    json!({
        "status": "pending",
        "order_id": order,
        "checkout_session_id": session,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
        "effects": effects,
        "retry_after_ms": 2000,
        "needs_attention": false,
        "user_message": "Your order is still being processed; wait a moment.",
    })
}

pub(super) fn order_answer(order: &str, status: &str) -> Value {
    let effects = match status {
        "success" => "charged",
        "pending" => "unknown",
        _ => "none",
    };
    json!({
        "order_id": order,
        "status": status,
        "effects": effects,
        "needs_attention": false,
        "amount": {"minor_units": PRICE, "currency": "EUR"},
    })
}
