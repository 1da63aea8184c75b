//! What happens to the service itself: its start and end, its switch, its store and its log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::Level;
use crate::ids::{CorrelationId, OrderId};
use crate::policy::{PaymentProfile, Policy};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceEvent {
    /// The process is up: version, payment profile and policy numbers.
    ServiceStarted,
    /// The process was asked to end.
    ServiceStopping,
    /// It has ended in good order; `count` orders are left to recovery.
    ServiceStopped,
    /// The checkout switch was turned.
    CheckoutSwitched,
    /// The store failed.
    StoreFailed,
    /// `count` lines were dropped because the log was not read.
    LogLinesDropped,
    /// `count` requests without a known token were refused since the last such line; the last came from `peer` for `path`.
    Unauthorised,
    /// `count` connections without a token were closed since the last such line: all `places` were taken.
    ConnectionsFull,
    /// `count` calls of tools that there are not came since the last such line from users who had made too many calls.
    UnknownToolsHeldOff,
}

/// One event of the service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServiceLine {
    /// What happened.
    pub event: ServiceEvent,
    /// How loud.
    pub level: Level,
    /// Of this program, at its start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<Cow<'static, str>>,
    /// The payment provider's guarantees, at the start.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payment_profile: Option<PaymentProfile>,
    /// Every number of the policy, at the start, as `giftgenius policy --json` prints them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<Arc<Policy>>,
    /// How the switch is now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkout: Option<SmolStr>,
    /// What failed: our own words, never a secret.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The call, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation_id: Option<CorrelationId>,
    /// The order, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<OrderId>,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// From where, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peer: Option<IpAddr>,
    /// For what, cut to what is worth repeating.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub places: Option<u32>,
    /// When, in UTC.
    pub time: jiff::Timestamp,
}

impl ServiceLine {
    /// A line of an event, at its own level.
    pub const fn new(event: ServiceEvent, time: jiff::Timestamp) -> Self {
        let level = match event {
            ServiceEvent::ServiceStarted | ServiceEvent::ServiceStopping | ServiceEvent::ServiceStopped => Level::Info,
            ServiceEvent::CheckoutSwitched
            | ServiceEvent::LogLinesDropped
            | ServiceEvent::Unauthorised
            | ServiceEvent::ConnectionsFull
            | ServiceEvent::UnknownToolsHeldOff => Level::Warn,
            ServiceEvent::StoreFailed => Level::Error,
        };
        Self {
            event,
            level,
            version: None,
            payment_profile: None,
            policy: None,
            checkout: None,
            error: None,
            correlation_id: None,
            order_id: None,
            count: None,
            peer: None,
            path: None,
            places: None,
            time,
        }
    }

    /// The line of a process that is up.
    pub fn started(policy: &Policy, time: jiff::Timestamp) -> Self {
        Self {
            version: Some(Cow::Borrowed(env!("CARGO_PKG_VERSION"))),
            payment_profile: Some(policy.payment_profile),
            policy: Some(Arc::new(policy.clone())),
            ..Self::new(ServiceEvent::ServiceStarted, time)
        }
    }

    /// The line of a checkout switch that stands otherwise than before.
    pub fn switched(on: bool, time: jiff::Timestamp) -> Self {
        let checkout = SmolStr::new_static(if on { "on" } else { "off" });
        Self { checkout: Some(checkout), ..Self::new(ServiceEvent::CheckoutSwitched, time) }
    }
}
