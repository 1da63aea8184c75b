//! What a decided reply is as an HTTP reply: status, headers, body, and what the system sees in it. Shared by the
//! worlds, so that a fault looks the same in both.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::fault::decide::Mangle;
use crate::fault::mangle::{error_body, foreign_body, http_date, is_of_the_contract, mangle, padded, retry_after_text};
use crate::fault::{Encoding, ForeignBody, RetryAfter};
use crate::provider::{OperationSpec, ProviderReply};
use crate::trace::Seen;
use crate::world::stage::UnknownOperation;

/// An HTTP reply on its way to the system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Status.
    pub status: u16,
    /// `retry-after`, as sent.
    pub retry_after: Option<String>,
    /// `date`, where `retry-after` is one: HTTP servers add it by themselves.
    pub date: Option<String>,
    /// `content-type`.
    pub content_type: &'static str,
    /// Whether `content-encoding` says that the body is compressed.
    pub is_gzipped: bool,
    /// The whole body.
    pub body: Bytes,
    /// What the system sees once it has all of it.
    pub seen: Seen,
}

const JSON: &str = "application/json";

/// A provider's reply as it is passed on, mangled or not.
pub fn passed(operation: &OperationSpec, reply: ProviderReply, how: Option<&Mangle>) -> Outgoing {
    let (status, retry_after_s) = match how {
        // What stands between is sure of itself, whatever the provider said.
        Some(Mangle::Garbage | Mangle::HtmlPage) => (200, None),
        None
        | Some(
            Mangle::MissingField(_)
            | Mangle::WrongType(_)
            | Mangle::WrongAmount
            | Mangle::OtherReply
            | Mangle::Unasked(_)
            | Mangle::Encoded(_)
            | Mangle::Contradicting(_),
        ) => (reply.status, reply.retry_after_s),
    };
    let content_type = match how {
        Some(Mangle::HtmlPage) => "text/html",
        None
        | Some(
            Mangle::Garbage
            | Mangle::MissingField(_)
            | Mangle::WrongType(_)
            | Mangle::WrongAmount
            | Mangle::OtherReply
            | Mangle::Unasked(_)
            | Mangle::Encoded(_)
            | Mangle::Contradicting(_),
        ) => JSON,
    };
    let (body, intact) = match how {
        None => (reply.body, true),
        Some(how) => {
            let mangled = mangle(&reply.body, how, operation);
            // A refusal that names another product is the provider's own refusal all the same.
            let is_refusal = matches!(how, Mangle::OtherReply) && reply.status >= 400;
            let intact = is_refusal || mangled == reply.body;
            (mangled.into(), intact)
        }
    };
    Outgoing {
        status,
        retry_after: retry_after_s.map(|seconds| seconds.to_string()),
        date: None,
        content_type,
        is_gzipped: matches!(how, Some(Mangle::Encoded(Encoding::Gzip))),
        seen: Seen::Reply {
            status,
            retry_after: retry_after_s.map(|seconds| Duration::from_secs(seconds.into())),
            intact,
        },
        body,
    }
}

/// A provider's reply in a body of several megabytes. Whoever bounds what it reads sees a reply that was cut.
pub fn huge(reply: &ProviderReply) -> Outgoing {
    Outgoing {
        status: reply.status,
        retry_after: reply.retry_after_s.map(|seconds| seconds.to_string()),
        date: None,
        content_type: JSON,
        is_gzipped: false,
        body: padded(&reply.body).into(),
        seen: Seen::Cut,
    }
}

/// A status that something between the system and the provider answers: a whole reply that proves nothing.
pub fn foreign(status: u16, retry_after: Option<RetryAfter>, body: ForeignBody, utc: Timestamp) -> Outgoing {
    let outgoing = imposed(status, retry_after, utc);
    let Seen::Reply { status, retry_after, .. } = outgoing.seen else { unreachable!("a status is a reply") };
    let content_type = match body {
        ForeignBody::Json => JSON,
        ForeignBody::Html => "text/html",
        ForeignBody::Text | ForeignBody::Empty => "text/plain",
    };
    Outgoing {
        content_type,
        body: foreign_body(status, body),
        seen: Seen::Reply { status, retry_after, intact: false },
        ..outgoing
    }
}

/// A status that the provider answers instead of doing what it was asked. It is the contract's where that has a body for
/// it, whatever was asked.
pub fn imposed(status: u16, retry_after: Option<RetryAfter>, utc: Timestamp) -> Outgoing {
    let span = |after| match after {
        RetryAfter::Seconds(seconds) => Some(Duration::from_secs(seconds.into())),
        RetryAfter::Odd(odd) => odd.read(),
        RetryAfter::Date(_) => DateTimeParser::new()
            .parse_timestamp(retry_after_text(after, utc))
            .map(|date| giftgenius::time::until(utc, date))
            .ok(),
    };
    Outgoing {
        status,
        retry_after: retry_after.map(|after| retry_after_text(after, utc)),
        date: matches!(retry_after, Some(RetryAfter::Date(_))).then(|| http_date(utc)),
        content_type: JSON,
        is_gzipped: false,
        body: error_body(status),
        seen: Seen::Reply { status, retry_after: retry_after.and_then(span), intact: is_of_the_contract(status) },
    }
}

/// The answer to a request for something that no provider offers; it belongs to no exchange.
pub fn unknown_operation(unknown: &UnknownOperation) -> Outgoing {
    let error = serde_json::json!({ "error": { "code": "unknown_operation", "message": unknown.to_string() } });
    Outgoing { body: error.to_string().into(), ..imposed(404, None, Timestamp::UNIX_EPOCH) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::operations;

    #[test]
    fn a_retry_after_date_is_whole_seconds_and_seen_as_what_is_left() {
        let utc: Timestamp = "2026-01-01T00:00:00.250Z".parse().unwrap();
        let outgoing = imposed(503, Some(RetryAfter::Date(2)), utc);
        assert_eq!(outgoing.retry_after.as_deref(), Some("Thu, 01 Jan 2026 00:00:03 GMT"));
        assert_eq!(
            outgoing.seen,
            Seen::Reply { status: 503, retry_after: Some(Duration::from_millis(2750)), intact: true }
        );
    }

    #[test]
    fn a_reply_that_is_passed_on_keeps_its_retry_after() {
        let reply = ProviderReply {
            status: 409,
            retry_after_s: Some(1),
            body: Bytes::from_static(b"{}"),
            replay_of: None,
            indifferent: false,
        };
        let outgoing = passed(&operations::RESERVE, reply.clone(), None);
        assert_eq!(outgoing.retry_after.as_deref(), Some("1"));
        assert_eq!(outgoing.body, reply.body);
    }
}
