//! The application: ports and policy wired together, and the one way in, [`App::call_tool`].

use std::sync::Arc;

use serde_json::Value;

use crate::ids::{CorrelationId, UserId};
use crate::journal::JournalError;
use crate::policy::Policy;
use crate::ports::Ports;

/// One tool call, as the connection hands it over.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The tool's name as sent.
    pub name: String,
    /// The arguments as sent; `Value::Null` when absent.
    pub arguments: Value,
    /// Who calls, as the connection says.
    pub user: UserId,
    /// `correlation_id` from the request's `_meta`; made up when absent.
    pub correlation_id: Option<CorrelationId>,
    /// `idempotency_key` from the request's `_meta`; counts when the arguments have none.
    pub idempotency_key: Option<String>,
}

/// A tool's answer.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolReply {
    /// `structuredContent`: the result, or `{"error": {…}}`.
    pub structured: Value,
    /// Whether it is a tool error.
    pub is_error: bool,
    /// Of this call; travels back in `_meta`.
    pub correlation_id: CorrelationId,
}

/// There is no such tool: a protocol error, not a tool error.
#[derive(Debug, thiserror::Error)]
#[error("unknown tool `{name}`{}", suggestion.as_deref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
pub struct UnknownTool {
    /// As it was called.
    pub name: String,
    /// The nearest name that exists.
    pub suggestion: Option<&'static str>,
}

/// What a tool promises about itself (MCP tool annotations); held to behaviour by tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// What it changes cannot simply be changed back.
    pub destructive: bool,
    /// The identical call again changes nothing more.
    pub idempotent: bool,
    /// It speaks to the world outside.
    pub open_world: bool,
}

/// A tool as it is published.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    /// The name.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For the model.
    pub description: &'static str,
    /// JSON Schema (2020-12) of the arguments.
    pub input_schema: Arc<Value>,
    /// JSON Schema of the structured content of a success.
    pub output_schema: Arc<Value>,
    /// Its promises.
    pub annotations: Annotations,
}

/// How the sagas stand, for the health page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SagaCounts {
    /// With work left.
    pub open: usize,
    /// Waiting for a person.
    pub parked: usize,
}

/// The application.
pub struct App {
    pub(crate) ports: Ports,
    pub(crate) policy: Policy,
}

impl App {
    /// Wires the application.
    pub fn new(ports: Ports, policy: Policy) -> Arc<Self> {
        Arc::new(Self { ports, policy })
    }

    /// The tools, in the order in which they are published.
    pub fn tools(&self) -> &[ToolSpec] {
        &[]
    }

    /// Calls a tool. Answers within the policy's tool deadline; dropping the future aborts no sale.
    pub async fn call_tool(self: &Arc<Self>, call: ToolCall) -> Result<ToolReply, UnknownTool> {
        Err(UnknownTool {
            name: call.name,
            suggestion: None,
        })
    }

    /// Takes up every open order of an earlier life, in the background; answers how many.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, JournalError> {
        Ok(0)
    }

    /// Counts the sagas; also the health page's question whether the store answers.
    pub async fn saga_counts(&self) -> Result<SagaCounts, JournalError> {
        use crate::journal::RecordState;
        let open = self.ports.journal.list(RecordState::OrderOpen).await?.len();
        let parked = self
            .ports
            .journal
            .list(RecordState::OrderParked)
            .await?
            .len();
        Ok(SagaCounts { open, parked })
    }
}
