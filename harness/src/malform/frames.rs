//! Calls that are broken below their arguments: what stands on the wire in place of a request. They are made as bytes,
//! because no JSON library would write them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::maker::{Maker, Unlabelled};
use super::missing::{Everything, everything};
use super::{Class, Expected, ProtocolError, Remedy, Sent, When, pointer};

const CLASS: Class = Class::Envelope;

/// A frame: how it is made, so that ten megabytes are not kept where a name will do.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    tool: String,
    valid: Value,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    ArgumentsAsString,
    ArgumentsAsList,
    ArgumentsAbsent,
    ArgumentsNull,
    ArgumentsAsNumber,
    EncodedTwice,
    DuplicateKeys,
    ParamsAsList,
    NameAsNumber,
    NameAbsent,
    Truncated,
    NotJson,
    Batch,
    UnknownMethod,
    WrongVersion,
    DuplicateId,
    IdNull,
    IdAsObject,
    TenMegabytes,
    Deep,
    InvalidUtf8,
    NulByte,
    NulEscaped,
    LoneSurrogate,
    Empty,
    Reordered,
}

/// Why no message mends a frame, by what is wrong with it.
const PLATFORM_MADE: &str = "the platform makes the frame around the arguments, and no model sees it";
const UNREADABLE: &str = "what cannot be read as JSON says nothing of what was meant";
const UNREAD: &str = "what is over a bound is not read, so nothing in it can be told";
const AMBIGUOUS: &str = "which of two values under one name counts is not guessed";

/// A field that no tool has, for values that no tool takes.
const EXTRA: &str = "/note";

