//! The application: ports and policy wired together, and the one way in, [`App::call_tool`].

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::attempts::{Counts, millis};
use crate::checkout::answer::{error_code, failed_reply};
use crate::checkout::entry::SavedReply;
use crate::checkout::idempotency::canonical_hash;
use crate::checkout::known_paid::KnownPaid;
use crate::checkout::order::Order;
use crate::checkout::recovery;
use crate::checkout::waiters::Waiters;
use crate::error::{Code, ToolError};
use crate::ids::{CorrelationId, OrderId, UserId, WorkflowId};
use crate::journal::watched::{StoreWatch, Watched};
use crate::journal::{Batch, CommitError, JournalError, Key, Overview, Record};
use crate::limits::Limits;
use crate::loops::Loops;
use crate::operations::alerts::Alerts;
use crate::operations::rates::OwnAlert;
use crate::operations::switches;
use crate::policy::Policy;
use crate::ports::Ports;
use crate::printed::echoed;
use crate::providers::Caller;
use crate::retry::Budgets;
use crate::step_log::{
    AlertKind, Asked, CallLine, Level, LogLine, ServiceEvent, ServiceLine, StepLine, StepStatus, UNKNOWN_TOOL,
};
use crate::throttle::Summary;
use crate::tools::{self, Call};
use crate::validate::{holds_a_card_number, nearest, scrubbed};
use crate::webhooks::WebhookSecret;
use crate::workflow::{Step, Workflow};

/// One tool call, as the connection hands it over.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The tool's name as sent.
    pub name: String,
    /// The arguments as sent; `Value::Null` when absent.
    pub arguments: Arc<Value>,
    /// Who calls, as the connection says.
    pub user: UserId,
    /// `correlation_id` from the request's `_meta`; made up when absent.
    pub correlation_id: Option<CorrelationId>,
    /// `idempotency_key` from the request's `_meta`; counts when the arguments have none.
    pub idempotency_key: Option<String>,
}

/// A tool's answer.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolReply {
    /// `structuredContent`: the result, or `{"error": {…}}`.
    pub structured: Value,
    /// Whether it is a tool error.
    pub is_error: bool,
    /// Of this call; travels back in `_meta`.
    pub correlation_id: CorrelationId,
    /// Under which the call was made, where it was made under one; travels back in `_meta`.
    pub idempotency_key: Option<SmolStr>,
}

/// There is no such tool: a protocol error, not a tool error.
#[derive(Debug, thiserror::Error)]
#[error("unknown tool `{name}`{}", suggestion.as_deref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct UnknownTool {
    /// As it was called, cut to what is worth repeating.
    pub name: String,
    /// The nearest name that exists.
    pub suggestion: Option<&'static str>,
}

/// What a tool promises about itself (MCP tool annotations); held to behaviour by tests.
#[expect(clippy::struct_excessive_bools, reason = "MCP defines four independent hints, each true or false")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// What it changes cannot simply be changed back.
    pub destructive: bool,
    /// The identical call again changes nothing more.
    pub idempotent: bool,
    /// It speaks to the world outside.
    pub open_world: bool,
}

/// A tool as it is published.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    /// The name.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For the model.
    pub description: &'static str,
    /// JSON Schema (2020-12) of the arguments.
    pub input_schema: Arc<Value>,
    /// JSON Schema of the structured content of a success.
    pub output_schema: Arc<Value>,
    /// Its promises.
    pub annotations: Annotations,
}

/// What a step of a sale took.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Took {
    /// This round of it.
    pub duration: Duration,
    /// How many requests were sent in it.
    pub attempts: u32,
    /// How long until the next round, where one follows.
    pub wait: Option<Duration>,
}

/// A key as it stands in the log and goes back to its caller; none that holds a card's number does, and the tools refuse it.
fn kept_key(key: &str) -> Option<SmolStr> {
    (!holds_a_card_number(key)).then(|| key.into())
}

/// How the sagas stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SagaCounts {
    /// With work left.
    pub open: usize,
    /// Waiting for a person.
    pub parked: usize,
}

