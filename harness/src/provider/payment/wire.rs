//! The payment provider's bodies, as the contract has them. Texts are borrowed from the request.

use std::borrow::Cow;

use giftgenius::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};

use crate::canary::{CARD_NUMBER, Internal};

#[derive(Debug, Deserialize)]
pub(super) struct ChargeRequest<'a> {
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) customer: Cow<'a, str>,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    #[serde(borrow)]
    pub(super) payment_method: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundRequest<'a> {
    #[serde(borrow)]
    pub(super) charge: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
    pub(super) amount: i64,
    pub(super) currency: Currency,
}

#[derive(Debug, Deserialize)]
pub(super) struct CloseRequest<'a> {
    #[serde(borrow)]
    pub(super) reference: Cow<'a, str>,
}

/// A payment method. `card_number` is what a careful client leaves out.
#[derive(Debug, Serialize)]
pub(super) struct Method {
    id: SmolStr,
    brand: &'static str,
    last4: &'static str,
    card_number: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct MethodsReply {
    payment_methods: Vec<Method>,
    internal: Internal,
}

impl MethodsReply {
    /// What a customer can pay with.
    pub(super) fn of(customer: &str) -> Self {
        let method = |card: &super::methods::Card| Method {
            id: card.of(customer),
            brand: card.brand,
            last4: card.last4,
            card_number: CARD_NUMBER,
        };
        Self { payment_methods: super::methods::CARDS.iter().map(method).collect(), internal: Internal::PLANTED }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChargeStatus {
    Processing,
    RequiresAction,
    Cancelled,
    Captured,
    PartiallyRefunded,
    Refunded,
    Disputed,
}

impl ChargeStatus {
    /// Of a charge that was captured.
    pub(super) const fn of(captured: i64, refunded: i64) -> Self {
        if refunded == 0 {
            Self::Captured
        } else if refunded < captured {
            Self::PartiallyRefunded
        } else {
            Self::Refunded
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ChargeReply<'a> {
    id: &'a str,
    reference: &'a str,
    amount: i64,
    currency: Currency,
    status: ChargeStatus,
    card_number: &'static str,
    internal: Internal,
}

impl<'a> ChargeReply<'a> {
    pub(super) const fn new(id: &'a str, reference: &'a str, amount: Money, status: ChargeStatus) -> Self {
        Self {
            id,
            reference,
            amount: amount.minor_units,
            currency: amount.currency,
            status,
            card_number: CARD_NUMBER,
            internal: Internal::PLANTED,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ListedCharge<'a> {
    pub(super) id: SmolStr,
    pub(super) reference: &'a str,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) status: ChargeStatus,
    pub(super) refunded: i64,
    pub(super) refunding: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) disputed: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(minor_units: &i64) -> bool {
    *minor_units == 0
}

#[derive(Debug, Serialize)]
pub(super) struct ListReply<'a> {
    pub(super) charges: Vec<ListedCharge<'a>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Processing,
    Succeeded,
}

#[derive(Debug, Serialize)]
pub(super) struct RefundReply<'a> {
    id: &'a str,
    charge: &'a str,
    amount: i64,
    currency: Currency,
    status: RefundStatus,
}

impl<'a> RefundReply<'a> {
    pub(super) const fn new(id: &'a str, charge: &'a str, given_back: Money, status: RefundStatus) -> Self {
        Self { id, charge, amount: given_back.minor_units, currency: given_back.currency, status }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct CloseReply<'a> {
    reference: &'a str,
    status: &'static str,
    charges: Vec<ListedCharge<'a>>,
}

impl<'a> CloseReply<'a> {
    pub(super) const fn new(reference: &'a str, charges: Vec<ListedCharge<'a>>) -> Self {
        Self { reference, status: "closed", charges }
    }
}

/// The id of the charge at an index.
pub(super) fn charge_id(index: usize) -> SmolStr {
    format_smolstr!("ch_{}", index + 1)
}

/// The index of a charge's id; the inverse of [`charge_id`].
pub(super) fn charge_index(id: &str) -> Option<usize> {
    let number: usize = id.strip_prefix("ch_")?.parse().ok()?;
    number.checked_sub(1).filter(|index| charge_id(*index) == id)
}