impl Kind {
    const ALL: [(Self, &'static str); 26] = [
        (Self::ArgumentsAsString, "arguments_as_string"),
        (Self::ArgumentsAsList, "arguments_as_list"),
        (Self::ArgumentsAbsent, "arguments_absent"),
        (Self::ArgumentsNull, "arguments_null"),
        (Self::ArgumentsAsNumber, "arguments_as_number"),
        (Self::EncodedTwice, "encoded_twice"),
        (Self::DuplicateKeys, "duplicate_keys"),
        (Self::ParamsAsList, "params_as_list"),
        (Self::NameAsNumber, "name_as_number"),
        (Self::NameAbsent, "name_absent"),
        (Self::Truncated, "truncated"),
        (Self::NotJson, "not_json"),
        (Self::Batch, "batch"),
        (Self::UnknownMethod, "unknown_method"),
        (Self::WrongVersion, "wrong_version"),
        (Self::DuplicateId, "duplicate_id"),
        (Self::IdNull, "id_null"),
        (Self::IdAsObject, "id_as_object"),
        (Self::TenMegabytes, "ten_megabytes"),
        (Self::Deep, "ten_thousand_deep"),
        (Self::InvalidUtf8, "invalid_utf8"),
        (Self::NulByte, "nul_byte"),
        (Self::NulEscaped, "nul_escaped"),
        (Self::LoneSurrogate, "lone_surrogate"),
        (Self::Empty, "empty"),
        (Self::Reordered, "reordered"),
    ];

    /// What is owed, and what an error can tell; `None` where there is no such frame of this call.
    fn judged(self, maker: &Maker<'_>) -> Option<(Expected, Remedy)> {
        let whole = || Expected::Refused(vec![String::new()]);
        Some(match self {
            Self::ArgumentsAsString | Self::ArgumentsAsList | Self::EncodedTwice => (whole(), Remedy::Restored),
            Self::ArgumentsAsNumber => (whole(), everything(maker).remedy),
            // A call without arguments is a call with none (MCP, `params.arguments` is optional).
            Self::ArgumentsAbsent | Self::ArgumentsNull if maker.tool.takes(&json!({})) => {
                (Expected::Accepted("the tool needs no arguments"), Remedy::Needless)
            }
            Self::ArgumentsAbsent | Self::ArgumentsNull => {
                let Everything { required, remedy } = everything(maker);
                (Expected::Refused(required), remedy)
            }
            Self::NulEscaped => {
                let with_extra = pointer::with(maker.valid, EXTRA, json!("a\0b"));
                let at = String::from(EXTRA);
                if maker.tool.takes(&with_extra) {
                    (Expected::Open(at), Remedy::Needless)
                } else {
                    (Expected::Refused(vec![at]), Remedy::Restored)
                }
            }
            Self::DuplicateKeys if maker.valid.as_object().is_none_or(serde_json::Map::is_empty) => return None,
            Self::DuplicateKeys => (Expected::Protocol(ProtocolError::InvalidParams), Remedy::Beyond(AMBIGUOUS)),
            Self::Deep | Self::TenMegabytes => {
                (Expected::Protocol(ProtocolError::InvalidRequest), Remedy::Beyond(UNREAD))
            }
            Self::ParamsAsList | Self::NameAsNumber | Self::NameAbsent => {
                (Expected::Protocol(ProtocolError::InvalidParams), Remedy::Beyond(PLATFORM_MADE))
            }
            Self::Truncated | Self::NotJson | Self::InvalidUtf8 | Self::NulByte | Self::LoneSurrogate | Self::Empty => {
                (Expected::Protocol(ProtocolError::Parse), Remedy::Beyond(UNREADABLE))
            }
            Self::Batch | Self::WrongVersion | Self::IdNull | Self::IdAsObject => {
                (Expected::Protocol(ProtocolError::InvalidRequest), Remedy::Beyond(PLATFORM_MADE))
            }
            Self::UnknownMethod => (Expected::Protocol(ProtocolError::MethodNotFound), Remedy::Beyond(PLATFORM_MADE)),
            Self::DuplicateId => (Expected::EachAnswered, Remedy::Needless),
            Self::Reordered => {
                (Expected::Accepted("the order of members means nothing (RFC 8259 §4)"), Remedy::Needless)
            }
        })
    }
}

pub(super) fn make(maker: &mut Maker<'_>) {
    for (kind, variant) in Kind::ALL {
        maker.add(CLASS, "", variant, |maker| {
            let (expected, remedy) = kind.judged(maker)?;
            let frame = Frame { tool: maker.tool.name.to_owned(), valid: maker.valid.clone(), kind };
            Some(Unlabelled { when: When::Ready, sent: Sent::Frame(frame), expected, remedy })
        });
    }
}

impl Frame {
    /// What it is, in words.
    pub const fn about(&self) -> &'static str {
        match self.kind {
            Kind::ArgumentsAsString => "the arguments as a JSON text in a string",
            Kind::ArgumentsAsList => "the arguments in a list",
            Kind::ArgumentsAbsent => "no arguments",
            Kind::ArgumentsNull => "null for arguments",
            Kind::ArgumentsAsNumber => "a number for arguments",
            Kind::EncodedTwice => "the arguments as a string of a string",
            Kind::DuplicateKeys => "every argument twice under its name",
            Kind::ParamsAsList => "params as a list",
            Kind::NameAsNumber => "a number for the tool's name",
            Kind::NameAbsent => "no tool's name",
            Kind::Truncated => "the first half of the frame",
            Kind::NotJson => "no JSON",
            Kind::Batch => "two requests in a list",
            Kind::UnknownMethod => "a method that there is not",
            Kind::WrongVersion => "JSON-RPC of version 1.0",
            Kind::DuplicateId => "the valid call twice at once, under one id",
            Kind::IdNull => "null for the request's id",
            Kind::IdAsObject => "an object for the request's id",
            Kind::TenMegabytes => "an argument of ten megabytes",
            Kind::Deep => "arguments ten thousand levels deep",
            Kind::InvalidUtf8 => "bytes that are no UTF-8",
            Kind::NulByte => "a NUL byte in a text",
            Kind::NulEscaped => "a NUL byte, escaped, in a field that there is not",
            Kind::LoneSurrogate => "half of a surrogate pair",
            Kind::Empty => "nothing at all: an empty body; on stdio a blank line, which is no message",
            Kind::Reordered => "the valid call, and again with the members of every object the other way round",
        }
    }

    /// How often it is sent at once.
    pub const fn times(&self) -> usize {
        match self.kind {
            Kind::DuplicateId => 2,
            _ => 1,
        }
    }

    /// Whether the valid call is made first, which this one repeats.
    pub const fn comes_again(&self) -> bool {
        matches!(self.kind, Kind::Reordered)
    }

    /// Whether its id can be read for certain: an answer then carries it, else null.
    pub const fn shows_its_id(&self) -> bool {
        !matches!(self.kind, Kind::NotJson | Kind::Batch | Kind::IdNull | Kind::IdAsObject | Kind::Empty)
    }

