//! Parked orders, and payments that belong to none: the work that the server could not finish and a person has to, and the
//! calls for that person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::checkout::order::Order;
use crate::checkout::state::Ending;
use crate::ids::{CorrelationId, OrderId, UserId};
use crate::journal::{Batch, Journal, JournalError, Record, RecordState, Version};
use crate::money::Money;
use crate::step_log::AlertKind;
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

/// Calls a person to a parked order, then notes in the journal that this was done: a process that dies in between calls
/// again. `version` is the order's in the journal.
pub async fn call_a_person(app: &App, version: Version, order: &Order) {
    let Some(Ending::Parked { note }) = &order.saga.ending else { return };
    app.alert(AlertKind::OrderParked, order, note.clone());
    if !app.caller().alerts_are_written().await {
        tracing::warn!(order = %order.id, "the log is not read; a person is called to a parked order again later");
        return;
    }
    let called = Order { alerted: true, ..order.clone() };
    let batch = Batch::default().put(Some(version), Record::Order(called));
    if let Err(error) = app.ports().journal.commit(batch).await {
        tracing::warn!(%error, order = %order.id, "that a person was called to a parked order was not noted");
    }
}

/// Calls a person to every parked order to which nobody has been called: its process died in the act.
pub async fn call_people(app: &App) -> Result<(), JournalError> {
    for stored in app.ports().journal.list(RecordState::OrderParked).await? {
        if let Record::Order(order) = &*stored.record
            && !order.alerted
        {
            call_a_person(app, stored.version, order).await;
        }
    }
    for stored in app.ports().journal.list(RecordState::PaymentParked).await? {
        if let Record::Payment(payment) = &*stored.record
            && !payment.alerted
        {
            call_to_a_payment(app, stored.version, payment).await;
        }
    }
    Ok(())
}

/// The same for a payment that belongs to no order.
pub async fn call_to_a_payment(app: &App, version: Version, payment: &UnknownPayment) {
    let UnknownPayment { reference, note, .. } = payment;
    let correlation = CorrelationId::from(reference.as_str());
    app.caller().alert(AlertKind::UnknownPayment, Some(reference), &correlation, note.clone());
    if !app.caller().alerts_are_written().await {
        return;
    }
    let called = UnknownPayment { alerted: true, ..payment.clone() };
    let batch = Batch::default().put(Some(version), Record::Payment(called));
    if let Err(error) = app.ports().journal.commit(batch).await {
        tracing::warn!(%error, %reference, "that a person was called to an unknown payment was not noted");
    }
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
