//! What a decided reply is as an HTTP reply: status, headers, body, and what the system sees in it. Shared by the
//! worlds, so that a fault looks the same in both.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::fault::RetryAfter;
use crate::fault::decide::Mangle;
use crate::fault::mangle::mangle;
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
    /// `content-type`.
    pub content_type: &'static str,
    /// The whole body.
    pub body: Bytes,
    /// What the system sees once it has all of it.
    pub seen: Seen,
}

const JSON: &str = "application/json";

/// A provider's reply as it is passed on, mangled or not.
pub fn passed(operation: &OperationSpec, reply: &ProviderReply, how: Option<&Mangle>) -> Outgoing {
    let retry_after = reply.retry_after_s;
    let (status, body) = match how {
        None => (reply.status, reply.body.clone()),
        Some(how) => mangle(how, operation, reply),
    };
    let content_type = match how {
        Some(Mangle::HtmlPage) => "text/html",
        None | Some(Mangle::Garbage | Mangle::MissingField(_) | Mangle::WrongType(_) | Mangle::WrongAmount) => JSON,
    };
    Outgoing {
        status,
        retry_after: retry_after.map(|seconds| seconds.to_string()),
        content_type,
        seen: Seen::Reply {
            status,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            intact: how.is_none(),
        },
        body,
    }
}

/// A status that the provider did not mean: a proxy's, or a server that fails on its way out. A whole, readable reply.
pub fn imposed(status: u16, retry_after: Option<RetryAfter>, utc: Timestamp) -> Outgoing {
    let (text, span) = match retry_after {
        None => (None, None),
        Some(RetryAfter::Seconds(seconds)) => (Some(seconds.to_string()), Some(Duration::from_secs(seconds.into()))),
        Some(RetryAfter::Date(seconds)) => {
            let (date, span) = http_date(utc, Duration::from_secs(seconds.into()));
            (Some(date), Some(span))
        }
    };
    Outgoing {
        status,
        retry_after: text,
        content_type: JSON,
        body: error_body(&format!("status_{status}"), "the request was not answered"),
        seen: Seen::Reply { status, retry_after: span, intact: true },
    }
}

/// The answer to a request for something that no provider offers; it belongs to no exchange.
pub fn unknown_operation(unknown: &UnknownOperation) -> Outgoing {
    Outgoing {
        body: error_body("unknown_operation", &unknown.to_string()),
        ..imposed(404, None, Timestamp::UNIX_EPOCH)
    }
}

fn error_body(code: &str, message: &str) -> Bytes {
    serde_json::json!({ "error": { "code": code, "message": message } }).to_string().into()
}

/// The HTTP date (RFC 9110 §5.6.7) `span` after `utc`, and how long that is from `utc`: HTTP dates have whole seconds.
fn http_date(utc: Timestamp, span: Duration) -> (String, Duration) {
    let whole = Timestamp::from_second(giftgenius::time::add(utc, span).as_second())
        .expect("the whole second of a timestamp is a timestamp");
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&whole)
        .expect("an HTTP date has a year of four digits, which a run's clock stays in");
    (date, giftgenius::time::until(utc, whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::operations;

    #[test]
    fn a_retry_after_date_is_whole_seconds_and_seen_as_what_is_left() {
        let utc: Timestamp = "2026-01-01T00:00:00.250Z".parse().unwrap();
        let outgoing = imposed(503, Some(RetryAfter::Date(2)), utc);
        assert_eq!(outgoing.retry_after.as_deref(), Some("Thu, 01 Jan 2026 00:00:02 GMT"));
        assert_eq!(
            outgoing.seen,
            Seen::Reply { status: 503, retry_after: Some(Duration::from_millis(1750)), intact: true }
        );
    }

    #[test]
    fn a_reply_that_is_passed_on_keeps_its_retry_after() {
        let reply = ProviderReply { status: 409, retry_after_s: Some(1), body: Bytes::from_static(b"{}") };
        let outgoing = passed(&operations::RESERVE, &reply, None);
        assert_eq!(outgoing.retry_after.as_deref(), Some("1"));
        assert_eq!(outgoing.body, reply.body);
    }
}
