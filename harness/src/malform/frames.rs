//! Calls that are broken below their arguments: what stands on the wire in place of a request. They are made as bytes,
//! because no JSON library would write them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::maker::{Maker, Unlabelled};
use super::{Class, Expected, Remedy, Sent, When};

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
    IdNull,
    IdAsObject,
    TenMegabytes,
    Deep,
    InvalidUtf8,
    Nul,
    LoneSurrogate,
    Empty,
}

/// JSON-RPC's words for its errors, as [`Expected::Protocol`] has them.
const INVALID_PARAMS: &str = "invalid params";
const INVALID_REQUEST: &str = "invalid request";
const PARSE_ERROR: &str = "parse error";
const METHOD_NOT_FOUND: &str = "method not found";

impl Kind {
    const ALL: [(Self, &'static str); 23] = [
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
        (Self::IdNull, "id_null"),
        (Self::IdAsObject, "id_as_object"),
        (Self::TenMegabytes, "ten_megabytes"),
        (Self::Deep, "ten_thousand_deep"),
        (Self::InvalidUtf8, "invalid_utf8"),
        (Self::Nul, "nul_byte"),
        (Self::LoneSurrogate, "lone_surrogate"),
        (Self::Empty, "empty"),
    ];

    fn expected(self, takes_nothing: bool) -> Expected {
        match self {
            // A call without arguments is a call with none (MCP, `params.arguments` is optional).
            Self::ArgumentsAbsent | Self::ArgumentsNull if takes_nothing => {
                Expected::Accepted("the tool needs no arguments")
            }
            Self::ArgumentsAsString
            | Self::ArgumentsAsList
            | Self::ArgumentsAbsent
            | Self::ArgumentsNull
            | Self::ArgumentsAsNumber
            | Self::EncodedTwice => Expected::Refused(vec![String::new()]),
            Self::DuplicateKeys | Self::Deep | Self::TenMegabytes | Self::Nul => Expected::Open(String::new()),
            Self::ParamsAsList | Self::NameAsNumber | Self::NameAbsent => Expected::Protocol(INVALID_PARAMS),
            Self::Truncated | Self::NotJson | Self::InvalidUtf8 | Self::LoneSurrogate | Self::Empty => {
                Expected::Protocol(PARSE_ERROR)
            }
            Self::Batch | Self::WrongVersion | Self::IdNull | Self::IdAsObject => Expected::Protocol(INVALID_REQUEST),
            Self::UnknownMethod => Expected::Protocol(METHOD_NOT_FOUND),
        }
    }

    fn remedy(self) -> Remedy {
        match self {
            Self::ArgumentsAsString | Self::ArgumentsAsList | Self::EncodedTwice => Remedy::Restored,
            _ => Remedy::Beyond("the platform makes the frame, not the model"),
        }
    }
}

pub(super) fn make(maker: &mut Maker<'_>) {
    if !maker.wants(CLASS) {
        return;
    }
    let takes_nothing = maker.tool.takes(&json!({}));
    for (kind, variant) in Kind::ALL {
        maker.add(CLASS, "", variant, |maker| {
            let frame = Frame { tool: maker.tool.name.to_owned(), valid: maker.valid.clone(), kind };
            Some(Unlabelled {
                when: When::Ready,
                sent: Sent::Frame(frame),
                expected: kind.expected(takes_nothing),
                remedy: kind.remedy(),
            })
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
            Kind::IdNull => "null for the request's id",
            Kind::IdAsObject => "an object for the request's id",
            Kind::TenMegabytes => "an argument of ten megabytes",
            Kind::Deep => "arguments ten thousand levels deep",
            Kind::InvalidUtf8 => "bytes that are no UTF-8",
            Kind::Nul => "a NUL byte escaped in a text",
            Kind::LoneSurrogate => "half of a surrogate pair",
            Kind::Empty => "nothing at all",
        }
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
            Kind::Nul => raw("{\"note\":\"a\\u0000b\"}"),
            Kind::LoneSurrogate => raw("{\"note\":\"\\ud800\"}"),
            Kind::Empty => Vec::new(),
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

fn request(id: i64, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string().into_bytes()
}
