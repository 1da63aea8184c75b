//! A mistake in a call, as a plan names it, and its mending from the error's own words.

use std::sync::Arc;

use serde_json::Value;
use smol_str::SmolStr;

use super::{By, Host, Ready};
use crate::fault::Label;
use crate::malform::{self, Published, Sent, When};
use crate::repair::{Agent, Answer, TURNS_MAX};
use crate::trace::{HostReply, Malformed};

/// What a tool publishes of its arguments.
fn schema_of(tool: &str) -> Option<&'static Value> {
    giftgenius::tools::table().iter().find(|known| known.spec.name == tool).map(|known| &*known.spec.input_schema)
}

/// A call in which a mistake is made.
pub(super) enum Mistaken {
    /// It is made in place of the right one.
    Instead(Ready),
    /// The right one is made, and then this one.
    Again {
        /// The right one.
        right: Ready,
        /// The one that comes again.
        again: Ready,
    },
}

/// The call with the mistake of a label in it, if it can be made there.
pub(super) fn malformed(ready: &Ready, label: &Label) -> Option<Mistaken> {
    if ready.malformed.is_some() {
        return None;
    }
    let (tool, meant) = (&ready.tool, &ready.arguments);
    let case = malform::case(&Published::new(tool, schema_of(tool)?), meant, label)?;
    let mistake =
        Malformed { label: case.label, tool: tool.clone(), meant: meant.clone(), remedy: case.remedy, turn: 0 };
    let wrong = match case.sent {
        Sent::Arguments(arguments) => with(ready, tool.clone(), arguments, mistake),
        Sent::ToTool(name) => with(ready, name.into(), Value::clone(meant), mistake),
        Sent::Frame(_) | Sent::Nothing => return None,
    };
    match case.when {
        When::Ready => Some(Mistaken::Instead(wrong)),
        When::After(first) => {
            let (step, user, intent) = (ready.step, ready.user.clone(), ready.intent.clone());
            let right = Ready::new(step, tool.clone(), first, user, intent);
            Some(Mistaken::Again { right, again: wrong })
        }
        When::First => None,
    }
}

/// The same call with other arguments, to a tool of this name.
fn with(ready: &Ready, tool: SmolStr, arguments: Value, malformed: Malformed) -> Ready {
    let whole = Ready::new(ready.step, tool, arguments, ready.user.clone(), ready.intent.clone());
    Ready { malformed: Some(Arc::new(malformed)), ..whole }
}

impl Host<'_> {
    /// Calls again as an agent would that knows nothing but the tool's schema and the errors' own words.
    pub(super) async fn mended(&self, mut ready: Ready, mistake: &Malformed, mut reply: HostReply) -> HostReply {
        let Some(schema) = schema_of(&mistake.tool) else { return reply };
        let mut agent = Agent::new(&mistake.tool, schema, ready.step.into());
        for turn in 1..=TURNS_MAX {
            let answer = match &reply {
                HostReply::Tool { structured, is_error: true } => Answer::Tool(structured),
                HostReply::Protocol { message, .. } => Answer::Protocol(message),
                HostReply::Tool { .. } | HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => break,
            };
            let Some(next) = agent.mend(&ready.arguments, answer) else { break };
            let tool = next.tool.map_or_else(|| ready.tool.clone(), SmolStr::from);
            ready = with(&ready, tool, next.arguments, Malformed { turn, ..mistake.clone() });
            let fault = self.ask_one_of_several(&mut ready, By::ModelAmongOthers);
            let (call, answer) = self.begun(&ready, fault);
            reply = self.told(ready.clone(), call, answer).await;
        }
        reply
    }
}
