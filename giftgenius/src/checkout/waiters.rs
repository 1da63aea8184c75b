//! Who waits for an order: callers are told when its owner goes into the background or has brought it to its ending.
//!
//! Only a shortcut within one process; the journal is the truth, and a waiter without an owner here asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

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
    news: Arc<News>,
    bell: Arc<Notify>,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.news.change(|state| state.is_gone = true);
    }
}

/// The phase of an order's driver. Waiters are woken in the order in which they began to wait, so that a run can be
/// repeated.
pub struct News {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy)]
struct State {
    phase: Phase,
    /// No further phase will come.
    is_gone: bool,
}

impl News {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the news panics")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_waiters();
    }

    /// Whether the driver has brought the order to an ending. It may still be there, looking after the rest.
    pub fn has_ended(&self) -> bool {
        self.state().phase == Phase::Ended
    }

    /// Waits until the driver is past [`Phase::Working`] and answers where it is; `None` if it is gone before that.
    pub async fn past_working(&self) -> Option<Phase> {
        loop {
            // Counts from here: no change falls between the look and the wait.
            let changed = self.changed.notified();
            let State { phase, is_gone } = *self.state();
            if phase > Phase::Working {
                return Some(phase);
            }
            if is_gone {
                return None;
            }
            changed.await;
        }
    }
}

impl Waiters {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("no holder of the waiters panics")
    }

    /// Registers the one driver of an order in this process. An earlier driver has lost the order in the journal by then,
    /// or has just ended it, and its waiters look again.
    pub fn begin(&self, order: &OrderId) -> Driver {
        let bell = Arc::new(Notify::new());
        let state = Mutex::new(State { phase: Phase::Working, is_gone: false });
        let driven = Driven { news: Arc::new(News { state, changed: Notify::new() }), bell: bell.clone() };
        self.orders().insert(order.clone(), driven);
        Driver { waiters: self.clone(), order: order.clone(), bell }
    }

    /// Calls an order's driver back from waiting for its next round; whether there is one here.
    pub fn wake(&self, order: &OrderId) -> bool {
        let bell = self.orders().get(order).map(|driven| driven.bell.clone());
        bell.inspect(|bell| bell.notify_waiters()).is_some()
    }

    /// The news of an order that is driven here; `None` if it is not.
    pub fn wait(&self, order: &OrderId) -> Option<Arc<News>> {
        self.orders().get(order).map(|driven| driven.news.clone())
    }
}

/// Drives an order in this process, and takes it off the list when it goes, however that comes about.
pub struct Driver {
    waiters: Waiters,
    order: OrderId,
    /// Distinguishes its entry in the list from a successor's.
    bell: Arc<Notify>,
}

impl Driver {
    /// Wakes all waiters.
    pub fn tell(&self, phase: Phase) {
        if let Some(driven) = self.waiters.orders().get(&self.order).filter(|driven| self.is_own(driven)) {
            driven.news.change(|state| state.phase = phase);
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
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_driver_is_called_back_also_before_it_waits() {
        let waiters = Waiters::default();
        let order = OrderId::from("ord_1");
        assert!(!waiters.wake(&order), "nobody drives it");
        let driver = waiters.begin(&order);
        assert!(waiters.wake(&order));
        let woken = driver.woken();
        assert!(tokio::time::timeout(Duration::ZERO, woken).await.is_err(), "what was before does not count");
        let woken = driver.woken();
        assert!(waiters.wake(&order));
        woken.await;
    }

    #[tokio::test]
    async fn a_successor_is_neither_ended_nor_spoken_for_by_the_driver_before_it() {
        let waiters = Waiters::default();
        let order = OrderId::from("ord_1");
        let first = waiters.begin(&order);
        let waited_for_first = waiters.wait(&order).unwrap();
        let second = waiters.begin(&order);
        assert_eq!(waited_for_first.past_working().await, None, "who waited for the first looks again");
        first.tell(Phase::Ended);
        drop(first);
        let waited_for_second = waiters.wait(&order).expect("the second still drives it");
        let told = waited_for_second.past_working();
        assert!(tokio::time::timeout(Duration::ZERO, told).await.is_err(), "it is still working");
        let told = waited_for_second.past_working();
        assert!(!waited_for_second.has_ended(), "what the first told is not the second's");
        second.tell(Phase::Background);
        assert_eq!(told.await, Some(Phase::Background));
        drop(second);
        assert_eq!(waited_for_second.past_working().await, Some(Phase::Background), "what was told stays told");
        assert!(waiters.wait(&order).is_none());
    }

    #[tokio::test]
    async fn all_who_wait_are_told_in_the_order_in_which_they_came() {
        let waiters = Waiters::default();
        let order = OrderId::from("ord_1");
        let driver = waiters.begin(&order);
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let (news, woken) = (waiters.wait(&order).unwrap(), woken.clone());
                tokio::spawn(async move {
                    let told = news.past_working().await;
                    woken.lock().unwrap().push(number);
                    told
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(woken.lock().unwrap().is_empty());
        let news = waiters.wait(&order).unwrap();
        assert!(!news.has_ended());
        driver.tell(Phase::Ended);
        assert!(news.has_ended());
        for told in waiting {
            assert_eq!(told.await.unwrap(), Some(Phase::Ended));
        }
        assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
