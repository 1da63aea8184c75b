//! Parked orders, and payments that belong to none: the work that the server could not finish and a person has to, and the
//! calls for that person.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::checkout::order::{Order, Page};
use crate::checkout::state::Ending;
use crate::ids::{CorrelationId, OrderId, UserId};
use crate::journal::{Batch, CommitError, Journal, JournalError, Record, RecordState, Version};
use crate::money::Money;
use crate::step_log::AlertKind;
use crate::time;
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
/// again. `version` is the order's in the journal; answers what it is after, with the order, once that is noted.
pub async fn call_a_person(app: &App, version: Version, order: &Order) -> Option<(Version, Order)> {
    let Some(Ending::Parked { note }) = &order.saga.ending else { return None };
    app.alert(AlertKind::OrderParked, order, note.clone());
    if !app.caller().alerts_are_written().await {
        tracing::warn!(order = %order.id, "the log is not read; a person is called to a parked order again later");
        return None;
    }
    let called = Order { alerted: true, ..order.clone() };
    let batch = Batch::default().put(Some(version), Record::Order(called.clone()));
    match app.ports().journal.commit(batch).await {
        Ok(()) => Some((version + 1, called)),
        Err(error) => {
            tracing::warn!(%error, order = %order.id, "that a person was called to a parked order was not noted");
            None
        }
    }
}

/// For so long beyond the provider's bound on late effects money may stand for a parked order before a person is paged.
pub const UNSOLD_MAX: Duration = Duration::from_secs(15 * 60);

/// Pages a person where money may have stood for too long for a parked order that is no sale. Which process does so is
/// decided in the journal before, and noted there after: one that dies in between leaves it to another, a lease later.
async fn page_for_money(app: &App, version: Version, order: &Order) {
    let (Some(Ending::Parked { note }), Some(since)) = (&order.saga.ending, order.unsold_since) else { return };
    let now = app.now();
    let is_mine = match order.page {
        Page::None => true,
        Page::Sending { until } => until <= now,
        Page::Sent => false,
    };
    let stood = time::until(since, now);
    if !is_mine || stood < app.policy().late_max + UNSOLD_MAX {
        return;
    }
    let journal = &app.ports().journal;
    let noted = |version, page| Batch::default().put(Some(version), Record::Order(Order { page, ..order.clone() }));
    let until = app.ports().after(app.policy().lease);
    match journal.commit(noted(version, Page::Sending { until })).await {
        Ok(()) => {}
        // Another process does it, or the store takes nothing: the next round looks again.
        Err(CommitError::Conflict(_)) => return,
        Err(error) => {
            tracing::warn!(%error, order = %order.id, "a page for money that stands waits for the store");
            return;
        }
    }
    let message = format!("money has stood without a sale for {} minutes: {note}", stood.as_secs() / 60);
    app.alert(AlertKind::MoneyStands, order, message);
    if !app.caller().alerts_are_written().await {
        tracing::warn!(order = %order.id, "the log is not read; a person is paged for money that stands again later");
        return;
    }
    if let Err(error) = journal.commit(noted(version + 1, Page::Sent)).await {
        tracing::warn!(%error, order = %order.id, "that a person was paged for money that stands was not noted");
    }
}

/// Calls a person to every parked order to which nobody has been called (its process died in the act), and pages one for
/// money that has stood for too long. Where nothing is parked, nothing but that is read.
pub async fn call_people(app: &App) -> Result<(), JournalError> {
    for stored in app.ports().journal.list(RecordState::OrderParked).await? {
        if let Record::Order(order) = &*stored.record {
            if order.alerted {
                page_for_money(app, stored.version, order).await;
            } else if let Some((version, called)) = call_a_person(app, stored.version, order).await {
                page_for_money(app, version, &called).await;
            }
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
