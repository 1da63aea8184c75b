//! Parked orders, and payments that belong to none: the work that the server could not finish and a person has to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkout::order::Order;
use crate::checkout::state::Ending;
use crate::ids::{OrderId, UserId};
use crate::journal::{Journal, JournalError, Record, RecordState};
use crate::money::Money;
use crate::webhooks::record::UnknownPayment;

/// One order that waits for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ParkedOrder {
    /// Also the merchant reference at the payment provider.
    pub order_id: OrderId,
    /// The amount that was to be charged.
    pub amount: Money,
    /// Whose.
    pub user_id: UserId,
    /// When the order was begun.
    pub since: Timestamp,
    /// What stands and what to do, in one sentence.
    pub note: String,
}

/// Every parked order, the oldest first.
pub async fn parked_orders(journal: &dyn Journal) -> Result<Vec<ParkedOrder>, JournalError> {
    let stored = journal.list(RecordState::OrderParked).await?;
    let mut orders: Vec<_> = stored
        .iter()
        .filter_map(|stored| match &*stored.record {
            Record::Order(order) => parked(order),
            Record::Session(_)
            | Record::Entry(_)
            | Record::Workflow(_)
            | Record::Switches(_)
            | Record::Event(_)
            | Record::Payment(_) => None,
        })
        .collect();
    orders.sort_by(|one, other| (one.since, &one.order_id).cmp(&(other.since, &other.order_id)));
    Ok(orders)
}

fn parked(order: &Order) -> Option<ParkedOrder> {
    let Some(Ending::Parked { note }) = &order.saga.ending else { return None };
    Some(ParkedOrder {
        order_id: order.id.clone(),
        amount: order.amount,
        user_id: order.user.clone(),
        since: order.created_at,
        note: note.clone(),
    })
}

/// Every payment that belongs to no order, the oldest first.
pub async fn unknown_payments(journal: &dyn Journal) -> Result<Vec<UnknownPayment>, JournalError> {
    let stored = journal.list(RecordState::PaymentParked).await?;
    let mut payments: Vec<_> = stored
        .iter()
        .filter_map(|stored| match &*stored.record {
            Record::Payment(payment) => Some(payment.clone()),
            Record::Order(_)
            | Record::Session(_)
            | Record::Entry(_)
            | Record::Workflow(_)
            | Record::Switches(_)
            | Record::Event(_) => None,
        })
        .collect();
    payments.sort_by(|one, other| (one.since, &one.reference).cmp(&(other.since, &other.reference)));
    Ok(payments)
}
