//! The order: one attempt to sell a session's items, and the record its saga is driven from.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::entry::EntryKey;
use super::state::{Action, Charge, Commit, Copies, Direction, Ending, Saga};
use crate::ids::{CorrelationId, OrderId, SessionId, UserId, WorkflowId};
use crate::journal::Record;
use crate::money::Money;
use crate::policy::PaymentProfile;

/// One item of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// The product.
    pub sku: SmolStr,
    /// How many, at least 1.
    pub quantity: u32,
}

/// An order, as journalled. Its id is the merchant reference at the payment provider.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// `ord_…`.
    pub id: OrderId,
    /// Which session it pays.
    pub session_id: SessionId,
    /// Whose.
    pub user: UserId,
    /// In which workflow, where there is one.
    pub workflow_id: Option<WorkflowId>,
    /// Of the call that began it; background work goes on under it.
    pub correlation_id: CorrelationId,
    /// The idempotency entry it answers.
    pub entry: EntryKey,
    /// The idempotency entry of the `cancel_order` that undoes it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_entry: Option<EntryKey>,
    /// The quoted amount: what is charged, no more and no less.
    pub amount: Money,
    /// How long a provider last asked to wait, in milliseconds; returned with a failure that may be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What is bought.
    pub items: Arc<[Item]>,
    /// With what it is paid.
    pub payment_method_id: SmolStr,
    /// When it was begun.
    pub created_at: Timestamp,
    /// From when on it is not charged any more: its quote has expired then.
    pub pay_by: Timestamp,
    /// Since when it is paid and booked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Timestamp>,
    /// The state of its saga.
    pub saga: Saga,
    /// Rounds that the current action has had in the background.
    pub background_rounds: u32,
    /// Rounds that the release of the stock had had when looks at the money came between; `None` while none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_rounds: Option<u32>,
    /// Until when its owner may be silent.
    pub lease_until: Timestamp,
    /// Whether a person has been called to it, where it is parked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alerted: bool,
    /// Since when money may stand for it that pays for no sale, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsold_since: Option<Timestamp>,
    /// Whether a person has been paged for that money.
    #[serde(default, skip_serializing_if = "Page::is_none")]
    pub page: Page,
    /// Rises with each takeover; an owner that finds another value has lost the order.
    pub fence: u64,
    /// How many events of the payment provider's asked for a look at what is charged under it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub heard: u32,
    /// How many of those a look answered that was begun after them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub looked: u32,
    /// Whether one of those that no look has answered told of money that went back, or did not after all: a listing that
    /// shows nothing of that may be an old one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heard_of_money_back: bool,
}

/// How far the page for money that stands without a sale is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// None was sent.
    #[default]
    None,
    /// A process is about to send it, and another one does so after this instant.
    Sending {
        /// Until when it is that process's.
        until: Timestamp,
    },
    /// It was sent.
    Sent,
}

impl Page {
    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Order {
    /// Whether this record was written by the owner that holds `held`: all that is decided is the same.
    pub(super) fn is_write_of(&self, held: &Self) -> bool {
        self.fence == held.fence
            && self.saga == held.saga
            && self.cancel_entry == held.cancel_entry
            && (self.heard, self.looked, self.heard_of_money_back)
                == (held.heard, held.looked, held.heard_of_money_back)
    }

    /// Whether an event asks for a look at its charges that was not made yet.
    pub const fn is_due(&self) -> bool {
        self.heard > self.looked
    }

    /// Whether there is anything left to do for this server: its saga's work, or a look at its charges after it ended (at
    /// first, or to confirm what was given back then). A parked order is a person's.
    pub fn has_work(&self) -> bool {
        self.is_open() || ((self.is_due() || self.saga.copies == Copies::GivenBack) && !self.is_parked())
    }

    /// What to do next. An ending stays what it is: what an event may have brought is undone beside it.
    pub fn next(&self, profile: PaymentProfile) -> Action {
        if !self.is_open() && self.has_work() {
            Action::Recheck
        } else if self.is_due() && self.saga.is_releasing() {
            // What was heard may be that the refund has failed: the stock is not given away beside it.
            Action::ConfirmRefund
        } else {
            self.saga.next(profile)
        }
    }

    /// Goes on counting the rounds of an action; those of a release are kept while the money is looked at in between.
    pub(super) fn count_rounds_of(&mut self, action: &Action) {
        if *action == Action::ConfirmRefund && self.saga.is_releasing() {
            // The looks have a count of their own, and a bound like any other's.
            if self.release_rounds.is_none() {
                self.release_rounds = Some(std::mem::take(&mut self.background_rounds));
            }
        } else if matches!(action, Action::Release { .. })
            && let Some(rounds) = self.release_rounds.take()
        {
            self.background_rounds = rounds;
        }
    }

    /// Whether the person has taken it back after it was paid and booked, while copies of its charge are still looked for.
    pub fn is_asked_back(&self) -> bool {
        self.is_open()
            && self.cancel_entry.is_some()
            && self.saga.direction == Direction::Forward
            && self.saga.commit == Commit::Done
            && matches!(self.saga.charge, Charge::Captured { .. })
    }

    /// Whether its saga has work left.
    pub fn is_open(&self) -> bool {
        self.saga.ending.is_none()
    }

    /// Begins an action, or a further round of it: what is journalled before anything is sent.
    pub fn begin(&mut self, action: &Action, now: Timestamp) {
        self.count_rounds_of(action);
        self.saga.begin(action);
        self.note_unsold_money(now);
    }

    /// Takes note of since when money may stand for it without a sale.
    fn note_unsold_money(&mut self, now: Timestamp) {
        if !self.saga.may_hold_unsold_money() {
            self.unsold_since = None;
        } else if self.unsold_since.is_none() {
            self.unsold_since = Some(now);
        }
    }

    /// Whether it waits for a person.
    pub fn is_parked(&self) -> bool {
        matches!(self.saga.ending, Some(Ending::Parked { .. }))
    }
}

/// An order as it was read: shared with the store, and copied only to be changed.
#[derive(Clone, Debug)]
pub struct KeptOrder(Arc<Record>);

impl KeptOrder {
    /// The order that a record is; `None` if it is a record of another kind.
    pub fn of(record: Arc<Record>) -> Option<Self> {
        matches!(*record, Record::Order(_)).then_some(Self(record))
    }

    /// A copy, to change.
    pub fn to_order(&self) -> Order {
        Order::clone(self)
    }
}

impl Deref for KeptOrder {
    type Target = Order;

    fn deref(&self) -> &Order {
        match &*self.0 {
            Record::Order(order) => order,
            _ => unreachable!("only an order's record is kept as an order"),
        }
    }
}
