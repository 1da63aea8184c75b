//! Taking stock at rest: how the system's own journal says that its orders stand. Shared by the worlds.

use giftgenius::checkout::order::Order;
use giftgenius::checkout::state::{Charge, Ending};
use giftgenius::ids::{EventId, OrderId};
use giftgenius::journal::{Journal, JournalError, Key, Record as Kept, RecordState};
use giftgenius::operations::parked::parked_orders;
use giftgenius::step_log::LogLine;
use smol_str::SmolStr;

use crate::provider::ledger::order_of_reference;
use crate::rest::{OrderAtRest, ParkedOrder, Rest};
use crate::trace::{EventKind, Record};

/// Reads how things stand: the orders with work left, the parked ones as a person can list them, and each of `orders`.
pub async fn take_stock(journal: &dyn Journal, named: Named) -> Result<Rest, JournalError> {
    let open = journal.list(RecordState::OrderOpen).await?.len();
    let parked = parked_orders(journal).await?.into_iter();
    let parked =
        parked.map(|order| ParkedOrder { order_id: order.order_id.as_str().into(), note: order.note }).collect();
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
        if journal.get(&Key::Event(EventId::from(event.clone()))).await?.is_some() {
            events.push(event);
        }
    }
    Ok(Rest { open, parked, orders: at_rest, events })
}

/// What a run speaks of that a journal does not list.
#[derive(Debug)]
pub struct Named {
    orders: Vec<SmolStr>,
    events: Vec<SmolStr>,
}

fn order_at_rest(order: &Order) -> OrderAtRest {
    let status = match &order.saga.ending {
        None => "open",
        Some(Ending::Paid) => "paid",
        Some(Ending::Cancelled) => "cancelled",
        Some(Ending::Parked { .. }) => "parked",
    };
    let money = match order.saga.charge {
        // The provider acted on its own: what stands is for a person to see, as callers are told.
        _ if order.saga.overtaken.is_some() => "unknown",
        Charge::NotSent | Charge::Void => "none",
        Charge::Sending | Charge::GivenBack { .. } | Charge::Stuck { captured: false } => "unknown",
        Charge::Captured { .. } | Charge::Stuck { captured: true } => "charged",
    };
    OrderAtRest { order_id: order.id.as_str().into(), status, money }
}

/// Every order that a run speaks of, at the providers and in the system's log, and every event that was delivered. A
/// journal lists only orders that are open or parked, so the rest has to be asked for by name.
pub fn named(record: &Record) -> Named {
    let (mut orders, mut events) = (Each::default(), Each::default());
    for effect in &record.ledger.effects {
        orders.add(order_of_reference(&effect.reference));
    }
    for event in &record.trace.events {
        match &event.kind {
            EventKind::Sent(sent) => sent.reference.iter().for_each(|of| orders.add(order_of_reference(of))),
            EventKind::Log(line) => order_of_line(line).into_iter().for_each(|order| orders.add(order)),
            EventKind::Webhook(delivery) => events.add(&delivery.id),
            EventKind::CallStarted(_)
            | EventKind::CallEnded { .. }
            | EventKind::Delivered { .. }
            | EventKind::Effect(_)
            | EventKind::Answered { .. }
            | EventKind::Struck { .. }
            | EventKind::Crashed
            | EventKind::Restarted
            | EventKind::Switched { .. } => {}
        }
    }
    Named { orders: orders.in_order(), events: events.in_order() }
}

/// Names, each once. A run speaks of few, and of the same again and again: so the latest is looked at first.
#[derive(Default)]
struct Each<'a>(Vec<&'a str>);

impl<'a> Each<'a> {
    fn add(&mut self, name: &'a str) {
        if !self.0.iter().rev().any(|known| *known == name) {
            self.0.push(name);
        }
    }

    fn in_order(mut self) -> Vec<SmolStr> {
        self.0.sort_unstable();
        self.0.into_iter().map(SmolStr::new).collect()
    }
}

fn order_of_line(line: &LogLine) -> Option<&str> {
    match line {
        LogLine::Step(step) => step.order_id.as_ref().map(OrderId::as_str),
        LogLine::Alert(alert) => alert.order_id.as_ref().map(OrderId::as_str),
        LogLine::Webhook(webhook) => webhook.order_id.as_ref().map(OrderId::as_str),
        LogLine::CheckoutResult(line) => line.order_id.as_ref().map(OrderId::as_str),
        LogLine::Call(_) | LogLine::Attempt(_) => None,
        LogLine::Service(line) => line.order_id.as_ref().map(OrderId::as_str),
    }
}
