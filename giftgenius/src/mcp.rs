//! The face towards MCP clients: protocol in, [`App::call_tool`] and back, on rmcp.
//!
//! rmcp settles the protocol revision: a client of 2026-07-28 says it with each request (`_meta`), one of 2025-11-25
//! or before shakes hands with `initialize`. The tools answer the same either way, and nothing here is kept between
//! two requests.
//!
//! What rmcp offers beyond that is deliberately not used. Arguments go to the application as raw JSON, which validates
//! them against the schema that is published here: typed parameters would answer with serde's first complaint only,
//! let unknown fields pass and enforce no range. A call is answered whatever happens inside it, a panic included:
//! rmcp would answer nothing at all. Cancelling, as the protocol has it, ends the waiting and never a sale: the
//! application runs sales on its own tasks, and no future here is dropped for it.
//!
//! Malformed frames never reach this file: [`crate::frame`] answers them, before rmcp, on both transports. `arguments`
//! that are no object are not malformed frames but invalid arguments; they come beside the request.

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::http::request::Parts;
use futures_util::FutureExt as _;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, JsonObject,
    ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion, RequestMetaObject, ServerCapabilities,
    ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::Value;

use crate::app::{App, ToolCall, ToolReply, ToolSpec, UnknownTool};
use crate::error::{Code, Effects, ToolError};
use crate::frame::RawArguments;
use crate::ids::{CorrelationId, UserId};
use crate::printed::echoed;
use crate::validate::holds_a_card_number;

/// In `_meta` of a request and of its result: what ties a call to its log lines.
pub const META_CORRELATION_ID: &str = "correlation_id";
/// In `_meta` of a request and of its result: the idempotency key, for clients that keep it out of the model's sight.
pub const META_IDEMPOTENCY_KEY: &str = "idempotency_key";

/// The longest correlation id that is taken from a caller; it travels in HTTP headers and in every log line.
const CORRELATION_ID_BYTES_MAX: usize = 128;

const INSTRUCTIONS: &str = "\
GiftGenius helps a person choose a gift and buy it.
1. Find a gift with suggest_gifts or search_products. Offer only products that a tool returned, by their sku.
2. create_checkout_session freezes the price. get_payment_methods lists what the person can pay with. Show item, price \
and payment method, and go on only when the person has said yes.
3. create_order buys. Make up one new idempotency_key for each purchase the person confirmed. Repeating a call with the \
same key and the same arguments is always safe and never buys twice.
4. `pending` is not a failure: the payment is being settled. Ask get_order, and do not order again.
When the person goes back or changes an earlier answer, call user_navigated_to_step first.
An error says what happened (`code`, `message`), what to tell the person (`user_message`), what stands (`effects`), \
whether the identical call with the same key can succeed later (`retryable`, not before `retry_after_ms`) and what can \
be done now (`next`). Never say that a purchase succeeded unless a tool did.";

/// Whose calls these are.
#[derive(Clone, Debug)]
pub enum Principal {
    /// The configured user's: stdio has one client.
    Configured(UserId),
    /// The user's whom HTTP authentication left among the request's extensions.
    Authenticated,
}

/// The application as an MCP server.
#[derive(Clone)]
pub struct McpFace {
    app: Arc<App>,
    tools: Arc<[Tool]>,
    principal: Principal,
}

impl McpFace {
    /// The face of `app` for the calls of `principal`.
    pub fn new(app: Arc<App>, principal: Principal) -> Self {
        let tools = app.tools().map(published).collect();
        Self { app, tools, principal }
    }

    fn user(&self, context: &RequestContext<RoleServer>) -> Option<UserId> {
        match &self.principal {
            Principal::Configured(user) => Some(user.clone()),
            Principal::Authenticated => context.extensions.get::<Parts>()?.extensions.get::<UserId>().cloned(),
        }
    }
}

