//! The guard of raw frames, before rmcp on both transports: no input makes the server panic, hang, grow or stay silent.
//!
//! rmcp is made for clients that speak the protocol. What does not, it drops without a word (bad JSON on stdio), answers
//! in a way that helps nobody, or ends the session for. A model's platform that sent such a frame waits for an answer
//! that never comes. So each frame is judged here first: [`judge`] is a pure function of its bytes, [`stdio`] and
//! [`http`] carry its verdicts out, and rmcp gets to see only requests that it understands.
//!
//! This is also the one place that decides what is a *protocol error*: whatever keeps a frame from being one request
//! with a known method and parameters of the right kind. An unknown tool is one too, told by the application. What is
//! wrong *inside* the arguments of a known tool is a tool error, which a model can read and mend. Arguments that are no
//! object at all belong to those: they travel on beside the frame, as [`RawArguments`], because rmcp's type for a call
//! has no room for them.
//!
//! Keys that stand twice are refused. JSON leaves open which of the two counts, and somebody who reads a frame on the
//! way (a proxy, a log) may take the other one: no way to agree on an amount of money.

pub mod http;
pub mod in_flight;
mod read;
mod refusal;
pub mod stdio;

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, RequestId};
use serde_json::{Map, Value};

use read::{Read, is_out_of_range, read, with_bounded_numbers};
pub use refusal::{Reason, Refusal};

use crate::validate::nearest;

/// The longest frame that is read. The largest call that makes sense is a few kilobytes; a megabyte leaves room for
/// clients that put a conversation into `_meta`, and is little enough to be held for every connection at once.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// How deep objects and lists may nest. Calls of these tools need 4 levels, `_meta` a few more; every level costs stack
/// wherever a frame is walked, and serde's own bound is at 128.
pub const DEPTH_MAX: usize = 64;
/// How many values a frame may hold, keys apart. A value takes up to 30 times its bytes in memory, which this bounds.
pub const ITEMS_MAX: usize = 10_000;

/// What this server answers, and what the parameters of each have to hold. rmcp would also answer requests for prompts
/// and resources, with empty lists, which would be to serve what was never declared.
const SERVED: [(&str, &str); 5] = [
    ("initialize", "`protocolVersion` (text), `capabilities` (an object) and `clientInfo` (with `name` and `version`)"),
    ("ping", "nothing"),
    ("server/discover", "`_meta` with the protocol version and the client's capabilities"),
    ("tools/list", "at most a `cursor` (text)"),
    ("tools/call", "`name` (text) and `arguments` (an object); `_meta`, if there is one, is an object"),
];

/// Where a request of 2026-07-28 or later says its revision. A client of before says it once, in `initialize`.
const META_REVISION: &str = "io.modelcontextprotocol/protocolVersion";

/// Arguments of a call that are no object, as they came.
#[derive(Clone, PartialEq, Debug)]
pub struct RawArguments(pub Value);

/// What becomes of a frame.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on.
    Request(Box<Asked>),
    /// It is taken in, and not answered.
    Notification {
        /// The request that nobody waits for any more.
        cancels: Option<RequestId>,
    },
    /// An answer; this server asks its clients nothing, so it means nothing.
    Response,
    /// It is answered with this.
    Refused(Refusal),
    /// The same of a notification or an answer, which JSON-RPC never answers.
    Ignored(Refusal),
}

/// A request that is well formed.
#[derive(Debug)]
pub struct Asked {
    /// Its id.
    pub id: RequestId,
    /// The request as rmcp knows it, without the arguments where these are raw.
    pub message: ClientJsonRpcMessage,
    /// How it stands to the handshake that older revisions begin with.
    pub handshake: Handshake,
    /// Arguments that are no object.
    pub raw_arguments: Option<RawArguments>,
    /// The frame without those, and with every number within the bounds of a double; where it is so already, it can go on as
    /// it came.
    pub rewritten: Option<Vec<u8>>,
}

/// How a request stands to the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// It is the handshake.
    Is,
    /// It has to come after one: it says no revision of its own.
    Needed,
    /// It can do without.
    NotNeeded,
}