/// The application.
pub struct App {
    caller: Caller,
    /// Calls that keep failing for good.
    pub(crate) loops: Loops,
    /// Which sales this process has begun, and has told to be paid.
    pub(crate) known_paid: KnownPaid,
    /// What each user has had of late.
    pub(crate) limits: Limits,
    /// Who waits for an order in this process.
    pub(crate) waiters: Waiters,
    /// Under which the payment provider signs its webhooks; without it none is taken in.
    webhook_secret: Option<WebhookSecret>,
    /// How the store does.
    store: Arc<StoreWatch>,
    /// Whether sales were allowed when that was last read.
    checkout_was_on: AtomicBool,
    /// The lines of deliveries to the webhook that were refused.
    refused_deliveries: Mutex<Summary>,
    /// Calls of tools that there are not, by users who have made too many calls.
    held_off: Mutex<Summary>,
}

impl App {
    /// Wires the application; it takes no webhooks in.
    pub fn new(ports: Ports, policy: Policy) -> Arc<Self> {
        Self::with_webhooks(ports, policy, None)
    }

    /// Wires the application; with a secret it takes the payment provider's webhooks in.
    pub fn with_webhooks(mut ports: Ports, policy: Policy, webhook_secret: Option<WebhookSecret>) -> Arc<Self> {
        let (journal, store) = Watched::new(ports.journal, Arc::clone(&ports.log), Arc::clone(&ports.clock));
        ports.journal = Arc::new(journal);
        let budgets = Budgets::new(policy.budget);
        let refused_deliveries = Mutex::new(Summary::after(policy.http.refusals_at_once.into()));
        Arc::new(Self {
            caller: Caller { ports, policy, budgets, alerts: Alerts::default(), counts: Counts::default() },
            loops: Loops::default(),
            limits: Limits::default(),
            known_paid: KnownPaid::default(),
            waiters: Waiters::default(),
            webhook_secret,
            store,
            checkout_was_on: AtomicBool::new(true),
            refused_deliveries,
            held_off: Mutex::default(),
        })
    }

    /// The secret of the payment provider's webhooks.
    pub(crate) const fn webhook_secret(&self) -> Option<&WebhookSecret> {
        self.webhook_secret.as_ref()
    }

    /// The ports.
    pub fn ports(&self) -> &Ports {
        &self.caller.ports
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.caller.policy
    }

    /// The providers' clients.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Calendar time.
    pub fn now(&self) -> Timestamp {
        self.ports().clock.now()
    }

