//! The payment provider's events: one for each thing that happened to a charge.
//!
//! An event carries more than its receiver needs, as real ones do: amounts that must not be believed, and what must not
//! be passed on.

use bytes::Bytes;
use giftgenius::money::{Currency, Money};
use giftgenius::webhooks::WebhookSecret;
use jiff::Timestamp;
use serde::Serialize;
use smol_str::SmolStr;

use crate::canary::{CARD_NUMBER, Internal, WEBHOOK_SECRET};

/// The secret under which its events are signed, which the system shares.
pub fn secret() -> WebhookSecret {
    WebhookSecret::new(WEBHOOK_SECRET.into()).expect("the canary can be a secret")
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventType {
    /// Money was captured.
    ChargeCaptured,
    /// A charge was declined.
    ChargeFailed,
    /// Money was given back.
    ChargeRefunded,
    /// A charge was disputed.
    ChargeDisputed,
    /// Giving money back failed after all.
    RefundFailed,
    /// The shop was paid out: no concern of a checkout.
    PayoutPaid,
}

impl EventType {
    /// As it stands in the body.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChargeCaptured => "charge.captured",
            Self::ChargeFailed => "charge.failed",
            Self::ChargeRefunded => "charge.refunded",
            Self::ChargeDisputed => "charge.disputed",
            Self::RefundFailed => "refund.failed",
            Self::PayoutPaid => "payout.paid",
        }
    }
}

/// One event; every delivery of it has the same id.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ProviderEvent {
    /// `evt_1` is the first, and so on.
    pub id: SmolStr,
    /// What happened.
    pub kind: EventType,
    /// The merchant reference; empty where the money was taken elsewhere, such as on an invoice.
    pub reference: SmolStr,
    /// The provider's id of the charge or refund; empty where there is none.
    pub object: SmolStr,
    /// The money it is about.
    pub money: Money,
    /// When it happened.
    pub created: Timestamp,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    created: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    reference: &'a str,
    object: &'a str,
    amount: i64,
    currency: Currency,
    card_number: &'static str,
    internal: Internal,
}

impl ProviderEvent {
    /// The body of each of its deliveries.
    pub fn body(&self) -> Bytes {
        let body = Body {
            id: &self.id,
            kind: self.kind.name(),
            created: self.created.as_second(),
            reference: &self.reference,
            object: &self.object,
            amount: self.money.minor_units,
            currency: self.money.currency,
            card_number: CARD_NUMBER,
            internal: Internal::PLANTED,
        };
        Bytes::from(serde_json::to_vec(&body).expect("an event holds nothing that JSON cannot"))
    }
}