impl ServerHandler for McpFace {
    fn get_info(&self) -> ServerConfig {
        let implementation = Implementation::new("giftgenius", env!("CARGO_PKG_VERSION"))
            .with_title("GiftGenius")
            .with_description(env!("CARGO_PKG_DESCRIPTION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation)
            .with_instructions(INSTRUCTIONS)
    }

    /// Every revision that rmcp knows but 2025-03-26, which demands that batches are taken.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        let served = |version: &&ProtocolVersion| **version != ProtocolVersion::V_2025_03_26;
        ProtocolVersion::KNOWN_VERSIONS.iter().filter(served).cloned().collect()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // The list is one page, so that no cursor was ever given.
        if request.is_some_and(|request| request.cursor.is_some()) {
            let message = "unknown cursor; the list of tools is one page, so send no `cursor`";
            return Err(ErrorData::invalid_params(message, None));
        }
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(user) = self.user(&context) else {
            tracing::error!("a request without a user came through; is authentication wired?");
            return Err(ErrorData::internal_error("the request has no user", None));
        };
        // Made up here rather than inside the call, so that a call that panics is logged and answered under it too.
        let correlation_id = correlation_id(&context.meta).unwrap_or_else(|| self.app.ports().new_id("cor_").into());
        let call = ToolCall {
            name: request.name.into_owned(),
            arguments: raw_arguments(&context).or(request.arguments.map(Value::Object)).unwrap_or_default().into(),
            user,
            correlation_id: Some(correlation_id.clone()),
            idempotency_key: text(&context.meta, META_IDEMPOTENCY_KEY).map(str::to_owned),
        };
        let fallback = Fallback {
            read_only: self.app.tools().any(|tool| tool.name == call.name && tool.annotations.read_only),
            tool: call.name.clone(),
            correlation_id,
        };
        let answered = async {
            let reply = self.app.call_tool(call).await?;
            // A client that has cancelled the call, or is gone, is told nothing by its answer.
            if !context.ct.is_cancelled() {
                self.app.answered(&reply);
            }
            Ok(reply)
        };
        answer(answered, fallback).await.map(CallToolResponse::from)
    }
}

/// Arguments that are no object: rmcp's request has no room for them.
fn raw_arguments(context: &RequestContext<RoleServer>) -> Option<Value> {
    let on_stdio = || context.extensions.get::<RawArguments>();
    let over_http = || context.extensions.get::<Parts>()?.extensions.get::<RawArguments>();
    on_stdio().or_else(over_http).map(|raw| raw.0.clone())
}

/// What is needed to answer a call that cannot answer for itself.
struct Fallback {
    tool: String,
    correlation_id: CorrelationId,
    read_only: bool,
}

/// Runs a call to an answer, whatever happens inside it.
async fn answer(
    call: impl Future<Output = Result<ToolReply, UnknownTool>>,
    fallback: Fallback,
) -> Result<CallToolResult, ErrorData> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Ok(reply)) => Ok(result_of(reply)),
        Ok(Err(unknown)) => Err(ErrorData::invalid_params(unknown.to_string(), None)),
        Err(_panic) => {
            // The panic hook has logged what and where; this says which call it took down.
            tracing::error!(tool = echoed(&fallback.tool), correlation_id = %fallback.correlation_id, "a tool call panicked");
            Ok(result_of(crashed(&fallback)))
        }
    }
}

/// The answer of a call that panicked: what it had done by then is not known, unless it does nothing.
fn crashed(fallback: &Fallback) -> ToolReply {
    let mut error = ToolError::new(Code::Internal, "the server failed inside this call", &fallback.correlation_id);
    error.effects = if fallback.read_only { Effects::None } else { Effects::Unknown };
    ToolReply {
        structured: serde_json::json!({ "error": error }),
        is_error: true,
        correlation_id: fallback.correlation_id.clone(),
        idempotency_key: None,
    }
}

/// The reply as the protocol carries it.
fn result_of(reply: ToolReply) -> CallToolResult {
    let mut result = CallToolResult::success(content_of(&reply));
    result.is_error = Some(reply.is_error);
    result.structured_content = Some(reply.structured);
    let mut meta = MetaObject::new();
    meta.insert(META_CORRELATION_ID.to_owned(), reply.correlation_id.as_str().into());
    if let Some(key) = reply.idempotency_key {
        meta.insert(META_IDEMPOTENCY_KEY.to_owned(), key.as_str().into());
    }
    result.meta = Some(meta);
    result
}

