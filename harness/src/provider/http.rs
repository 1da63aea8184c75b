//! The little of HTTP that the machines need: a JSON reply, an error body, a query.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ProviderReply, ProviderRequest};
use crate::canary::Internal;

/// An error, as the contract has it: `{"error": {"code": …, "message": …, …}}`. `internal` is what a client must not
/// pass on (see [`crate::canary`]).
#[derive(Debug, Serialize)]
pub(super) struct Refused<'a> {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u32>,
    internal: Internal,
}

impl<'a> Refused<'a> {
    pub(super) const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code, message, decline_code: None, sku: None, available: None, internal: Internal::PLANTED }
    }

    pub(super) const fn declined(decline_code: &'a str) -> Self {
        Self { decline_code: Some(decline_code), ..Self::new("card_declined", "The card was declined.") }
    }

    pub(super) const fn sku(code: &'static str, message: &'static str, sku: &'a str, available: Option<u32>) -> Self {
        Self { sku: Some(sku), available, ..Self::new(code, message) }
    }

    /// The reply that says so. Cold: what is refused is told out of the way of what is not.
    #[cold]
    pub(super) fn reply(self, status: u16) -> ProviderReply {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Refused<'a>,
        }
        reply(status, &Body { error: self })
    }
}

/// A reply with a JSON body.
pub(super) fn reply(status: u16, body: &impl Serialize) -> ProviderReply {
    // Most replies fit, so that the buffer does not grow.
    let mut bytes = Vec::with_capacity(384);
    serde_json::to_writer(&mut bytes, body).expect("a reply holds only texts, numbers and lists");
    ProviderReply { status, retry_after_s: None, body: Bytes::from(bytes), replay_of: None, indifferent: false }
}

/// The request's body, borrowed where the text has no escapes; a 400 that says `invalid_request` if it is not one.
pub(super) fn body<'a, T: Deserialize<'a>>(request: &'a ProviderRequest) -> Result<T, ProviderReply> {
    // Looked at once as a whole, instead of text by text.
    let body = str::from_utf8(&request.body).ok();
    body.and_then(|body| serde_json::from_str(body).ok())
        .ok_or_else(|| invalid("The body is not what this operation takes."))
}

/// The request is malformed.
pub(super) fn invalid(message: &'static str) -> ProviderReply {
    Refused::new("invalid_request", message).reply(400)
}

/// The machine has no such operation; the table of operations and the machine disagree.
pub(super) fn unknown_operation() -> ProviderReply {
    Refused::new("unknown_operation", "There is no such operation.").reply(404)
}

/// The parameters of a query, decoded, in order.
pub(super) fn query(path: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name, decode(value))
    })
}

/// Decodes `+` and `%41` of a query; a broken escape stands for itself.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.first_chunk::<2>())
            .flatten()
            .and_then(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?));
        if let Some(byte) = escaped {
            decoded.push(byte);
            rest = &after[2..];
        } else {
            decoded.push(if first == b'+' { b' ' } else { first });
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let pairs: Vec<_> = query("/v1/products?text=t%C3%A9+set&&limit=3&odd=%2&bare").collect();
        let expected = [("text", "té set"), ("limit", "3"), ("odd", "%2"), ("bare", "")];
        assert_eq!(pairs.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in pairs.iter().zip(expected) {
            assert_eq!((*name, &**value), (expected_name, expected_value));
        }
    }

    #[test]
    fn a_path_without_query_has_no_parameters() {
        assert_eq!(query("/v1/products").count(), 0);
    }
}
