//! Canaries: texts that must never come out again.
//!
//! Providers leak: an error body carries a stack frame, a reply an unrequested field, a proxy's page the address
//! behind it. A careful client passes none of that on to the model, the person, a log or a report (F11). So the mocks
//! plant these texts in error bodies and in extra fields of replies, and `nothing-leaked` looks for them in everything
//! that the system says. Each is unique, so that a hit is a leak and never a coincidence.

use serde::Serialize;

/// A secret of the provider's own, as an error body might echo it.
pub const SECRET: &str = "sk_live_misrule_7f3a91c2e5d84b06";
/// A card number: sixteen digits that pass the Luhn check and were never issued.
pub const CARD_NUMBER: &str = "4111113371337113";
/// An address behind the provider's edge.
pub const INTERNAL_ADDRESS: &str = "10.13.37.7:8443";
/// A frame of the provider's stack trace.
pub const STACK_FRAME: &str = "at gateway.internal/Charge.java:113";
/// The secret under which the payment provider signs its events.
pub const WEBHOOK_SECRET: &str = "whsec_misrule_c41d7e90ab52";
/// What each user's token begins with on the wire.
pub const TOKEN_PREFIX: &str = "misrule-token-of-";
/// A mark of a provider's raw body: wherever it turns up, a body was passed on as it came.
pub const RAW_BODY: &str = "raw-provider-body-5b1c";

/// All of them, for the oracle that looks for them.
pub const CANARIES: &[&str] = &[SECRET, CARD_NUMBER, INTERNAL_ADDRESS, STACK_FRAME, RAW_BODY, WEBHOOK_SECRET];

/// What a provider should have kept to itself, as it stands in error bodies (`error.internal`) and in extra fields.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Internal {
    authorization: &'static str,
    upstream: &'static str,
    trace: &'static str,
    note: &'static str,
}

impl Internal {
    /// Every canary that is not a card's.
    pub const PLANTED: Self =
        Self { authorization: SECRET, upstream: INTERNAL_ADDRESS, trace: STACK_FRAME, note: RAW_BODY };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_number_passes_the_luhn_check_like_a_real_one() {
        let sum: u32 = CARD_NUMBER
            .bytes()
            .rev()
            .enumerate()
            .map(|(index, digit)| {
                let digit = u32::from(digit - b'0') * if index % 2 == 1 { 2 } else { 1 };
                digit / 10 + digit % 10
            })
            .sum();
        assert_eq!(CARD_NUMBER.len(), 16);
        assert_eq!(sum % 10, 0);
    }

    #[test]
    fn no_canary_hides_in_another() {
        for canary in CANARIES {
            let containing = CANARIES.iter().filter(|other| other.contains(canary));
            assert_eq!(containing.count(), 1, "{canary}");
        }
    }
}
