//! Who waits for an order: callers are told when its owner goes into the background or has brought it to its ending.
//!
//! Only a shortcut within one process; the journal is the truth, and a waiter without an owner here asks it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::ids::OrderId;

/// How far an order's owner is, as far as callers care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// A caller can wait for it.
    Working,
    /// It will take longer than a caller should wait.
    Background,
    /// It has ended.
    Ended,
}

/// The orders that are driven in this process.
#[derive(Default)]
pub struct Waiters {
    orders: Mutex<BTreeMap<OrderId, watch::Sender<Phase>>>,
}

impl Waiters {
    fn orders(&self) -> std::sync::MutexGuard<'_, BTreeMap<OrderId, watch::Sender<Phase>>> {
        self.orders.lock().expect("no holder of the waiters panics")
    }

    /// Notes that an order is driven here from now on; false if it already is.
    pub fn begin(&self, order: &OrderId) -> bool {
        let mut orders = self.orders();
        if orders.contains_key(order) {
            return false;
        }
        orders.insert(order.clone(), watch::Sender::new(Phase::Working));
        true
    }

    /// Notes that an order is not driven here any more, however its driver ended.
    pub fn end(&self, order: &OrderId) {
        self.orders().remove(order);
    }

    /// Tells all who wait.
    pub fn tell(&self, order: &OrderId, phase: Phase) {
        if let Some(sender) = self.orders().get(order) {
            sender.send_replace(phase);
        }
    }

    /// Waits until an order that is driven here is past [`Phase::Working`]; `None` if it is not driven here.
    pub fn wait(&self, order: &OrderId) -> Option<watch::Receiver<Phase>> {
        self.orders().get(order).map(watch::Sender::subscribe)
    }
}