    /// The tools, in the order in which they are published.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &'static ToolSpec> {
        tools::table().iter().map(|tool| &tool.spec)
    }

    /// Calls a tool. Answers within the policy's tool deadline; dropping the future aborts no sale.
    pub async fn call_tool(self: &Arc<Self>, call: ToolCall) -> Result<ToolReply, UnknownTool> {
        let begun = self.ports().clock.instant();
        let deadline = begun + self.policy().tool_deadline;
        let Some(tool) = tools::table().iter().find(|tool| tool.spec.name == call.name) else {
            return Err(self.unknown_tool(call, begun));
        };
        let correlation = call.correlation_id.unwrap_or_else(|| CorrelationId::from(self.ports().new_id("call_")));
        let mut arguments = call.arguments;
        if arguments.is_null() {
            arguments = Arc::new(Value::Object(serde_json::Map::new()));
        }
        if let Some(key) = call.idempotency_key {
            // The key may travel in `_meta` (F4); where the arguments have one of their own, that one counts.
            let takes_key = tool.spec.input_schema.pointer("/properties/idempotency_key").is_some();
            let given = arguments.as_object().and_then(|members| members.get("idempotency_key"));
            if takes_key && given.is_some_and(|given| given.as_str() != Some(&key)) {
                tracing::warn!(%correlation, tool = tool.spec.name, "two idempotency keys were sent; the argument counts");
            }
            if takes_key && given.is_none() && arguments.is_object() {
                Arc::make_mut(&mut arguments)["idempotency_key"] = Value::from(key);
            }
        }
        let key = arguments.get("idempotency_key").and_then(Value::as_str).and_then(kept_key);
        let call = Call {
            tool: tool.spec.name,
            user: call.user,
            correlation: correlation.clone(),
            arguments,
            key: key.clone(),
            begun,
            deadline,
            asked: None,
            notes: Arc::default(),
        };
        let reply = tool.call(self, call).await;
        Ok(ToolReply {
            structured: reply.structured,
            is_error: reply.is_error,
            correlation_id: correlation,
            idempotency_key: key,
        })
    }

    /// Takes note of an answer whose caller is still there to receive it: which sales it tells paid. A face calls this for each
    /// answer that it gives.
    pub fn answered(&self, reply: &ToolReply) {
        let refused =
            || reply.structured.pointer("/error/code").and_then(Value::as_str) == Some(Code::OrderPaid.as_str());
        let field = |name: &str| reply.structured.get(name).and_then(Value::as_str);
        if !reply.is_error && field("status") == Some("success") {
            if let Some(order) = field("order_id") {
                self.known_paid.tell(&OrderId::from(order));
            }
        } else if reply.is_error
            && refused()
            && let Some(order) = reply.structured.pointer("/error/order_id").and_then(Value::as_str)
        {
            self.known_paid.refuse(&OrderId::from(order));
        }
    }

    /// Takes up every open order of an earlier life, in the background; answers how many.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, JournalError> {
        recovery::recover(self).await
    }

    /// Counts the sagas.
    pub async fn saga_counts(&self) -> Result<SagaCounts, JournalError> {
        let Overview { open, parked, switches: _ } = self.ports().journal.overview().await?;
        Ok(SagaCounts { open, parked })
    }

    /// Whether sales may begin.
    pub(crate) async fn checkout_on(&self) -> Result<bool, JournalError> {
        let on = switches::read(&*self.ports().journal).await?.checkout;
        self.note_switch(on);
        Ok(on)
    }

    /// Takes note of how the checkout switch is; a change leaves a line.
    pub(crate) fn note_switch(&self, on: bool) {
        if self.checkout_was_on.swap(on, Ordering::Relaxed) != on {
            self.log_service(ServiceLine::switched(on, self.now()));
        }
    }

    /// Takes note of a delivery to the webhook that was refused; how many there were since the last line of that, where
    /// another one is due.
    pub(crate) fn refused_deliveries(&self) -> Option<u64> {
        self.refused_deliveries.lock().expect("nothing panics while it holds the refusals").count()
    }

    /// How the store does, as far as this process has used it.
    pub fn store(&self) -> &StoreWatch {
        &self.store
    }

    /// Logs what happened to the service itself.
    pub fn log_service(&self, line: ServiceLine) {
        self.ports().log.record(LogLine::Service(line));
    }

    /// Logs an event of the service that has a count, or none.
    pub fn log_event(&self, event: ServiceEvent, count: Option<u64>) {
        self.log_service(ServiceLine { count, ..ServiceLine::new(event, self.now()) });
    }

    /// At which step a workflow is now, its session considered.
    pub(crate) async fn standing_step(&self, id: Option<&WorkflowId>) -> Result<Option<Step>, JournalError> {
        let Some(id) = id else { return Ok(None) };
        let Some((_, workflow)) = self.workflow(id).await? else { return Ok(None) };
        let session = match &workflow.session {
            Some(session) if workflow.step.is_paying() => self.session(session).await?,
            _ => None,
        };
        Ok(Some(workflow.standing_step(session.as_ref().map(|(_, session)| session), self.now())))
    }

    /// When a workflow that is written now may be dropped.
    pub(crate) fn dropped_after(&self) -> Timestamp {
        self.ports().after(self.policy().retention)
    }

    /// Writes a batch for the caller who waits for it: what takes the store longer than that is left to it.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        self.while_awaited(batch.until, self.ports().journal.commit(batch)).await
    }

    /// Waits for a write for as long as its caller can.
    pub(crate) async fn while_awaited(
        &self,
        until: Option<Instant>,
        writing: impl Future<Output = Result<(), CommitError>>,
    ) -> Result<(), CommitError> {
        let Some(until) = until else { return writing.await };
        tokio::time::timeout_at(self.answer_by(until), writing).await.unwrap_or_else(|_| {
            self.store.failed(&JournalError::Late);
            Err(JournalError::Late.into())
        })
    }

    /// Changes a workflow by compare-and-set: `change` sees the record as it is then, `along` says what is written with it.
    pub(crate) async fn change_workflow(
        &self,
        id: &WorkflowId,
        correlation: &CorrelationId,
        along: impl Fn(Batch) -> Batch,
        change: impl Fn(Option<Workflow>) -> Result<Workflow, Box<ToolError>>,
    ) -> Result<Workflow, Box<ToolError>> {
        /// Lost races before the store is called unavailable: nobody changes one workflow that often at once.
        const RACES_MAX: u32 = 8;
        for _ in 0..RACES_MAX {
            let found = self.workflow(id).await.map_err(|error| Self::store_error(&error, correlation))?;
            let (version, found) = found.map_or((None, None), |(version, found)| (Some(version), Some(found)));
            let changed = Workflow { drop_after: Some(self.dropped_after()), ..change(found)? };
            let batch = along(Batch::default().put(version, Record::Workflow(changed.clone())));
            match self.commit(batch).await {
                Ok(()) => return Ok(changed),
                // Of what is written along only a key can be there already, and its answer with it.
                Err(CommitError::Conflict(Key::Entry(_))) => break,
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(Self::store_error(&error, correlation)),
            }
        }
        Err(Self::store_error(&JournalError::Busy, correlation))
    }

    /// The store's failure, for the caller: nothing was begun (fail closed). The details go to the log only.
    pub(crate) fn store_error(error: &JournalError, correlation: &CorrelationId) -> Box<ToolError> {
        tracing::error!(error = scrubbed(&error.to_string()), %correlation, "the journal failed");
        ToolError::new(Code::StoreUnavailable, "the order store did not answer", correlation)
    }

    /// A call of a tool that there is not: it counts for its user, and is logged, as any other call. Beyond their limit it is
    /// no more than counted.
    #[cold]
    fn unknown_tool(&self, call: ToolCall, begun: Instant) -> UnknownTool {
        let names: Vec<String> = self.tools().map(|spec| spec.name.to_owned()).collect();
        let name = echoed(&call.name);
        let near = nearest(&name, &names);
        let suggestion = near.and_then(|near| self.tools().map(|spec| spec.name).find(|name| *name == near));
        if self.limits.admit(&call.user, begun, self.policy().users).is_ok() {
            self.log_unknown(call, begun, &name);
        } else {
            let held_off = self.held_off.lock().expect("nothing panics while it holds the summary").count();
            if held_off.is_some() {
                self.log_event(ServiceEvent::UnknownToolsHeldOff, held_off);
            }
        }
        UnknownTool { name, suggestion }
    }

    /// Logs a call of a tool that there is not, as any other call: what a model made up is to be counted. The lines are of
    /// one step, whatever names are thought of; which one it was stands in what was asked for.
    fn log_unknown(&self, call: ToolCall, begun: Instant, name: &str) {
        let correlation = call.correlation_id.unwrap_or_else(|| CorrelationId::from(self.ports().new_id("call_")));
        let key = call.arguments.get("idempotency_key").and_then(Value::as_str).or(call.idempotency_key.as_deref());
        let key = key.and_then(kept_key);
        let asked = Asked::of_unknown_tool(name, canonical_hash(&call.arguments));
        let call = Call {
            tool: UNKNOWN_TOOL,
            user: call.user,
            correlation: correlation.clone(),
            arguments: call.arguments,
            key,
            begun,
            deadline: begun + self.policy().tool_deadline,
            asked: Some(Arc::new(asked)),
            notes: Arc::default(),
        };
        let error = ToolError::new(Code::InvalidArguments, "there is no such tool", &correlation);
        self.log_begin(&call);
        self.log_call(&call, 0, &failed_reply(&error), false);
    }

    /// Logs that a tool call begins.
    pub(crate) fn log_begin(&self, call: &Call) {
        self.ports().log.record(LogLine::Call(CallLine {
            event: Cow::Borrowed("tool_call_begun"),
            level: Level::Info,
            user_id: call.user.clone(),
            step_id: Cow::Borrowed(call.tool),
            idempotency_key: call.key.clone(),
            correlation_id: call.correlation.clone(),
            asked: call.asked.clone().unwrap_or_default(),
            time: self.now(),
        }));
    }

    /// Logs how a tool call went. One whose handler panicked calls a person for that.
    pub(crate) fn log_call(&self, call: &Call, attempts: u32, reply: &SavedReply, panicked: bool) {
        let (error_code, now) = (error_code(reply), self.ports().clock.instant());
        // A sale that is not settled yet has neither failed nor gone well.
        let is_open = || reply.structured.get("status").and_then(Value::as_str) == Some("pending");
        if panicked {
            self.caller.note_panic(call.tool, now, &call.correlation);
        } else if !(call.tool == "create_order" && is_open()) {
            let store = match error_code {
                Some(Code::StoreUnavailable) => self.store.own_alert(),
                Some(_) | None => OwnAlert::None,
            };
            self.caller.note_call(call.tool, error_code, store, now, &call.correlation);
        }
        let (status, level) = if reply.is_error {
            (StepStatus::Failed, error_code.map_or(Level::Error, Level::of))
        } else {
            (StepStatus::Success, Level::Info)
        };
        let told = if reply.is_error { reply.structured.get("error") } else { Some(&reply.structured) };
        let (mut order_id, mut workflow_id, mut found) = (None, None, None);
        for (name, value) in told.and_then(Value::as_object).into_iter().flatten() {
            match name.as_str() {
                "order_id" => order_id = value.as_str().map(OrderId::from),
                "workflow_id" => workflow_id = value.as_str().map(WorkflowId::from),
                // What a search tells.
                "ideas" | "products" => found = value.as_array().and_then(|found| u32::try_from(found.len()).ok()),
                _ => {}
            }
        }
        let asked = || call.asked.as_ref().and_then(|asked| asked.workflow_id.clone());
        self.ports().log.record(LogLine::Step(StepLine {
            event: Cow::Borrowed(status.event()),
            level,
            user_id: call.user.clone(),
            workflow_id: workflow_id.or_else(|| call.notes.workflow().cloned()).or_else(asked),
            step_id: Cow::Borrowed(call.tool),
            status,
            error_code,
            idempotency_key: call.key.clone(),
            correlation_id: call.correlation.clone(),
            order_id,
            duration_ms: millis(now.duration_since(call.begun)),
            attempts,
            wait_ms: None,
            found,
            asked: call.asked.clone(),
            time: self.now(),
        }));
    }

    /// Logs a step of an order's saga, with what it took.
    pub(crate) fn log_step(
        &self,
        order: &Order,
        step: &'static str,
        status: StepStatus,
        code: Option<Code>,
        took: Took,
    ) {
        let level = match (status, code) {
            (StepStatus::Started | StepStatus::Success, _) => Level::Info,
            (StepStatus::Retry, _) | (StepStatus::RolledBack, None) => Level::Warn,
            (StepStatus::Failed | StepStatus::RolledBack, Some(code)) => Level::of(code),
            (StepStatus::Failed, None) => Level::Error,
        };
        self.ports().log.record(LogLine::Step(StepLine {
            event: Cow::Borrowed(status.event()),
            level,
            user_id: order.user.clone(),
            workflow_id: order.workflow_id.clone(),
            step_id: Cow::Borrowed(step),
            status,
            error_code: code,
            idempotency_key: Some(order.entry.key.clone()),
            correlation_id: order.correlation_id.clone(),
            order_id: Some(order.id.clone()),
            duration_ms: millis(took.duration),
            attempts: took.attempts,
            wait_ms: took.wait.map(millis),
            found: None,
            asked: None,
            time: self.now(),
        }));
    }

    /// Calls a person to an order.
    pub(crate) fn alert(&self, kind: AlertKind, order: &Order, message: String) {
        self.caller.alert(kind, Some(&order.id), &order.correlation_id, message);
    }
}
