//! Why a sale goes back, and the code that callers see for it.

use serde::{Deserialize, Serialize};

use crate::error::Code;

/// Why a sale goes back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The card was declined, with the provider's decline code.
    Declined(String),
    /// An item is not there in the quantity wanted.
    OutOfStock(String),
    /// The payment provider could not be reached or kept failing.
    PaymentUnavailable,
    /// The payment provider refused the request itself.
    PaymentRefused,
    /// The payment provider does not know the payment method.
    UnknownPaymentMethod,
    /// The inventory could not be reached or kept failing.
    InventoryUnavailable,
    /// The inventory refused the request itself.
    InventoryRefused,
    /// Another amount than the quote was taken.
    AmountMismatch,
    /// The reservation was gone when it was to be committed, and could not be had again.
    ReservationLost,
    /// The person cancelled.
    CancelledByUser,
    /// Checkout was switched off before the charge.
    CheckoutDisabled,
    /// The quote expired before the charge was sent.
    QuoteExpired,
    /// The payment provider gave the charge back before the sale was booked.
    GivenBack,
}

/// What the payment provider did to a charge on its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overtaken {
    /// All of it was given back, by a person in the provider's dashboard or by its fraud check.
    Refunded,
    /// The person disputed it at their bank.
    Disputed,
}

impl Cause {
    /// The code callers see.
    pub const fn code(&self) -> Code {
        match self {
            Self::Declined(_) | Self::GivenBack => Code::PaymentDeclined,
            Self::OutOfStock(_) => Code::OutOfStock,
            Self::PaymentUnavailable => Code::PaymentUnavailable,
            Self::PaymentRefused => Code::PaymentRefused,
            Self::UnknownPaymentMethod => Code::PaymentMethodNotFound,
            Self::InventoryUnavailable => Code::InventoryUnavailable,
            Self::InventoryRefused => Code::InventoryRefused,
            Self::AmountMismatch => Code::AmountMismatch,
            Self::ReservationLost => Code::ReservationLost,
            Self::CancelledByUser => Code::OrderCancelled,
            Self::CheckoutDisabled => Code::CheckoutDisabled,
            Self::QuoteExpired => Code::SessionExpired,
        }
    }
}
