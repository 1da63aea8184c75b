//! Taking stock at rest: how the system's own journal says that its orders stand. Shared by the worlds.

use std::collections::BTreeSet;

use giftgenius::checkout::order::Order;
use giftgenius::checkout::state::{Charge, Ending};
use giftgenius::ids::{EventId, OrderId};
use giftgenius::journal::{Journal, JournalError, Key, Record as Kept, RecordState};
use giftgenius::operations::parked::parked_orders;
use giftgenius::step_log::LogLine;

use crate::rest::{OrderAtRest, ParkedOrder, Rest};
use crate::trace::{EventKind, Record};

/// Reads how things stand: the orders with work left, the parked ones as a person can list them, and each of `orders`.
pub async fn take_stock(journal: &dyn Journal, named: Named) -> Result<Rest, JournalError> {
    let open = journal.list(RecordState::OrderOpen).await?.len();
    let parked = parked_orders(journal).await?.into_iter();
    let parked = parked.map(|order| ParkedOrder { order_id: order.order_id.to_string(), note: order.note }).collect();
    let mut at_rest = Vec::new();
    for order in named.orders {
        if let Some(stored) = journal.get(&Key::Order(OrderId::from(order))).await?
            && let Kept::Order(order) = &*stored.record
        {
            at_rest.push(order_at_rest(order));
        }
    }
    let mut events = Vec::new();
    for event in named.events {
        if journal.get(&Key::Event(EventId::from(&*event))).await?.is_some() {
            events.push(event);
        }
    }
    Ok(Rest { open, parked, orders: at_rest, events })
}

/// What a run speaks of that a journal does not list.
#[derive(Debug)]
pub struct Named {
    orders: BTreeSet<String>,
    events: BTreeSet<String>,
}

fn order_at_rest(order: &Order) -> OrderAtRest {
    let status = match &order.saga.ending {
        None => "open",
        Some(Ending::Paid) => "paid",
        Some(Ending::Cancelled) => "cancelled",
        Some(Ending::Parked { .. }) => "parked",
    };
    let money = match order.saga.charge {
        Charge::NotSent | Charge::Void => "none",
        Charge::Sending | Charge::GivenBack { .. } | Charge::Stuck { captured: false } => "unknown",
        Charge::Captured { .. } | Charge::Stuck { captured: true } => "charged",
    };
    OrderAtRest { order_id: order.id.to_string(), status: status.to_owned(), money: money.to_owned() }
}

/// Every order that a run speaks of, at the providers and in the system's log, and every event that was delivered. A
/// journal lists only orders that are open or parked, so the rest has to be asked for by name.
pub fn named(record: &Record) -> Named {
    let mut orders: BTreeSet<&str> = BTreeSet::new();
    for effect in &record.ledger.effects {
        orders.insert(order_of_reference(&effect.reference));
    }
    for event in &record.trace.events {
        match &event.kind {
            EventKind::Sent(sent) => orders.extend(sent.reference.as_deref().map(order_of_reference)),
            EventKind::Log(line) => orders.extend(order_of_line(line)),
            EventKind::CallStarted(_)
            | EventKind::CallEnded { .. }
            | EventKind::Delivered { .. }
            | EventKind::Effect(_)
            | EventKind::Answered { .. }
            | EventKind::Struck { .. }
            | EventKind::Webhook(_)
            | EventKind::Crashed
            | EventKind::Restarted
            | EventKind::Switched { .. } => {}
        }
    }
    Named {
        orders: orders.into_iter().map(str::to_owned).collect(),
        events: record.trace.webhooks().map(|delivery| delivery.id.clone()).collect(),
    }
}

/// The order that a merchant reference, or a reservation's (`order/epoch`), names.
fn order_of_reference(reference: &str) -> &str {
    reference.split_once('/').map_or(reference, |(order, _)| order)
}

fn order_of_line(line: &LogLine) -> Option<&str> {
    match line {
        LogLine::Step(step) => step.order_id.as_ref().map(OrderId::as_str),
        LogLine::Alert(alert) => alert.order_id.as_ref().map(OrderId::as_str),
        LogLine::Webhook(webhook) => webhook.order_id.as_ref().map(OrderId::as_str),
        LogLine::CheckoutResult(_) => None,
    }
}
