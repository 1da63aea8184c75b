//! Who waits for an order: callers are told when its owner goes into the background or has brought it to its ending.
//!
//! Only a shortcut within one process; the journal is the truth, and a waiter without an owner here asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, watch};

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
#[derive(Clone, Default)]
pub struct Waiters {
    orders: Arc<Mutex<Orders>>,
}

type Orders = BTreeMap<OrderId, Driven>;

/// An order that is driven here: news of it, and the bell that calls its driver back from waiting.
struct Driven {
    news: watch::Sender<Phase>,
    bell: Arc<Notify>,
}

impl Waiters {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("no holder of the waiters panics")
    }

    /// Notes that an order is driven here from now on, by the holder of the answer and nobody else: an earlier driver has
    /// lost the order in the journal by then, or has just ended it, and whoever waited for that one looks again.
    pub fn begin(&self, order: &OrderId) -> Driver {
        let bell = Arc::new(Notify::new());
        let driven = Driven { news: watch::Sender::new(Phase::Working), bell: bell.clone() };
        self.orders().insert(order.clone(), driven);
        Driver { waiters: self.clone(), order: order.clone(), bell }
    }

    /// Calls an order's driver back from waiting for its next round; whether there is one here.
    pub fn wake(&self, order: &OrderId) -> bool {
        let bell = self.orders().get(order).map(|driven| driven.bell.clone());
        bell.inspect(|bell| bell.notify_waiters()).is_some()
    }

    /// Waits until an order that is driven here is past [`Phase::Working`]; `None` if it is not driven here.
    pub fn wait(&self, order: &OrderId) -> Option<watch::Receiver<Phase>> {
        self.orders().get(order).map(|driven| driven.news.subscribe())
    }
}

/// Drives an order in this process, and takes it off the list when it goes, however that comes about.
pub struct Driver {
    waiters: Waiters,
    order: OrderId,
    /// Also tells its place in the list from a successor's.
    bell: Arc<Notify>,
}

impl Driver {
    /// Tells all who wait.
    pub fn tell(&self, phase: Phase) {
        if let Some(driven) = self.waiters.orders().get(&self.order).filter(|driven| self.is_own(driven)) {
            driven.news.send_replace(phase);
        }
    }

    /// Ends when the driver is called back. Counts from now, not from when it is first awaited.
    pub fn woken(&self) -> OwnedNotified {
        self.bell.clone().notified_owned()
    }

    fn is_own(&self, driven: &Driven) -> bool {
        Arc::ptr_eq(&self.bell, &driven.bell)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut orders = self.waiters.orders();
        if orders.get(&self.order).is_some_and(|driven| self.is_own(driven)) {
            orders.remove(&self.order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_driver_is_called_back_also_before_it_waits() {
        let waiters = Waiters::default();
        let order = OrderId::from("ord_1");
        assert!(!waiters.wake(&order), "nobody drives it");
        let driver = waiters.begin(&order);
        assert!(waiters.wake(&order));
        let woken = driver.woken();
        assert!(
            tokio::time::timeout(std::time::Duration::ZERO, woken).await.is_err(),
            "what was before does not count"
        );
        let woken = driver.woken();
        assert!(waiters.wake(&order));
        woken.await;
    }

    #[tokio::test]
    async fn a_successor_is_neither_ended_nor_spoken_for_by_the_driver_before_it() {
        let waiters = Waiters::default();
        let order = OrderId::from("ord_1");
        let first = waiters.begin(&order);
        let mut waited_for_first = waiters.wait(&order).unwrap();
        let second = waiters.begin(&order);
        assert!(waited_for_first.changed().await.is_err(), "who waited for the first looks again");
        first.tell(Phase::Ended);
        drop(first);
        let waited_for_second = waiters.wait(&order).expect("the second still drives it");
        assert_eq!(*waited_for_second.borrow(), Phase::Working);
        second.tell(Phase::Background);
        assert_eq!(*waited_for_second.borrow(), Phase::Background);
        drop(second);
        assert!(waiters.wait(&order).is_none());
    }
}
