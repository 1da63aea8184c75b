//! The structured log (F15): a line when a tool call begins and one when it is answered, one an attempt at a provider, one a
//! step of a sale, one `checkout_result` a told sale, one an alert, one an event of the service itself.
//!
//! The lines are typed, so that what production prints as JSON on stderr and what a test reads are the same. Every line has
//! `log` (its kind), `event`, `level` and `time`; durations are in whole milliseconds.

mod attempt;
mod call;
mod service;

use std::borrow::Cow;
use std::sync::Arc;

pub use attempt::{AttemptLine, AttemptOutcome, AttemptUrgency};
pub use call::{Asked, AskedItem, CallLine, Notes, UNKNOWN_TOOL};
pub use service::{ServiceEvent, ServiceLine};

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::error::{Code, ErrorType};
use crate::ids::{CorrelationId, EventId, OrderId, SessionId, UserId, WorkflowId};
use crate::money::Money;
use crate::ports::BoxFuture;
use crate::webhooks::event::EventType;

/// How a step went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Begun; another line says how it ended.
    Started,
    /// Done.
    Success,
    /// Failed for good.
    Failed,
    /// Will be tried again.
    Retry,
    /// What it had done was undone.
    RolledBack,
}

impl StepStatus {
    /// The event's name in the log.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Started => "workflow_step_started",
            Self::Success => "workflow_step_succeeded",
            Self::Failed => "workflow_step_failed",
            Self::Retry => "workflow_step_retried",
            Self::RolledBack => "workflow_step_rolled_back",
        }
    }
}

/// How loud a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As planned.
    Info,
    /// Worth a look in numbers.
    Warn,
    /// A failure.
    Error,
}

impl Level {
    /// How loud a failure is: only what is technical is a failure of this system. What the caller got wrong is worth a look
    /// in numbers, and a business that says no is business as usual.
    pub const fn of(code: Code) -> Self {
        match code.kind() {
            ErrorType::Technical => Self::Error,
            ErrorType::Logical => Self::Warn,
            ErrorType::Business | ErrorType::Interrupted => Self::Info,
        }
    }
}

/// One step of a workflow or saga.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepLine {
    /// As [`StepStatus::event`] names it.
    pub event: Cow<'static, str>,
    /// How loud.
    pub level: Level,
    /// Whose.
    pub user_id: UserId,
    /// In which workflow, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workflow_id: Option<WorkflowId>,
    /// The step: a tool's name, `unknown_tool`, or `order`, `reserve`, `charge`, `commit`, `release`, `refund`, `restock`, `settle`.
    pub step_id: Cow<'static, str>,
    /// How it went.
    pub status: StepStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<Code>,
    /// The caller's key, where the step has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idempotency_key: Option<SmolStr>,
    /// Ties the line to the call.
    pub correlation_id: CorrelationId,
    /// The order, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// How long it took: a call until its answer, a step of a sale this round of it.
    pub duration_ms: u64,
    /// How many requests were sent to providers for it meanwhile.
    pub attempts: u32,
    /// Of a step that will be tried again: how long until then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wait_ms: Option<u64>,
    /// Of a search: how many products fit. 0 is a success without a match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub found: Option<u32>,
    /// Of a tool call: what it asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<Arc<Asked>>,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

/// What a sale was told to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStatus {
    /// Paid and committed.
    Success,
    /// Nothing stands.
    Failed,
    /// Not settled yet.
    Pending,
    /// It was paid and has been taken back.
    Cancelled,
}

/// One `checkout_result` event (I1): written whenever `create_order` answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckoutResult {
    /// `checkout_result`.
    pub event: Cow<'static, str>,
    /// How loud: as the code of a failure is.
    pub level: Level,
    /// The call that was answered.
    pub request_id: CorrelationId,
    /// Whose.
    pub user_id: UserId,
    /// Which session.
    pub checkout_session_id: SessionId,
    /// What was told.
    pub status: CheckoutStatus,
    /// Why not success.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<Code>,
    /// The order, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// In which workflow, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workflow_id: Option<WorkflowId>,
    /// What is paid, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amount: Option<Money>,
    /// Whether an earlier call under this key was answered the same: the sale counts once.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub replayed: bool,
    /// How long the call took.
    pub duration_ms: u64,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