/// The same for clients that hand only text to their model: the JSON, and before an error's the two sentences.
fn content_of(reply: &ToolReply) -> Vec<ContentBlock> {
    let json = ContentBlock::text(reply.structured.to_string());
    let sentence = |name: &str| reply.structured["error"][name].as_str();
    match (reply.is_error, sentence("message"), sentence("user_message")) {
        (true, Some(model), Some(person)) => {
            vec![ContentBlock::text(format!("{model}\nTell the person: {person}")), json]
        }
        _ => vec![json],
    }
}

/// The correlation id that the caller chose, where it can travel on. It goes into every line of the log, so none that holds
/// a card's number does.
fn correlation_id(meta: &RequestMetaObject) -> Option<CorrelationId> {
    text(meta, META_CORRELATION_ID)
        .filter(|id| !id.is_empty() && id.len() <= CORRELATION_ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic()))
        .filter(|id| !holds_a_card_number(id))
        .map(CorrelationId::from)
}

fn text<'meta>(meta: &'meta RequestMetaObject, key: &str) -> Option<&'meta str> {
    meta.get(key).and_then(Value::as_str)
}

/// A tool as the protocol lists it.
fn published(spec: &ToolSpec) -> Tool {
    let mut tool = Tool::default();
    tool.name = spec.name.into();
    tool.title = Some(spec.title.to_owned());
    tool.description = Some(spec.description.into());
    tool.input_schema = object(&spec.input_schema);
    tool.output_schema = Some(object(&with_errors(&spec.output_schema)));
    tool.annotations = Some(
        ToolAnnotations::with_title(spec.title)
            .read_only(spec.annotations.read_only)
            .destructive(spec.annotations.destructive)
            .idempotent(spec.annotations.idempotent)
            .open_world(spec.annotations.open_world),
    );
    tool
}

/// The output schema as published, of whatever a tool answers, its errors included: clients hold the structured content of an error to the
/// published schema too, and throw away one that does not fit, before a model gets to read it.
pub fn with_errors(success: &Value) -> Value {
    let mut success = success.clone();
    // References are told from the root.
    let definitions = success.as_object_mut().and_then(|success| success.remove("$defs"));
    let text = |description: &str| serde_json::json!({ "type": "string", "description": description });
    let error = serde_json::json!({
        "type": "object",
        "description": "Why the call failed; only together with `isError`.",
        "properties": {
            "code": text("What happened, as a constant."),
            "message": text("What happened, for the model."),
            "user_message": text("What to tell the person."),
            "retryable": { "type": "boolean", "description": "Whether the identical call can succeed later." },
            "effects": text("What stands at the providers."),
        },
        "required": ["code", "message", "user_message", "retryable", "effects"],
    });
    let failure = serde_json::json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
    let mut whole = serde_json::json!({ "type": "object", "anyOf": [success, failure] });
    if let Some(definitions) = definitions {
        whole["$defs"] = definitions;
    }
    whole
}

