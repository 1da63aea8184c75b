//! What a provider's reply proves (fixtures/providers.md): which refusals an operation can have, and which bodies say
//! that a request was turned away before anything was done.
//!
//! Between GiftGenius and a provider stand proxies and firewalls, which answer with any status and any body, also after
//! the provider did the work. Only a status together with a code of this table comes from the provider itself.

/// A status, and the code that the provider's own body has with it.
pub type Signed = (u16, &'static str);

/// Refusals that every operation can have.
const ANY: [Signed; 1] = [(400, "invalid_request")];

/// A request that carries a key can have this refusal too.
const KEYED: Signed = (422, "key_mismatch");

/// Turned away before anything was done, to be asked again later.
const LATER: [Signed; 4] = [(421, "misdirected"), (425, "too_early"), (429, "rate_limited"), (503, "unavailable")];

/// Our API key is refused: nothing was done, and asking again brings the same until a person sees to it.
const DENIED: [Signed; 2] = [(401, "unauthorized"), (403, "forbidden")];

/// What an error body of the provider's own says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// A refusal that the contract lists for the operation.
    Refused,
    /// Later.
    Later,
    /// Our API key is not good.
    Denied,
    /// Nothing that the contract lists for the operation: whatever it is, it proves nothing.
    Nothing,
}

/// What a status with a code says as the answer to an operation.
pub fn says(operation: &str, status: u16, code: &str) -> Says {
    let reply = (status, code);
    if LATER.contains(&reply) {
        Says::Later
    } else if DENIED.contains(&reply) {
        Says::Denied
    } else if ANY.contains(&reply) || refusals(operation).contains(&reply) || (reply == KEYED && is_keyed(operation)) {
        Says::Refused
    } else {
        Says::Nothing
    }
}

/// The refusals that are an operation's own.
fn refusals(operation: &str) -> &'static [Signed] {
    match operation {
        "payment.charge" => &[(402, "card_declined"), (404, "unknown_payment_method"), (409, "reference_closed")],
        "payment.refund" => &[(404, "unknown_charge"), (409, "exceeds_charge")],
        "payment.cancel" => &[(501, "unsupported")],
        "catalog.search" => &[(422, "currency_unsupported")],
        "catalog.quote" => {
            &[(404, "unknown_product"), (409, "out_of_stock"), (422, "currency_unsupported"), (422, "promo_invalid")]
        }
        "inventory.reserve" => &[(409, "out_of_stock"), (409, "reference_closed")],
        "inventory.release" => &[(409, "committed")],
        "inventory.commit" => &[(410, "reservation_gone")],
        _ => &[],
    }
}

fn is_keyed(operation: &str) -> bool {
    matches!(operation, "payment.charge" | "payment.refund" | "payment.cancel") || operation.starts_with("inventory.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_with_its_status_and_at_its_operation_only() {
        for (operation, status, code, expected) in [
            ("payment.charge", 402, "card_declined", Says::Refused),
            ("payment.charge", 403, "card_declined", Says::Nothing),
            ("payment.refund", 402, "card_declined", Says::Nothing),
            ("payment.charge", 409, "in_flight", Says::Nothing),
            ("payment.charge", 409, "out_of_stock", Says::Nothing),
            ("inventory.reserve", 409, "out_of_stock", Says::Refused),
            ("payment.cancel", 501, "unsupported", Says::Refused),
            ("payment.charge", 501, "unsupported", Says::Nothing),
            ("payment.charge", 422, "key_mismatch", Says::Refused),
            ("payment.look_up", 422, "key_mismatch", Says::Nothing),
            ("payment.look_up", 400, "invalid_request", Says::Refused),
            ("payment.look_up", 503, "unavailable", Says::Later),
            ("payment.look_up", 503, "overloaded", Says::Nothing),
            ("payment.look_up", 429, "unavailable", Says::Nothing),
            ("catalog.search", 401, "unauthorized", Says::Denied),
            ("catalog.search", 403, "access_denied", Says::Nothing),
        ] {
            assert_eq!(says(operation, status, code), expected, "{operation}: {status} {code}");
        }
    }
}
