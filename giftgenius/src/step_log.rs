//! The structured log (F15): one line a step, one `checkout_result` a told sale, one alert a thing a person must see.
//!
//! The lines are typed, so that what production prints as JSON on stderr and what a test reads are the same.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::error::Code;
use crate::ids::{CorrelationId, EventId, OrderId, SessionId, UserId, WorkflowId};
use crate::webhooks::event::EventType;

/// How a step went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Done.
    Success,
    /// Failed for good.
    Failed,
    /// Will be tried again.
    Retry,
    /// What it had done was undone.
    RolledBack,
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

/// One step of a workflow or saga.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepLine {
    /// `workflow_step_succeeded`, `workflow_step_failed`, `workflow_step_retried` or `workflow_step_rolled_back`.
    pub event: Cow<'static, str>,
    /// How loud.
    pub level: Level,
    /// Whose.
    pub user_id: UserId,
    /// In which workflow, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workflow_id: Option<WorkflowId>,
    /// The step: a tool's name, or `order`, `reserve`, `charge`, `commit`, `release`, `refund`, `restock`, `settle`.
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
}

/// One `checkout_result` event (I1): written whenever `create_order` answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckoutResult {
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
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

/// Something a person must see now (F16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// An order waits for a person.
    OrderParked,
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
}

/// One alert.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// What.
    pub kind: AlertKind,
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
}

/// Where log lines go.
pub trait StepLog: Send + Sync {
    /// Takes one line; never fails and never waits.
    fn record(&self, line: LogLine);
}
