//! Webhooks: what the payment provider tells by itself (`POST /webhooks/payment`).
//!
//! [`signature`] says whether the provider sent it, [`event`] what is read of it, [`receive`] what is done about it,
//! [`record`] what is kept. Nothing that an event says of money is believed: it is a reason to look, and the provider is
//! asked what stands under the order. Without a secret nothing is taken in at all.

pub mod event;
pub mod receive;
pub mod record;
pub mod signature;

pub use receive::Answer;
pub use signature::{SecretError, WebhookSecret};

/// The header that carries the signature: `t=<unix seconds>,v1=<hex>`.
pub const SIGNATURE_HEADER: &str = "payment-signature";

/// The largest body that is read. An event is a few hundred bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