/// Judges a frame: a line of stdin without its end, or a request's body. Of one that is longer than [`FRAME_BYTES_MAX`] a
/// beginning that is longer is enough.
pub fn judge(frame: &[u8]) -> Verdict {
    let frame = without_mark(frame);
    if frame.len() > FRAME_BYTES_MAX {
        let id = read(readable(&frame[..FRAME_BYTES_MAX])).id;
        return Verdict::Refused(Refusal::new(id, Reason::TooLong));
    }
    let text = readable(frame);
    let Read { value, fault, id } = read(text);
    // A number may have any size (RFC 8259 §6), and only the arguments' schema says which ones make sense.
    let bounded = value.as_ref().err().filter(|error| is_out_of_range(error)).map(|_| with_bounded_numbers(text));
    let (Read { value, fault, id }, is_bounded) = match &bounded {
        Some(bounded) => (read(bounded), true),
        None => (Read { value, fault, id }, false),
    };
    if text.len() < frame.len() {
        let message = format!("invalid UTF-8 at byte {}", text.len() + 1);
        return Verdict::Refused(Refusal::new(id, Reason::NotJson(message)));
    }
    let object = match (value, fault) {
        (Ok(Value::Object(object)), None) => object,
        (Ok(value), Some(fault)) => {
            let refusal = Refusal::new(id, fault);
            return if is_unanswered(&value) { Verdict::Ignored(refusal) } else { Verdict::Refused(refusal) };
        }
        (Err(_), Some(fault)) => return Verdict::Refused(Refusal::new(id, fault)),
        (Err(error), None) => return Verdict::Refused(Refusal::new(id, Reason::NotJson(error))),
        (Ok(Value::Array(_)), None) => return Verdict::Refused(Refusal::new(None, Reason::Batch)),
        (Ok(other), None) => return Verdict::Refused(Refusal::new(None, Reason::NotAnObject(kind(&other)))),
    };
    message(object, is_bounded)
}

/// A byte order mark is no part of the JSON behind it (RFC 8259 §8.1).
fn without_mark(frame: &[u8]) -> &[u8] {
    frame.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(frame)
}

/// The beginning of a frame that is UTF-8.
fn readable(frame: &[u8]) -> &str {
    match std::str::from_utf8(frame) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&frame[..error.valid_up_to()]).expect("valid up to there"),
    }
}

/// Whether JSON-RPC forbids to answer this: a notification, or an answer.
fn is_unanswered(value: &Value) -> bool {
    match value.get("method") {
        Some(method) => method.is_string() && value.get("id").is_none(),
        None => value.get("result").or(value.get("error")).is_some(),
    }
}

/// Judges an object as a message of JSON-RPC; `is_bounded`: numbers of it are not as they came.
fn message(object: Map<String, Value>, is_bounded: bool) -> Verdict {
    let has_outcome = object.contains_key("result") || object.contains_key("error");
    let method = match object.get("method") {
        None if has_outcome => return Verdict::Response,
        method => method.and_then(Value::as_str).map(str::to_owned),
    };
    let id = match object.get("id").map(request_id) {
        Some(None) => return Verdict::Refused(Refusal::new(None, Reason::Id)),
        id => id.flatten(),
    };
    let wrong = if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        Some(Reason::Version)
    } else if has_outcome {
        Some(Reason::RequestAndResponse)
    } else {
        None
    };
    match (method, id, wrong) {
        (Some(_), None, Some(reason)) => Verdict::Ignored(Refusal::new(None, reason)),
        (_, id, Some(reason)) => Verdict::Refused(Refusal::new(id, reason)),
        (None, id, None) => {
            let reason = if object.contains_key("method") { Reason::MethodNotText } else { Reason::MethodMissing };
            Verdict::Refused(Refusal::new(id, reason))
        }
        (Some(method), None, None) => notification(&method, &object),
        (Some(method), Some(id), None) => match request(&method, id.clone(), object, is_bounded) {
            Ok(asked) => Verdict::Request(Box::new(asked)),
            Err(reason) => Verdict::Refused(Refusal::new(Some(id), reason)),
        },
    }
}

