//! Malformed calls: what a model makes of a tool's schema when it does not make what was meant.
//!
//! From a published input schema and a valid call come all calls with one mistake in them, in a fixed order, each with
//! a [`Label`], the answer that a server owes it ([`Expected`]) and what an error can tell of the mistake ([`Remedy`]).
//! Nothing here knows a server, a scenario or a world: a new tool is covered the day it is published.
//!
//! [`fields`] finds the places, a file each makes the mistakes of a class, [`label`] is their text form, [`frames`] are
//! the calls that are broken below their arguments and go over a wire only.

mod fields;
pub mod frames;
mod identifier;
mod intent;
mod kind;
pub mod label;
mod maker;
mod missing;
mod name;
mod nesting;
mod order;
pub mod pointer;
mod redundant;
mod repeat;
pub mod schema;
mod tool;
mod value;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

pub use fields::is_identifier;
pub use label::{BadLabel, Label};
use maker::Maker;

/// The kinds of mistakes, in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Something is left out.
    Missing,
    /// A field has another name, or one that there is not.
    Name,
    /// A value has another type.
    Type,
    /// A value is out of its range, its list or its format.
    Value,
    /// An identifier looks right and is none, or has expired, or is another user's.
    Identifier,
    /// Something is said twice, or twice differently.
    Redundant,
    /// A field stands one level too high or too low.
    Nesting,
    /// The call is broken below its arguments.
    Envelope,
    /// The tool has another name.
    Tool,
    /// The call comes before what it needs.
    Order,
    /// The call comes again, with a change.
    Repeat,
    /// The call is valid and not what was meant.
    Intent,
}

impl Class {
    /// Every class, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Missing,
        Self::Name,
        Self::Type,
        Self::Value,
        Self::Identifier,
        Self::Redundant,
        Self::Nesting,
        Self::Envelope,
        Self::Tool,
        Self::Order,
        Self::Repeat,
        Self::Intent,
    ];

    /// The word in labels and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Name => "name",
            Self::Type => "type",
            Self::Value => "value",
            Self::Identifier => "identifier",
            Self::Redundant => "redundant",
            Self::Nesting => "nesting",
            Self::Envelope => "envelope",
            Self::Tool => "tool",
            Self::Order => "order",
            Self::Repeat => "repeat",
            Self::Intent => "intent",
        }
    }

    /// The class of a word.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// A tool as its server publishes it.
#[derive(Debug)]
pub struct Published<'a> {
    /// Its name.
    pub name: &'a str,
    /// JSON Schema of its arguments.
    pub schema: &'a Value,
    validator: OnceLock<Option<Validator>>,
}

impl<'a> Published<'a> {
    /// A tool of this name and schema.
    pub const fn new(name: &'a str, schema: &'a Value) -> Self {
        Self { name, schema, validator: OnceLock::new() }
    }

    /// Whether the published schema takes these arguments. A schema that is none takes everything.
    pub fn takes(&self, arguments: &Value) -> bool {
        let build = || jsonschema::options().should_validate_formats(true).build(self.schema).ok();
        self.validator.get_or_init(build).as_ref().is_none_or(|validator| validator.is_valid(arguments))
    }
}

/// A value that no generator can make up: an identifier that has expired, or is another user's.
#[derive(Clone, PartialEq, Debug)]
pub struct Stranger {
    /// JSON pointer to the field that it is for.
    pub pointer: String,
    /// `expired` or `foreign`.
    pub variant: &'static str,
    /// The value.
    pub value: Value,
}

/// When a call is made.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// When everything that the valid call needs is there.
    Ready,
    /// Before anything is there.
    First,
    /// After this call of the same tool was accepted.
    After(Value),
}

/// What is sent.
#[derive(Clone, PartialEq, Debug)]
pub enum Sent {
    /// These arguments.
    Arguments(Value),
    /// The valid arguments, to a tool of this name.
    ToTool(String),
    /// Bytes in place of a request.
    Frame(frames::Frame),
    /// Nothing: no server could tell it from the right call.
    Nothing,
}

/// The answer that a server owes a malformed call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Refused as invalid, with each of these places (JSON pointers) named.
    Refused(Vec<String>),
    /// A tool error: the schema takes it, but what it asks for is not there.
    Failed,
    /// Accepted, for this reason.
    Accepted(&'static str),
    /// The schema takes it. A rule that no schema states may refuse it, and then names this place.
    Open(String),
    /// This error of the protocol.
    Protocol(ProtocolError),
    /// Every request is answered, and one of them at least as the valid call is.
    EachAnswered,
    /// No answer is owed, for this reason.
    None(&'static str),
}

/// The errors of JSON-RPC 2.0 (§5.1) that a malformed frame is owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProtocolError {
    /// It is not JSON.
    Parse,
    /// It is no request.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// The method's parameters are not as it wants them.
    InvalidParams,
}

impl ProtocolError {
    /// JSON-RPC's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse error",
            Self::InvalidRequest => "invalid request",
            Self::MethodNotFound => "method not found",
            Self::InvalidParams => "invalid params",
        }
    }

    /// JSON-RPC's code.
    pub const fn code(self) -> i64 {
        match self {
            Self::Parse => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
        }
    }
}

/// What an error can tell of a mistake.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Remedy {
    /// What was meant: it is still in what was sent, or is known from the schema.
    Restored,
    /// What would be right at these places, not what was meant there; everything else is as it was.
    Replaced(Vec<String>),
    /// Nothing that would do, for this reason.
    Beyond(&'static str),
    /// There is nothing to mend.
    Needless,
}

/// A call with one mistake in it.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// What it is called.
    pub label: Label,
    /// When it is made.
    pub when: When,
    /// What is sent.
    pub sent: Sent,
    /// What a server owes it.
    pub expected: Expected,
    /// What its error can tell.
    pub remedy: Remedy,
}

/// Every malformed call of a tool, from one valid one, in the order of the classes and then of the fields.
pub fn cases(tool: &Published<'_>, valid: &Value, strangers: &[Stranger]) -> Vec<Case> {
    let mut maker = Maker::all(tool, valid);
    make(&mut maker, strangers);
    maker.made
}

/// The one malformed call of a label, if the tool and these arguments give one.
pub fn case(tool: &Published<'_>, valid: &Value, label: &Label) -> Option<Case> {
    let mut maker = Maker::only(tool, valid, label);
    make(&mut maker, &[]);
    maker.made.pop()
}

fn make(maker: &mut Maker<'_>, strangers: &[Stranger]) {
    missing::make(maker);
    name::make(maker);
    kind::make(maker);
    value::make(maker);
    identifier::make(maker, strangers);
    redundant::make(maker);
    nesting::make(maker);
    frames::make(maker);
    tool::make(maker);
    order::make(maker);
    repeat::make(maker);
    intent::make(maker);
}