    /// The arguments as the model wrote them, which it would mend: none are an empty object.
    pub fn arguments(&self) -> Value {
        let frame: Option<Value> = serde_json::from_slice(&self.bytes(0)).ok();
        let arguments = frame.and_then(|frame| frame.pointer("/params/arguments").cloned());
        arguments.filter(|arguments| !arguments.is_null()).unwrap_or_else(|| json!({}))
    }

    /// The bytes, as a request of this id.
    pub fn bytes(&self, id: i64) -> Vec<u8> {
        let with = |arguments: Value| request(id, &json!({"name": self.tool, "arguments": arguments}));
        let raw = |arguments: &str| {
            let name = Value::from(self.tool.as_str());
            let params = format!("{{\"name\":{name},\"arguments\":{arguments}}}");
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}").into_bytes()
        };
        let text = self.valid.to_string();
        match self.kind {
            Kind::ArgumentsAsString => with(json!(text)),
            Kind::ArgumentsAsList => with(json!([self.valid])),
            Kind::ArgumentsAbsent => request(id, &json!({"name": self.tool})),
            Kind::ArgumentsNull => with(Value::Null),
            Kind::ArgumentsAsNumber => with(json!(7)),
            Kind::EncodedTwice => with(json!(json!(text).to_string())),
            Kind::DuplicateKeys => raw(&self.doubled()),
            Kind::ParamsAsList => request(id, &json!([self.tool, self.valid])),
            Kind::NameAsNumber => request(id, &json!({"name": 7, "arguments": self.valid})),
            Kind::NameAbsent => request(id, &json!({"arguments": self.valid})),
            Kind::Truncated => {
                let mut whole = with(self.valid.clone());
                whole.truncate(whole.len() / 2);
                whole
            }
            Kind::NotJson => format!("call {} with {text}", self.tool).into_bytes(),
            Kind::Batch => {
                let one = with(self.valid.clone());
                [b"[".as_slice(), one.as_slice(), b",", one.as_slice(), b"]"].concat()
            }
            Kind::UnknownMethod => {
                json!({"jsonrpc": "2.0", "id": id, "method": "tools/do", "params": {}}).to_string().into_bytes()
            }
            Kind::WrongVersion => self.envelope(&json!("1.0"), &json!(id)),
            Kind::IdNull => self.envelope(&json!("2.0"), &Value::Null),
            Kind::IdAsObject => self.envelope(&json!("2.0"), &json!({"id": id})),
            Kind::TenMegabytes => raw(&format!("{{\"note\":\"{}\"}}", "x".repeat(10 << 20))),
            Kind::Deep => raw(&format!("{{\"note\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000))),
            Kind::InvalidUtf8 => {
                let mut bytes = raw("{\"note\":\"?\"}");
                if let Some(at) = bytes.iter().position(|byte| *byte == b'?') {
                    bytes[at] = 0xff;
                }
                bytes
            }
            Kind::NulByte => raw("{\"note\":\"a\0b\"}"),
            Kind::NulEscaped => with(pointer::with(&self.valid, EXTRA, json!("a\0b"))),
            Kind::DuplicateId => with(self.valid.clone()),
            Kind::LoneSurrogate => raw("{\"note\":\"\\ud800\"}"),
            Kind::Empty => Vec::new(),
            Kind::Reordered => raw(&turned(&self.valid)),
        }
    }

    fn envelope(&self, version: &Value, id: &Value) -> Vec<u8> {
        let params = json!({"name": self.tool, "arguments": self.valid});
        json!({"jsonrpc": version, "id": id, "method": "tools/call", "params": params}).to_string().into_bytes()
    }

    /// The arguments with every name twice, the second time with nothing.
    fn doubled(&self) -> String {
        let mut out = String::from("{");
        for (name, value) in self.valid.as_object().into_iter().flatten() {
            let comma = if out.len() > 1 { "," } else { "" };
            write!(out, "{comma}{}:{value},{}:null", json!(name), json!(name))
                .expect("writing to a string does not fail");
        }
        out.push('}');
        out
    }
}

/// A value with the members of every object the other way round: no JSON library writes one object in two ways.
fn turned(value: &Value) -> String {
    let listed = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Object(members) => {
            let members = members.iter().rev().map(|(name, member)| format!("{}:{}", json!(name), turned(member)));
            format!("{{{}}}", listed(members.collect()))
        }
        Value::Array(items) => format!("[{}]", listed(items.iter().map(turned).collect())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn request(id: i64, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string().into_bytes()
}
