//! The mock providers: pure state machines with books. They never misbehave; the fault layer does.
//!
//! [`operations`] is the table of what can be called, [`payment`], [`catalog`] and [`inventory`] are the machines,
//! [`ledger`] the books, [`event`] the payment provider's events; `fixtures/providers.md` is the contract they keep. A circumstance (a card that is declined, a shelf that is empty) is a state of the provider's
//! business, handed in from outside and honoured here.

pub mod act;
mod books;
pub mod catalog;
mod circumstance;
pub mod event;
mod http;
pub mod inventory;
mod keys;
pub mod ledger;
pub mod operations;
pub mod payment;
#[cfg(test)]
mod testkit;

pub use act::Act;
pub use circumstance::{Circumstance, DECLINES};

use std::hash::Hasher;

use giftgenius::policy::{PaymentProfile, Policy};
use jiff::Timestamp;
use smol_str::SmolStr;

pub use operations::OperationSpec;

use crate::provider::catalog::Catalog;
use crate::provider::inventory::Inventory;
use crate::provider::payment::Payment;
use crate::trace::{ExchangeId, Record};

/// A request as a provider takes it in.
#[derive(Clone, Hash, Debug)]
pub struct ProviderRequest {
    /// The operation, found by method and path.
    pub operation: &'static OperationSpec,
    /// Path and query.
    pub path: SmolStr,
    /// `idempotency-key`.
    pub key: Option<SmolStr>,
    /// `x-correlation-id`; empty when there was none.
    pub correlation: SmolStr,
    /// The body.
    pub body: bytes::Bytes,
    /// The exchange that brought it.
    pub exchange: ExchangeId,
}

/// A provider's answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ProviderReply {
    /// HTTP status.
    pub status: u16,
    /// `retry-after`, in seconds, where the provider itself asks for it.
    pub retry_after_s: Option<u32>,
    /// A JSON body.
    pub body: bytes::Bytes,
    /// The exchange whose saved reply this is, where the request's key was used before.
    pub replay_of: Option<ExchangeId>,
    /// Whether the circumstance that was handed in made no difference: there was nothing to forget, to decline or to miss.
    pub indifferent: bool,
}

/// When a request arrives: time since the run began, and calendar time.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since the run began.
    pub since_start: std::time::Duration,
    /// In UTC.
    pub utc: Timestamp,
}

/// What the payment provider promises.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// About repeated requests.
    pub profile: PaymentProfile,
    /// About how late something can still take effect, and show.
    pub late_max: std::time::Duration,
}

impl From<&Policy> for Promises {
    /// What the system counts on is what is promised.
    fn from(policy: &Policy) -> Self {
        Self { profile: policy.payment_profile, late_max: policy.late_max }
    }
}

/// What a provider acts on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A charge, by its index.
    Charge(usize),
    /// A reservation, by its reference.
    Reservation(SmolStr),
}

/// All three providers.
#[derive(Debug)]
pub struct Providers {
    /// Charges and refunds.
    pub payment: Payment,
    /// Products and prices.
    pub catalog: Catalog,
    /// Stock.
    pub inventory: Inventory,
}

impl Providers {
    /// Fresh providers: no charge, the fixture's products, prices and stock. Copies nothing of the fixture.
    pub fn new(promises: Promises, fixture: &std::sync::Arc<catalog::Fixture>) -> Self {
        Self {
            payment: Payment::new(promises),
            catalog: Catalog::new(fixture.clone()),
            inventory: Inventory::new(fixture.clone()),
        }
    }

    /// What the shelf holds of a product, where a scenario wants it otherwise than the fixture. Call it before any request.
    pub fn set_stock(&mut self, sku: &str, quantity: u32) {
        self.catalog.set_stock(sku, quantity);
        self.inventory.set_stock(sku, quantity);
    }

    /// Writes all that the providers remember, so that two of them can be compared.
    pub fn write_state(&self, out: &mut impl Hasher) {
        let Self { payment, catalog, inventory } = self;
        payment.write_state(out);
        catalog.write_state(out);
        inventory.write_state(out);
    }

    /// Closes the books at the end of a run: what has run out by now is entered, and what the payment provider has still
    /// to do, and stock is taken.
    pub fn settle(&mut self, now: Now, record: &mut Record) {
        self.payment.settle(now, record);
        self.inventory.settle(now, record);
        self.inventory.take_stock(record);
    }

    /// What a provider could do on its own now: to what stands under `reference`, or to the latest that there is.
    pub fn target(&mut self, act: Act, reference: Option<&str>, now: Now, record: &mut Record) -> Option<Target> {
        match act {
            Act::Refund | Act::PartialRefund | Act::Dispute => {
                self.payment.target(act, reference, now, record).map(Target::Charge)
            }
            Act::CancelReservation => self.inventory.held(reference, now, record).map(Target::Reservation),
        }
    }

    /// A provider does something on its own, and tells of it if it tells of anything.
    pub fn act(&mut self, act: Act, target: &Target, told: bool, now: Now, record: &mut Record) {
        match target {
            Target::Charge(charge) => self.payment.act(act, *charge, told, now, record),
            Target::Reservation(reference) => self.inventory.withdraw(reference, now, record),
        }
    }

    /// Takes one delivery of a request in: changes the books, records the delivery and its effects, answers.
    pub fn handle(
        &mut self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
        now: Now,
        record: &mut Record,
    ) -> ProviderReply {
        use giftgenius::ports::Provider;
        let indifferent = circumstance.is_some_and(|circumstance| match request.operation.provider {
            Provider::Payment => self.payment.is_indifferent(request, circumstance, now),
            Provider::Catalog => false,
            Provider::Inventory => self.inventory.is_indifferent(request, circumstance),
        });
        let mut reply = match request.operation.provider {
            Provider::Payment => self.payment.handle(request, circumstance, now, record),
            Provider::Catalog => self.catalog.handle(request, circumstance, now),
            Provider::Inventory => self.inventory.handle(request, circumstance, now, record),
        };
        reply.indifferent =
            indifferent || circumstance.is_some_and(|circumstance| !circumstance.shows_in(reply.status));
        record.push(
            now.since_start,
            crate::trace::EventKind::Delivered {
                exchange: request.exchange,
                status: reply.status,
                replay_of: reply.replay_of,
            },
        );
        reply
    }
}
