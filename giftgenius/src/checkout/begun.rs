//! Which sales this process has begun (F9): a move away from one of them cannot be the repeat of a move that another
//! process took in and died over.
//!
//! The platform repeats a call whose connection broke. A move that began while a sale was open may find it paid after a
//! restart, and the journal may have no record of the first call. So a process refuses, once, a move away from a paid
//! sale that it did not begin.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::ids::OrderId;

/// So many are remembered. One that is forgotten costs a refusal more, not a purchase.
const REMEMBERED_MAX: usize = 1024;

/// The latest sales that were begun here, and those whose payment a move was refused for.
#[derive(Debug, Default)]
pub struct Begun(Mutex<VecDeque<OrderId>>);

impl Begun {
    /// Remembers an order.
    pub fn note(&self, order: &OrderId) {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() == REMEMBERED_MAX {
            orders.pop_front();
        }
        orders.push_back(order.clone());
    }

    /// Whether an order is remembered.
    pub fn has(&self, order: &OrderId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().any(|begun| begun == order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let begun = Begun::default();
        let order = |number: usize| OrderId::from(format!("ord_{number}"));
        for number in 0..=REMEMBERED_MAX {
            begun.note(&order(number));
        }
        assert!(!begun.has(&order(0)));
        assert!(begun.has(&order(1)) && begun.has(&order(REMEMBERED_MAX)));
    }
}