fn object(schema: &Value) -> Arc<JsonObject> {
    Arc::new(schema.as_object().expect("a published schema is a JSON object").clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::Annotations;

    fn fallback(read_only: bool) -> Fallback {
        Fallback { tool: "create_order".into(), correlation_id: "c1".into(), read_only }
    }

    fn reply(structured: Value, is_error: bool) -> ToolReply {
        ToolReply { structured, is_error, correlation_id: "c1".into(), idempotency_key: Some("k-1".into()) }
    }

    async fn answered(call: impl Future<Output = Result<ToolReply, UnknownTool>>) -> Value {
        serde_json::to_value(answer(call, fallback(false)).await.unwrap()).unwrap()
    }

    fn meta(value: Value) -> RequestMetaObject {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn a_success_is_structured_and_serialised() {
        let result = answered(async { Ok(reply(json!({"order_id": "ord_1"}), false)) }).await;
        assert_eq!(result["structuredContent"], json!({"order_id": "ord_1"}));
        assert_eq!(result["content"], json!([{"type": "text", "text": "{\"order_id\":\"ord_1\"}"}]));
        assert_eq!(result["isError"], false);
        assert_eq!(result["_meta"], json!({"correlation_id": "c1", "idempotency_key": "k-1"}));
    }

    #[tokio::test]
    async fn an_error_says_both_sentences_before_its_json() {
        let error = ToolError::new(Code::OutOfStock, "sku tea-1 is out of stock", &"c1".into());
        let structured = json!({ "error": error });
        let result = answered(async { Ok(reply(structured.clone(), true)) }).await;
        assert_eq!(result["isError"], true);
        assert_eq!(result["structuredContent"], structured);
        let sentences = format!("sku tea-1 is out of stock\nTell the person: {}", Code::OutOfStock.sentence());
        assert_eq!(result["content"][0]["text"], sentences);
        assert_eq!(result["content"][1]["text"], structured.to_string());
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_promises_nothing_about_effects() {
        let result = answered(async { panic!("on purpose: s3cret") }).await;
        assert_eq!(result["isError"], true);
        let error = &result["structuredContent"]["error"];
        assert_eq!((&error["code"], &error["effects"]), (&json!("INTERNAL"), &json!("unknown")));
        assert_eq!((&error["retryable"], &error["correlation_id"]), (&json!(false), &json!("c1")));
        assert!(!result.to_string().contains("s3cret"), "{result}");
        assert_eq!(crashed(&fallback(true)).structured["error"]["effects"], "none");
    }

    #[tokio::test]
    async fn an_unknown_tool_is_a_protocol_error_with_a_suggestion() {
        let unknown = async { Err(UnknownTool { name: "creat_order".into(), suggestion: Some("create_order") }) };
        let error = answer(unknown, fallback(false)).await.unwrap_err();
        assert_eq!(error.code.0, -32602);
        assert_eq!(error.message, "unknown tool `creat_order`; did you mean `create_order`?");
    }

    #[test]
    fn a_correlation_id_is_taken_only_where_it_can_travel_on() {
        let of = |value: Value| correlation_id(&meta(json!({ "correlation_id": value })));
        assert_eq!(of(json!("req-1/2")), Some("req-1/2".into()));
        for odd in [json!(""), json!("a b"), json!("a\r\nx: y"), json!("é"), json!("x".repeat(129)), json!(7)] {
            assert_eq!(of(odd.clone()), None, "{odd}");
        }
    }

    #[test]
    fn every_error_fits_the_published_schema_and_so_does_a_success() {
        let schema = with_errors(&json!({
            "type": "object",
            "properties": {"status": {"$ref": "#/$defs/Status"}},
            "required": ["status"],
            "$defs": {"Status": {"enum": ["paid"]}},
        }));
        assert_eq!(schema["type"], "object");
        let validator = jsonschema::validator_for(&schema).unwrap();
        for &code in Code::ALL {
            assert!(
                validator.is_valid(&json!({ "error": ToolError::new(code, "so it went", &"c1".into()) })),
                "{code:?}"
            );
        }
        assert!(validator.is_valid(&json!({"status": "paid"})));
        assert!(!validator.is_valid(&json!({"status": "lost"})));
        assert!(!validator.is_valid(&json!({"error": "so it went"})));
    }

    #[test]
    fn a_tool_is_listed_with_its_schemas_and_promises() {
        let spec = ToolSpec {
            name: "get_order",
            title: "Order status",
            description: "Says how an order stands.",
            input_schema: Arc::new(json!({"type": "object"})),
            output_schema: Arc::new(json!({"type": "object", "required": ["status"]})),
            annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
        };
        assert_eq!(
            serde_json::to_value(published(&spec)).unwrap(),
            json!({
                "name": "get_order",
                "title": "Order status",
                "description": "Says how an order stands.",
                "inputSchema": {"type": "object"},
                "outputSchema": with_errors(&json!({"type": "object", "required": ["status"]})),
                "annotations": {
                    "title": "Order status",
                    "readOnlyHint": true,
                    "destructiveHint": false,
                    "idempotentHint": true,
                    "openWorldHint": false,
                },
            })
        );
    }
}
