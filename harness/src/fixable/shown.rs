//! One malformed call from its mistake to its end: what was sent, what was answered, and how it was mended from that.

use std::iter;

use serde_json::Value;

use super::judge::told;
use super::measure::{Measuring, prepared};
use super::prepare::{Calls as _, USER, must};
use crate::malform::{self, Label, Published, Sent, When};
use crate::repair::{Agent, Answer, TURNS_MAX};
use crate::trace::HostReply;
use crate::watchdog::{Batch, Named};

/// A call with its answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// The tool that was called.
    pub tool: String,
    /// The arguments.
    pub arguments: Value,
    /// The structured answer; a sentence where there is none.
    pub answer: Value,
}

impl Turn {
    /// A call with its answer.
    pub(super) fn of(tool: &str, arguments: Value, reply: &HostReply) -> Self {
        let answer = match reply {
            HostReply::Tool { structured, .. } => Value::clone(structured),
            other => Value::from(told(other)),
        };
        Self { tool: tool.to_owned(), arguments, answer }
    }
}

/// Why nothing is shown of a label.
pub fn unknown(tool: &str, label: &Label) -> String {
    format!("{tool} has no malformed call `{label}`; `misrule malform {tool}` lists those that it has")
}

/// Makes one malformed call in simulation and mends it. The error is a sentence.
pub fn show(tool: &str, label: &Label) -> Result<Vec<Turn>, String> {
    let spec = giftgenius::tools::table().iter().map(|tool| &tool.spec).find(|spec| spec.name == tool);
    let spec = spec.ok_or_else(|| format!("there is no tool `{tool}`"))?;
    let published = Published::new(spec.name, &spec.input_schema);
    let _watched = Batch::begin(iter::once(Named::Malformed { tool: tool.to_owned(), label: label.clone() }));
    let (house, prepared) = prepared(&Measuring::default(), &published)?;
    let known = malform::cases(&published, &prepared.valid, &prepared.strangers);
    let case = known.into_iter().find(|case| case.label == *label).ok_or_else(|| unknown(tool, label))?;
    if let When::After(first) = &case.when {
        must(&house, USER, tool, first.clone())?;
    }
    let (mut name, mut arguments) = match case.sent {
        Sent::Arguments(arguments) => (tool.to_owned(), arguments),
        Sent::ToTool(name) => (name, prepared.valid),
        Sent::Frame(_) => return Err(format!("`{label}` is a frame, which is sent over a wire only")),
        Sent::Nothing => return Err(format!("`{label}` is not sent: no server could tell it from the right call")),
    };
    let mut agent = Agent::new(tool, &spec.input_schema, 0);
    let mut turns = Vec::new();
    for _ in 0..=TURNS_MAX {
        let reply = house.call(USER, &name, arguments.clone());
        turns.push(Turn::of(&name, arguments.clone(), &reply));
        let next = match &reply {
            HostReply::Tool { structured, is_error: true } => agent.mend(&arguments, Answer::Tool(structured)),
            HostReply::Protocol { message, .. } => agent.mend(&arguments, Answer::Protocol(message)),
            HostReply::Tool { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => None,
        };
        let Some(next) = next else { break };
        name = next.tool.unwrap_or(name);
        arguments = next.arguments;
    }
    Ok(turns)
}