/// Something a person must see now (F16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// An order waits for a person.
    OrderParked,
    /// Money has stood for longer than it may for an order that waits for a person, and pays for no sale.
    MoneyStands,
    /// A provider took another amount than agreed.
    AmountMismatch,
    /// More than one charge stood for one order.
    DoubleCharge,
    /// A provider keeps failing.
    ProviderDown,
    /// A payment came under a reference that is no order's.
    UnknownPayment,
    /// Cards are charged, and the payment provider tells nothing of it.
    WebhooksMissing,
    /// One step keeps failing for technical reasons.
    StepFailing,
    /// Attempts at a provider keep running into their time-out.
    TimeOuts,
    /// The own store has refused every write for a while.
    StoreDown,
    /// A bug in a tool's handler took a call down.
    HandlerPanicked,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::OrderParked,
        Self::MoneyStands,
        Self::AmountMismatch,
        Self::DoubleCharge,
        Self::ProviderDown,
        Self::UnknownPayment,
        Self::WebhooksMissing,
        Self::StepFailing,
        Self::TimeOuts,
        Self::StoreDown,
        Self::HandlerPanicked,
    ];

    /// The kind's name, as in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderParked => "order_parked",
            Self::MoneyStands => "money_stands",
            Self::AmountMismatch => "amount_mismatch",
            Self::DoubleCharge => "double_charge",
            Self::ProviderDown => "provider_down",
            Self::UnknownPayment => "unknown_payment",
            Self::WebhooksMissing => "webhooks_missing",
            Self::StepFailing => "step_failing",
            Self::TimeOuts => "time_outs",
            Self::StoreDown => "store_down",
            Self::HandlerPanicked => "handler_panicked",
        }
    }

    /// How soon a person must see it. What waits for a person without losing anything meanwhile is a ticket.
    pub const fn severity(self) -> Severity {
        match self {
            Self::OrderParked | Self::UnknownPayment => Severity::Ticket,
            Self::MoneyStands
            | Self::AmountMismatch
            | Self::DoubleCharge
            | Self::ProviderDown
            | Self::WebhooksMissing
            | Self::StepFailing
            | Self::TimeOuts
            | Self::StoreDown
            | Self::HandlerPanicked => Severity::Page,
        }
    }
}

/// How soon a person must see an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Now.
    Page,
    /// In working hours.
    Ticket,
}

/// One alert.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// `alert`.
    pub event: Cow<'static, str>,
    /// `error` for a page, `warn` for a ticket.
    pub level: Level,
    /// What.
    pub kind: AlertKind,
    /// How soon a person must see it.
    pub severity: Severity,
    /// The same for all alerts of one cause, whichever process sends them: kind and order, provider or step.
    pub dedup_key: SmolStr,
    /// About which order, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// What stands and what to do, in one sentence.
    pub message: String,
    /// Ties the alert to the call.
    pub correlation_id: CorrelationId,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

impl Alert {
    /// An alert of a kind about something: alerts of one kind about one thing are one cause.
    pub fn new(
        kind: AlertKind,
        about: &str,
        message: impl Into<String>,
        correlation_id: &CorrelationId,
        time: jiff::Timestamp,
    ) -> Self {
        let severity = kind.severity();
        let name = kind.name();
        Self {
            event: Cow::Borrowed("alert"),
            level: match severity {
                Severity::Page => Level::Error,
                Severity::Ticket => Level::Warn,
            },
            kind,
            severity,
            dedup_key: if about.is_empty() { name.into() } else { format_smolstr!("{name}:{about}") },
            order_id: None,
            message: message.into(),
            correlation_id: correlation_id.clone(),
            time,
        }
    }

    /// The alert, of an order.
    #[must_use]
    pub fn of_order(self, order_id: Option<&OrderId>) -> Self {
        Self { order_id: order_id.cloned(), ..self }
    }
}

/// What became of a webhook delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    /// Taken in.
    Accepted,
    /// Taken in earlier.
    Duplicate,
    /// Of no concern.
    Ignored,
    /// Left to a person.
    Parked,
    /// Not the provider's, or no event.
    Refused,
    /// The store failed; it will come again.
    Failed,
}

impl WebhookStatus {
    /// The event's name in the log.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Accepted | Self::Duplicate | Self::Ignored | Self::Parked => "webhook_received",
            Self::Refused => "webhook_refused",
            Self::Failed => "webhook_failed",
        }
    }
}

/// One delivery of the payment provider's webhooks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebhookLine {
    /// `webhook_received`, `webhook_refused` or `webhook_failed`.
    pub event: Cow<'static, str>,
    /// How loud.
    pub level: Level,
    /// What became of it.
    pub status: WebhookStatus,
    /// The provider's event, where the delivery was signed and is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<EventId>,
    /// What happened, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<EventType>,
    /// The merchant reference, likewise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// Of what was refused: how many there were since the last such line. Anybody can post, and only so many lines are written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

/// A line of the structured log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "log", rename_all = "snake_case")]
pub enum LogLine {
    /// A step.
    Step(StepLine),
    /// A told sale.
    CheckoutResult(CheckoutResult),
    /// An alert.
    Alert(Alert),
    /// A webhook.
    Webhook(WebhookLine),
    /// A tool call begins.
    Call(CallLine),
    /// An attempt at a provider.
    Attempt(AttemptLine),
    /// An event of the service.
    Service(ServiceLine),
}

impl LogLine {
    /// How loud.
    pub const fn level(&self) -> Level {
        match self {
            Self::Step(line) => line.level,
            Self::CheckoutResult(line) => line.level,
            Self::Alert(line) => line.level,
            Self::Webhook(line) => line.level,
            Self::Call(line) => line.level,
            Self::Attempt(line) => line.level,
            Self::Service(line) => line.level,
        }
    }

    /// Whether it must not be dropped, however long nobody reads the log.
    pub const fn is_kept(&self) -> bool {
        match self {
            Self::CheckoutResult(_) | Self::Alert(_) => true,
            Self::Step(_) | Self::Webhook(_) | Self::Call(_) | Self::Attempt(_) | Self::Service(_) => false,
        }
    }
}

/// Where log lines go.
pub trait StepLog: Send + Sync {
    /// Takes one line; never fails and never waits.
    fn record(&self, line: LogLine);

    /// How many lines were dropped in this process's life because nobody read them.
    fn dropped(&self) -> u64 {
        0
    }

    /// Ends once every line that must not be dropped and was recorded so far has been written.
    fn written(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
