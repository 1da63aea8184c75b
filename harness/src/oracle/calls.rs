//! Tool calls as the rules see them: what the host sent, and what came of it.

use std::time::Duration;

use super::told::{Said, Told};
use crate::trace::{CallStarted, HostReply};

/// A tool call with what came of it.
#[derive(Clone, Debug)]
pub struct CallView<'a> {
    /// The call.
    pub started: &'a CallStarted,
    /// The index of its start in the trace.
    pub start_event: usize,
    /// When it was made.
    pub start: Duration,
    /// The index of its end in the trace and when; `None` if the run ended first.
    pub end: Option<(usize, Duration)>,
    /// What came of it.
    pub reply: Option<&'a HostReply>,
    /// What it was told about a sale, where the answer speaks of one.
    pub told: Option<Told<'a>>,
    /// The workflow that a successful answer names.
    pub workflow: Option<&'a str>,
    /// What else the answer says.
    pub said: Said<'a>,
    /// What its arguments name.
    pub named: Named<'a>,
    /// The order that the answer is about (or, where an error names none, that the call began): index into
    /// [`Evidence::orders`].
    pub order: Option<usize>,
}

impl<'a> CallView<'a> {
    /// Whether it calls this tool.
    pub fn is(&self, tool: &str) -> bool {
        &*self.started.tool == tool
    }

    /// An argument that is a text. Those that nearly every rule asks for were read before.
    #[inline]
    pub fn text(&self, argument: &str) -> Option<&'a str> {
        match argument {
            "workflow_id" => self.named.workflow,
            "checkout_session_id" => self.named.session,
            "order_id" => self.named.order,
            super::json::KEY => self.named.key,
            _ => self.started.arguments.get(argument)?.as_str(),
        }
    }
}

/// What the arguments of a call name, as texts.
#[derive(Clone, Copy, Default, Debug)]
pub struct Named<'a> {
    /// `workflow_id`.
    pub workflow: Option<&'a str>,
    /// `checkout_session_id`.
    pub session: Option<&'a str>,
    /// `order_id`.
    pub order: Option<&'a str>,
    /// `idempotency_key`.
    pub key: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// Reads a call: its arguments, and its key wherever that travels.
    pub fn of(call: &'a CallStarted) -> Self {
        let mut named = Self { key: call.key.as_deref(), ..Self::default() };
        for (name, value) in call.arguments.as_object().into_iter().flatten() {
            match name.as_str() {
                "workflow_id" => named.workflow = value.as_str(),
                "checkout_session_id" => named.session = value.as_str(),
                "order_id" => named.order = value.as_str(),
                _ => {}
            }
        }
        named
    }
}
