//! Why a frame is refused, in the protocol's codes and in a developer's words.

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::{DEPTH_MAX, FRAME_BYTES_MAX, ITEMS_MAX};
use crate::validate::{is_harmless, scrubbed};

/// How much of what came is repeated in a message.
const ECHO_CHARS_MAX: usize = 64;

/// What is wrong with a frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Reason {
    /// It cannot be read as JSON; with what and where.
    NotJson(String),
    /// Over the bound on bytes.
    TooLong,
    /// Over HTTP: the body did not come to its end in time.
    TooSlow,
    /// Over the bound on nesting.
    TooDeep,
    /// Over the bound on values.
    TooMany,
    /// A key stands twice in one object.
    KeyTwice {
        /// The key.
        key: String,
        /// The object's place, as a JSON pointer.
        place: String,
    },
    /// A list of messages.
    Batch,
    /// JSON, but no message; with what it is.
    NotAnObject(&'static str),
    /// `jsonrpc` is missing or not `"2.0"`.
    Version,
    /// An id that MCP does not have: null, a fraction, an object …
    Id,
    /// A request without an id, which is a notification, which is not answered.
    IdMissing,
    /// The id of a request that is still being answered.
    IdInUse,
    /// Neither a request nor an answer.
    MethodMissing,
    /// A method that is a number or the like.
    MethodNotText,
    /// A request and an answer at once.
    RequestAndResponse,
    /// Nothing that is served.
    MethodUnknown {
        /// As it was asked for.
        method: String,
        /// What may have been meant.
        near: Option<String>,
    },
    /// `initialize` in a revision that has none.
    NoHandshake,
    /// A request before `initialize`, without a revision of its own.
    NoHandshakeYet,
    /// Parameters of the wrong kind: what is wrong, and what the method needs.
    Params(String, &'static str),
    /// Said by the transport, in its words.
    Transport(String),
    /// The server's own failure.
    Internal,
}

impl Reason {
    /// The code of JSON-RPC 2.0 §5.1.
    pub const fn code(&self) -> i32 {
        match self {
            Self::NotJson(_) => -32700,
            Self::KeyTwice { place, .. } if !place.is_empty() => -32602,
            Self::TooLong
            | Self::TooSlow
            | Self::TooDeep
            | Self::TooMany
            | Self::KeyTwice { .. }
            | Self::Batch
            | Self::NotAnObject(_)
            | Self::Version
            | Self::Id
            | Self::IdMissing
            | Self::IdInUse
            | Self::MethodMissing
            | Self::MethodNotText
            | Self::RequestAndResponse
            | Self::Transport(_) => -32600,
            Self::MethodUnknown { .. } | Self::NoHandshake => -32601,
            Self::NoHandshakeYet | Self::Params(..) => -32602,
            Self::Internal => -32603,
        }
    }

    /// A word for the log, which holds nothing of what came.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::TooLong => "too_long",
            Self::TooSlow => "too_slow",
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many_values",
            Self::KeyTwice { .. } => "key_twice",
            Self::Batch => "batch",
            Self::NotAnObject(_) => "not_an_object",
            Self::Version => "jsonrpc_version",
            Self::Id => "id",
            Self::IdMissing => "id_missing",
            Self::IdInUse => "id_in_use",
            Self::MethodMissing => "method_missing",
            Self::MethodNotText => "method_not_text",
            Self::RequestAndResponse => "request_and_response",
            Self::MethodUnknown { .. } => "method_unknown",
            Self::NoHandshake => "no_handshake",
            Self::NoHandshakeYet => "no_handshake_yet",
            Self::Params(..) => "params",
            Self::Transport(_) => "transport",
            Self::Internal => "internal",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotJson(error) => format!("this is not JSON: {error}; one message is one JSON object"),
            Self::TooLong => format!("a message is at most {FRAME_BYTES_MAX} bytes; send less"),
            Self::TooSlow => String::from("the body did not come to its end in time; send it again, whole"),
            Self::TooDeep => format!("objects and lists may nest {DEPTH_MAX} deep; this message goes deeper"),
            Self::TooMany => format!("a message may hold {ITEMS_MAX} values; this one holds more"),
            Self::KeyTwice { key, place } => {
                let place = if place.is_empty() { String::from("the message") } else { format!("`{}`", echo(place)) };
                format!(
                    "the key `{}` stands twice in {place}; send each key once: which one counts is not guessed",
                    echo(key)
                )
            }
            Self::Batch => String::from("this is a list; MCP has no batches, send each message by itself"),
            Self::NotAnObject(kind) => format!("a message is a JSON object; this is {kind}"),
            Self::Version => String::from("`jsonrpc` has to be \"2.0\""),
            Self::Id => String::from("the `id` of a request is text or an integer of up to 64 bits, and never null"),
            Self::IdMissing => String::from("this is a request without an `id`, so it is not carried out; give it one"),
            Self::IdInUse => {
                String::from("a request with this `id` is still being answered; it goes on, this one was not begun")
            }
            Self::MethodMissing => String::from("the message has no `method`, and no `result` or `error` either"),
            Self::MethodNotText => String::from("`method` has to be text"),
            Self::RequestAndResponse => String::from(
                "the message has a `method` and a `result` or `error`: it is either a request or an answer",
            ),
            Self::MethodUnknown { method, near } => {
                let served: Vec<String> = super::SERVED.iter().map(|(name, _)| format!("`{name}`")).collect();
                let hint = near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                format!("unknown method `{}`{hint}; there are {}", echo(method), served.join(", "))
            }
            Self::NoHandshake => {
                String::from("the revision that `_meta` names has no `initialize`; its requests need no handshake")
            }
            Self::NoHandshakeYet => format!(
                "no `initialize` came before this request: send that first, or, from revision 2026-07-28 on, `{}` and the \
                 client's capabilities in `_meta` of each request",
                super::META_REVISION
            ),
            Self::Params(what, needs) => format!("{what}; they hold {needs}"),
            Self::Transport(sentence) => sentence.clone(),
            Self::Internal => String::from("the server failed on this message"),
        }
    }
}

/// A refused frame.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// The request's id, where one could be read.
    pub id: Option<RequestId>,
    /// Why.
    pub reason: Reason,
}

impl Refusal {
    pub(super) const fn new(id: Option<RequestId>, reason: Reason) -> Self {
        Self { id, reason }
    }

    /// The answer as JSON-RPC has it; an id that could not be read is null there.
    pub fn answer(&self) -> Value {
        json!({
            "jsonrpc": "2.0",
            "id": self.id,
            "error": { "code": self.reason.code(), "message": self.reason.message() },
        })
    }

    pub(super) fn log(&self) {
        tracing::warn!(reason = self.reason.word(), code = self.reason.code(), "a frame was refused");
    }
}

/// What came, short enough to be repeated, and without what may be a card's number.
fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", shown(&text[..end])),
        None => shown(text),
    }
}

fn shown(text: &str) -> String {
    if is_harmless(text) { text.to_owned() } else { scrubbed(text) }
}
