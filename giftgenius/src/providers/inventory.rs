//! The inventory's client. A reservation is named by the reference we choose (order and epoch), so that every request can
//! be repeated and nothing has to be known from a lost reply.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use super::{Call, Caller, provider_key};
use crate::checkout::order::{Item, Order};
use crate::ports::Provider;
use crate::retry::{CallFailed, Urgency};

#[derive(Serialize)]
struct ReserveRequest<'a> {
    reference: &'a str,
    items: &'a [Item],
    ttl_s: u64,
}

#[derive(Deserialize)]
struct ReserveReply {
    reference: SmolStr,
    status: Held,
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Held {
    Held,
}

#[derive(Serialize)]
struct Reference<'a> {
    reference: &'a str,
}

#[derive(Deserialize)]
struct StatusReply {
    reference: SmolStr,
    status: SmolStr,
}

/// The result of a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reserved {
    /// Everything that was asked for.
    Whole,
    /// Less.
    Partly,
}

/// The reservation's reference at the inventory.
pub fn reservation_reference(order: &Order, epoch: u32) -> SmolStr {
    format_smolstr!("{}/{epoch}", order.id)
}

/// How much of a product there is in a list, which may name it in several lines.
fn quantity(items: &[Item], sku: &str) -> u64 {
    items.iter().filter(|item| item.sku == sku).map(|item| u64::from(item.quantity)).sum()
}

impl Caller {
    /// Asks for an order's items.
    pub async fn reserve(
        &self,
        order: &Order,
        epoch: u32,
        ttl: Duration,
        urgency: Urgency,
    ) -> Result<Reserved, CallFailed> {
        let reference = reservation_reference(order, epoch);
        let key = provider_key(order.id.as_str(), "inventory.reserve", epoch);
        let call = Call {
            provider: Provider::Inventory,
            operation: "inventory.reserve",
            path: "/v1/reservations",
            key: Some(&key),
            correlation: &order.correlation_id,
        };
        let body = ReserveRequest { reference: &reference, items: &order.items, ttl_s: ttl.as_secs().max(1) };
        // More than was asked for, or something else, is no reply to this request: what is held is not known.
        let accept = |reply: &ReserveReply| {
            let is_asked = |item: &Item| quantity(&reply.items, &item.sku) <= quantity(&order.items, &item.sku);
            reply.reference == reference && reply.items.iter().all(is_asked)
        };
        let reply: ReserveReply = self.repeat(&call, Some(&body), urgency, accept).await?;
        let Held::Held = reply.status;
        let held = |wanted: &Item| quantity(&reply.items, &wanted.sku) == quantity(&order.items, &wanted.sku);
        Ok(if order.items.iter().all(held) { Reserved::Whole } else { Reserved::Partly })
    }

    /// Turns the reservation into a sale.
    pub async fn commit(&self, order: &Order, epoch: u32, urgency: Urgency) -> Result<(), CallFailed> {
        self.change(order, epoch, "inventory.commit", "/v1/reservations/commit", "committed", urgency).await
    }

    /// Gives the reservation back. One that is unknown or has expired is given back already.
    pub async fn release(&self, order: &Order, epoch: u32, urgency: Urgency) -> Result<(), CallFailed> {
        self.change(order, epoch, "inventory.release", "/v1/reservations/release", "released", urgency).await
    }

    /// Returns a sale to stock.
    pub async fn restock(&self, order: &Order, epoch: u32, urgency: Urgency) -> Result<(), CallFailed> {
        self.change(order, epoch, "inventory.restock", "/v1/reservations/restock", "restocked", urgency).await
    }

    async fn change(
        &self,
        order: &Order,
        epoch: u32,
        operation: &'static str,
        path: &'static str,
        promised: &'static str,
        urgency: Urgency,
    ) -> Result<(), CallFailed> {
        let reference = reservation_reference(order, epoch);
        let key = provider_key(order.id.as_str(), operation, epoch);
        let call = Call {
            provider: Provider::Inventory,
            operation,
            path,
            key: Some(&key),
            correlation: &order.correlation_id,
        };
        let body = Reference { reference: &reference };
        let accept = |reply: &StatusReply| reply.status == promised && reply.reference == reference;
        self.repeat(&call, Some(&body), urgency, accept).await.map(|_| ())
    }
}
