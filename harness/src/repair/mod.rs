//! The repair agent: mends a refused call from the tool's schema and the error's own words, and from nothing else
//! (F12).
//!
//! It is as simple as a caller can be, and never clever: what it does not read it does not know. Where it succeeds a
//! model can; where it fails, something is missing in the message. [`error`] is what it reads, [`rules`] what it does
//! about each violation, [`text`] how it reads a server that answers sentences only.

pub mod error;
mod rules;
mod text;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use error::Told;
use rules::Rules;

/// How often the agent calls again, at most.
pub const TURNS_MAX: u32 = 3;

/// The next call.
#[derive(Clone, PartialEq, Debug)]
pub struct Mended {
    /// The tool, where that was the mistake.
    pub tool: Option<String>,
    /// The arguments.
    pub arguments: Value,
}

/// An answer, as the agent gets it.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// A tool error: its structured content, or its text as a JSON string.
    Tool(&'a Value),
    /// An error of the protocol, with its message.
    Protocol(&'a str),
}

/// An agent at work on one call.
#[derive(Debug)]
pub struct Agent<'a> {
    tool: &'a str,
    schema: &'a Value,
    /// Names the keys that it makes up, so that no two of them are one.
    seed: u64,
    keys: u32,
}

impl<'a> Agent<'a> {
    /// An agent that calls this tool, whose published schema it knows.
    pub const fn new(tool: &'a str, schema: &'a Value, seed: u64) -> Self {
        Self { tool, schema, seed, keys: 0 }
    }

    /// What it calls next, having sent these arguments and been answered so; `None` if it knows nothing better.
    pub fn mend(&mut self, sent: &Value, answer: Answer<'_>) -> Option<Mended> {
        match answer {
            Answer::Protocol(message) => {
                let tool = text::tool_meant(message, self.tool)?;
                Some(Mended { tool: Some(tool), arguments: sent.clone() })
            }
            Answer::Tool(structured) => {
                let arguments = match error::read(structured) {
                    Some(told) => {
                        let mut rules = Rules { schema: self.schema, told: &told, seed: self.seed, keys: self.keys };
                        let arguments = rules.mended(sent);
                        self.keys = rules.keys;
                        arguments
                    }
                    None => text::mended(self.schema, sent, structured.as_str()?),
                };
                (arguments != *sent).then_some(Mended { tool: None, arguments })
            }
        }
    }
}
