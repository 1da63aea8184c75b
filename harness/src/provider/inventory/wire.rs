//! The inventory's bodies, as the contract has them. Texts are borrowed from the request.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provider::{ProviderReply, ProviderRequest, http};

/// An item of a reservation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow)]
    pub(super) sku: Cow<'a, str>,
    pub(super) quantity: u32,
}

impl<'a> Item<'a> {
    pub(super) const fn new(sku: &'a str, quantity: u32) -> Self {
        Self { sku: Cow::Borrowed(sku), quantity }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ReserveRequest<'a> {
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) items: Vec<Item<'a>>,
    pub(super) ttl_s: u64,
}

/// What release, commit and restock take.
#[derive(Debug, Deserialize)]
pub(super) struct ReferenceRequest<'a> {
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
}

impl<'a> ReferenceRequest<'a> {
    pub(super) fn of(request: &'a ProviderRequest) -> Result<Self, ProviderReply> {
        let asked: Self = http::body(request)?;
        if asked.reference.is_empty() {
            return Err(http::invalid("A reservation has a reference."));
        }
        Ok(asked)
    }
}

#[derive(Debug, Serialize)]
pub(super) struct HeldReply<'a> {
    reference: &'a str,
    status: &'static str,
    items: Vec<Item<'a>>,
    expires_at: Timestamp,
}

impl<'a> HeldReply<'a> {
    pub(super) const fn new(reference: &'a str, items: Vec<Item<'a>>, expires_at: Timestamp) -> Self {
        Self { reference, status: "held", items, expires_at }
    }
}

/// What release, commit and restock answer.
#[derive(Debug, Serialize)]
pub(super) struct StatusReply<'a> {
    reference: &'a str,
    status: &'static str,
}

impl StatusReply<'_> {
    pub(super) fn of(reference: &str, status: &'static str) -> ProviderReply {
        http::reply(200, &StatusReply { reference, status })
    }
}
