//! Which sales this process began and reported as paid (F9): a move away from any other paid sale is refused once, with the
//! order.
//!
//! A call can fail after it has begun a sale, a sale can be paid after its call was answered `pending`, and the platform
//! repeats a call whose connection broke: a move that began while a sale was open may find it paid after a restart, and the
//! journal may have no record of the first one. In all of them the person leaves a gift that they do not know to be paid, and
//! would buy it again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::OrderId;

/// So many are remembered. One that is forgotten costs a refusal more, not a purchase.
const REMEMBERED_MAX: usize = 1024;

/// The latest sales that were begun here, and those whose payment a move was refused for.
#[derive(Debug, Default)]
pub struct KnownPaid(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Oldest first.
    orders: VecDeque<Sale>,
    /// How many were reported as paid.
    told: u64,
}

#[derive(Debug)]
struct Sale {
    order: OrderId,
    /// How many had been reported as paid before this one; `None` until it is.
    told: Option<u64>,
}

/// Separates the answers given before a call from those given while it ran. Counted, because a clock cannot order events
/// within one of its ticks.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl KnownPaid {
    /// Marks the beginning of a call.
    pub fn mark(&self) -> Mark {
        Mark(self.known().told)
    }

    /// Notes that a sale has begun.
    pub fn begin(&self, order: &OrderId) {
        self.known().remember(Sale { order: order.clone(), told: None });
    }

    /// Notes an answer that reports a sale as paid. A sale that another process began may have been left there before that.
    pub fn tell(&self, order: &OrderId) {
        let mut known = self.known();
        let told = known.told;
        let Some(sale) = known.find(order).filter(|sale| sale.told.is_none()) else { return };
        sale.told = Some(told);
        known.told += 1;
    }

    /// Notes that a move was refused because its sale was paid.
    pub fn refuse(&self, order: &OrderId) {
        let mut known = self.known();
        if known.find(order).is_none() {
            known.remember(Sale { order: order.clone(), told: None });
        }
        drop(known);
        self.tell(order);
    }

    /// Whether an answer given before a mark reported the sale as paid.
    pub fn was_told(&self, order: &OrderId, before: Mark) -> bool {
        self.known().find(order).and_then(|sale| sale.told).is_some_and(|told| told < before.0)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, order: &OrderId) -> Option<&mut Sale> {
        self.orders.iter_mut().rev().find(|sale| sale.order == *order)
    }

    fn remember(&mut self, sale: Sale) {
        if self.orders.len() == REMEMBERED_MAX {
            self.orders.pop_front();
        }
        self.orders.push_back(sale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: usize) -> OrderId {
        OrderId::from(format!("ord_{number}"))
    }

    #[test]
    fn the_latest_are_remembered() {
        let paid = KnownPaid::default();
        for number in 0..=REMEMBERED_MAX {
            paid.begin(&order(number));
        }
        for number in 0..=REMEMBERED_MAX {
            paid.tell(&order(number));
        }
        let now = paid.mark();
        assert!(!paid.was_told(&order(0), now));
        assert!(paid.was_told(&order(1), now) && paid.was_told(&order(REMEMBERED_MAX), now));
    }

    #[test]
    fn what_is_told_during_a_call_was_not_told_before_it() {
        let paid = KnownPaid::default();
        paid.begin(&order(1));
        let before = paid.mark();
        assert!(!paid.was_told(&order(1), before), "begun, and not reported yet");
        paid.tell(&order(1));
        assert!(!paid.was_told(&order(1), before));
        let after = paid.mark();
        paid.tell(&order(1));
        assert!(paid.was_told(&order(1), after), "a second report does not replace the first");
        assert!(!paid.was_told(&order(2), after));
    }

    #[test]
    fn a_sale_that_was_begun_elsewhere_is_known_once_a_move_was_refused() {
        let paid = KnownPaid::default();
        paid.tell(&order(1));
        assert!(!paid.was_told(&order(1), paid.mark()));
        paid.refuse(&order(1));
        assert!(paid.was_told(&order(1), paid.mark()));
    }
}