fn notification(method: &str, object: &Map<String, Value>) -> Verdict {
    if SERVED.iter().any(|(served, _)| *served == method) {
        // It waits for an answer that it will not get: over HTTP it can be told so.
        return Verdict::Ignored(Refusal::new(None, Reason::IdMissing));
    }
    let cancelled = || request_id(object.get("params")?.get("requestId")?);
    Verdict::Notification { cancels: if method == "notifications/cancelled" { cancelled() } else { None } }
}

fn request(method: &str, id: RequestId, mut object: Map<String, Value>, is_bounded: bool) -> Result<Asked, Reason> {
    let Some((_, needs)) = SERVED.iter().find(|(served, _)| *served == method) else {
        let names: Vec<String> = SERVED.iter().map(|(name, _)| (*name).to_owned()).collect();
        let near = nearest(method, &names).map(str::to_owned);
        return Err(Reason::MethodUnknown { method: method.to_owned(), near });
    };
    let params = object.get("params");
    if let Some(wrong) = params.and_then(|params| wrong_params(method, params)) {
        return Err(Reason::Params(wrong, needs));
    }
    let says_revision = params.is_some_and(|params| params["_meta"].get(META_REVISION).is_some());
    let handshake = match method {
        "initialize" if says_revision => return Err(Reason::NoHandshake),
        "initialize" => Handshake::Is,
        "tools/list" | "tools/call" if !says_revision => Handshake::Needed,
        _ => Handshake::NotNeeded,
    };
    let raw_arguments = if method == "tools/call" { take_raw_arguments(&mut object)? } else { None };
    let is_rewritten = is_bounded || raw_arguments.is_some();
    let rewritten = is_rewritten.then(|| serde_json::to_vec(&object).expect("what was JSON is JSON"));
    // What rmcp has no type for, because its parameters are malformed, it calls a custom request.
    match serde_json::from_value(Value::Object(object)) {
        Ok(message @ ClientJsonRpcMessage::Request(_)) if !is_custom(&message) => {
            Ok(Asked { id, message, handshake, raw_arguments, rewritten })
        }
        Ok(_) | Err(_) => Err(Reason::Params(format!("the params of `{method}` are not as MCP has them"), needs)),
    }
}

fn is_custom(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, ClientJsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::CustomRequest(_)))
}

/// What is wrong with parameters that rmcp would drop as a whole, `_meta` included, rather than complain.
fn wrong_params(method: &str, params: &Value) -> Option<String> {
    let member = |name: &str| params.get(name).filter(|value| !value.is_null());
    if !(params.is_object() || params.is_null()) {
        Some(format!("the params of `{method}` are {}, not an object", kind(params)))
    } else if let Some(meta) = member("_meta").filter(|meta| !meta.is_object()) {
        Some(format!("the `_meta` of `{method}` is {}, not an object", kind(meta)))
    } else {
        let cursor = member("cursor").filter(|cursor| method == "tools/list" && !cursor.is_string());
        cursor.map(|cursor| format!("the `cursor` of `{method}` is {}, not text", kind(cursor)))
    }
}

/// Takes arguments that are no object out of a call, and sees to its name.
fn take_raw_arguments(object: &mut Map<String, Value>) -> Result<Option<RawArguments>, Reason> {
    let needs = SERVED[4].1;
    let wrong = |what: String| Reason::Params(what, needs);
    let Some(Value::Object(params)) = object.get_mut("params") else {
        return Err(wrong(String::from("`tools/call` came without params")));
    };
    match params.get("name") {
        Some(Value::String(_)) => {}
        Some(other) => return Err(wrong(format!("the `name` of the tool is {}, not text", kind(other)))),
        None => return Err(wrong(String::from("`tools/call` came without the `name` of a tool"))),
    }
    match params.get("arguments") {
        // Null is taken as absent, as rmcp does.
        None | Some(Value::Object(_) | Value::Null) => Ok(None),
        Some(_) => Ok(params.remove("arguments").map(RawArguments)),
    }
}

fn request_id(value: &Value) -> Option<RequestId> {
    serde_json::from_value(value.clone()).ok()
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
