//! The checkout session: a frozen quote that is paid at most once, whatever the keys.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::order::Item;
use crate::ids::{OrderId, SessionId, UserId, WorkflowId};
use crate::money::Money;

/// Whether the session can still be paid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// No order is paying it.
    Open,
    /// This order is paying it, or has paid it, or waits for a person: another key gets this order, unless it
    /// pays with another card and this one has failed.
    Taken(OrderId),
    /// Its order was paid and then cancelled: it stays closed.
    Closed(OrderId),
    /// The person moved on while this order had it: another key still gets this order, and no further order may pay it,
    /// whatever the order ends in.
    Left(OrderId),
    /// The person went back to an earlier step, or asked for a new quote, before it was paid.
    Abandoned,
}

impl SessionState {
    /// The order that pays it, or has paid it.
    pub const fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Taken(order) | Self::Left(order) | Self::Closed(order) => Some(order),
            Self::Open | Self::Abandoned => None,
        }
    }

    /// What it is once the person has left the price: never open again.
    #[must_use]
    pub fn left(&self) -> Self {
        match self {
            Self::Open | Self::Abandoned => Self::Abandoned,
            Self::Taken(order) | Self::Left(order) => Self::Left(order.clone()),
            Self::Closed(order) => Self::Closed(order.clone()),
        }
    }

    /// What it is once an order that was cancelled has ended; `None` if that order does not have it. `by_the_person`: they
    /// took the order back, so that its price cannot be paid any more.
    pub fn after_cancellation(&self, order: &OrderId, by_the_person: bool) -> Option<Self> {
        match self {
            Self::Taken(by) | Self::Left(by) if by == order && by_the_person => Some(Self::Closed(order.clone())),
            Self::Taken(by) if by == order => Some(Self::Open),
            Self::Left(by) if by == order => Some(Self::Abandoned),
            Self::Open | Self::Taken(_) | Self::Left(_) | Self::Closed(_) | Self::Abandoned => None,
        }
    }

    /// Whether an order that has not been taken back has it.
    pub fn is_kept_by(&self, order: &OrderId) -> bool {
        matches!(self, Self::Taken(by) | Self::Left(by) if by == order)
    }
}

/// A checkout session, as journalled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// `cs_…`.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// In which workflow, where there is one.
    pub workflow_id: Option<WorkflowId>,
    /// What is bought.
    pub items: Arc<[Item]>,
    /// The frozen quote.
    pub amount: Money,
    /// From when on it cannot be paid.
    pub expires_at: Timestamp,
    /// Whether it can still be paid.
    pub state: SessionState,
    /// Whether the last attempt to pay it failed at the payment method: another one is to be chosen.
    #[serde(default)]
    pub declined: bool,
    /// When the record may be dropped; put off while an order that hangs on it is open or parked. `None`: never.
    #[serde(default)]
    pub drop_after: Option<Timestamp>,
}
