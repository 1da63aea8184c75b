//! Parked orders: the work that the server could not finish and a person has to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::checkout::order::Order;
use crate::checkout::state::Ending;
use crate::ids::{OrderId, UserId};
use crate::journal::{Journal, JournalError, Record, RecordState};
use crate::money::Money;

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
            Record::Session(_) | Record::Entry(_) | Record::Workflow(_) | Record::Switches(_) => None,
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
