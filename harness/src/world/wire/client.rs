//! An MCP client over streamable HTTP: raw JSON-RPC, each request once and on a connection of its own.
//!
//! Raw, because the host must be able to say things that a well-meaning client library would not, and must see exactly
//! what comes back. Replies may be JSON or an event stream, as the server likes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::operations::health::{Health, Sagas};
use giftgenius::ports::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::RunError;
use crate::system::User;
use crate::trace::HostReply;
use crate::world::OutgoingCall;

/// The protocol revision that this client speaks.
const PROTOCOL_VERSION: &str = "2025-11-25";
const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// How long a server may take for what is no tool call.
const ADMINISTRATION_MAX: Duration = Duration::from_secs(10);

/// How much of a reply that is no MCP an error shows.
const QUOTE_CHARS_MAX: usize = 200;

/// The host's side of the wire.
pub struct Client {
    http: reqwest::Client,
    users: Vec<User>,
    answer_max: Duration,
    ids: Arc<AtomicI64>,
    server: Mutex<Server>,
}

/// The server as it is now; another one after a restart.
struct Server {
    address: SocketAddr,
    connections: BTreeMap<String, Arc<Connection>>,
}

/// A user's connection to the server.
struct Connection {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
    ids: Arc<AtomicI64>,
}

impl Client {
    /// A client for `users` that waits `answer_max` for each answer to a tool call. It knows no server yet.
    pub fn new(users: Vec<User>, answer_max: Duration) -> Result<Self, RunError> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Ok(Self {
            http: super::http_client()?,
            users,
            answer_max,
            ids: Arc::new(AtomicI64::new(1)),
            server: Mutex::new(Server { address: nowhere, connections: BTreeMap::new() }),
        })
    }

    /// Shakes hands with the server at `address`, once a user.
    pub async fn connect(&self, address: SocketAddr) -> Result<(), RunError> {
        let mut connections = BTreeMap::new();
        for user in &self.users {
            connections.insert(user.name.clone(), Arc::new(self.shake_hands(address, user).await?));
        }
        *self.server.lock().expect("no holder of the server panics") = Server { address, connections };
        Ok(())
    }

    async fn shake_hands(&self, address: SocketAddr, user: &User) -> Result<Connection, RunError> {
        let failed = |reason| RunError::Mcp { address: address.to_string(), what: "`initialize`", reason };
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let bearer = HeaderValue::from_str(&format!("Bearer {}", user.token));
        headers.insert("authorization", bearer.map_err(|error| failed(error.to_string()))?);
        let mut connection = Connection {
            http: self.http.clone(),
            url: format!("http://{address}/mcp"),
            headers,
            ids: self.ids.clone(),
        };
        let hello = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "misrule", "version": env!("CARGO_PKG_VERSION") },
        });
        let exchange = connection.request(connection.next_id(), "initialize", hello);
        let (headers, answer) = match tokio::time::timeout(ADMINISTRATION_MAX, exchange).await {
            Ok(answer) => answer.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("no answer within {ADMINISTRATION_MAX:?}"))),
        };
        match answer {
            Answer::Result(_) => {}
            Answer::Error { code, message } => return Err(failed(format!("{message} ({code})"))),
        }
        connection.headers.insert(PROTOCOL_HEADER, HeaderValue::from_static(PROTOCOL_VERSION));
        if let Some(session) = headers.get(SESSION_HEADER) {
            connection.headers.insert(SESSION_HEADER, session.clone());
        }
        connection.notify("notifications/initialized", json!({})).await;
        Ok(connection)
    }

    /// Makes a tool call; dropping the future tells the server and hangs up.
    pub fn call(&self, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let connection = {
            let server = self.server.lock().expect("no holder of the server panics");
            server.connections.get(&*call.user).cloned()
        };
        let answer_max = self.answer_max;
        Box::pin(async move {
            // Scenarios declare their users; whoever is not among them has no token, and no connection.
            let Some(connection) = connection else { return HostReply::NoAnswer };
            let mut meta = json!({ "correlation_id": call.correlation });
            if let Some(key) = call.key_in_meta {
                meta["idempotency_key"] = Value::String(key);
            }
            let params = json!({ "name": call.tool, "arguments": call.arguments, "_meta": meta });
            let id = connection.next_id();
            let mut leave = Leave { connection: Some(connection.clone()), id };
            let answer = tokio::time::timeout(answer_max, connection.request(id, "tools/call", params)).await;
            match answer {
                Err(_) => HostReply::NoAnswer,
                Ok(answer) => {
                    leave.connection = None;
                    answer.map_or_else(NoAnswer::into_reply, |(_, answer)| answer.into_reply())
                }
            }
        })
    }

    /// Asks as the first user for something that is no tool call.
    pub async fn ask(&self, method: &'static str, params: Value) -> Result<Value, RunError> {
        let (address, connection) = {
            let server = self.server.lock().expect("no holder of the server panics");
            (server.address, server.connections.values().next().cloned())
        };
        let failed = |reason| RunError::Mcp { address: address.to_string(), what: method, reason };
        let connection = connection.ok_or_else(|| failed(String::from("nobody is connected")))?;
        let exchange = connection.request(connection.next_id(), method, params);
        match tokio::time::timeout(ADMINISTRATION_MAX, exchange).await {
            Err(_) => Err(failed(format!("no answer within {ADMINISTRATION_MAX:?}"))),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Ok(Ok((_, Answer::Error { code, message }))) => Err(failed(format!("{message} ({code})"))),
            Ok(Ok((_, Answer::Result(result)))) => Ok(result),
        }
    }

    /// Asks the health page how many sagas have work left.
    pub async fn sagas(&self) -> Result<Sagas, RunError> {
        let address = self.server.lock().expect("no holder of the server panics").address;
        let failed = |reason| RunError::Mcp { address: address.to_string(), what: "`GET /api/health`", reason };
        let url = format!("http://{address}/api/health");
        let reply = self.http.get(url).timeout(ADMINISTRATION_MAX).send().await;
        let reply = reply.map_err(|error| failed(super::chain(&error)))?;
        let status = reply.status();
        let health: Health =
            serde_json::from_slice(&reply.bytes().await.map_err(|error| failed(super::chain(&error)))?)
                .map_err(|error| failed(format!("status {status} and no health page: {error}")))?;
        health.sagas.ok_or_else(|| failed(format!("status {status}, the store is unavailable")))
    }
}

/// Tells the server that nobody waits for an answer any more, when dropped before there was one.
struct Leave {
    connection: Option<Arc<Connection>>,
    id: i64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let (Some(connection), id) = (self.connection.take(), self.id) else { return };
        // Without a runtime the whole run is being torn down.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let params = json!({ "requestId": id, "reason": "the host gave up" });
                connection.notify("notifications/cancelled", params).await;
            });
        }
    }
}

/// A JSON-RPC answer.
enum Answer {
    Result(Value),
    Error { code: i64, message: String },
}

/// No JSON-RPC answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("{0}")]
    Connection(String),
    #[error("HTTP status {status} with `{body}`")]
    NotMcp { status: u16, body: String },
}

impl Connection {
    fn next_id(&self) -> i64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        self.http.post(&self.url).headers(self.headers.clone()).body(message.to_string())
    }

    async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        // A notification has no answer to wait for; that the server is gone shows elsewhere.
        let _ = self.post(&message).timeout(ADMINISTRATION_MAX).send().await;
    }

    async fn request(&self, id: i64, method: &str, params: Value) -> Result<(HeaderMap, Answer), NoAnswer> {
        let broken = |error: reqwest::Error| NoAnswer::Connection(super::chain(&error));
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut reply = self.post(&message).send().await.map_err(broken)?;
        let status = reply.status().as_u16();
        let headers = reply.headers().clone();
        let streamed = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        let mut body = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(broken)? {
            body.extend_from_slice(&chunk);
            // An event stream may stay open after the answer.
            if streamed && let Some(answer) = answer_in_stream(&body, id) {
                return Ok((headers, answer));
            }
        }
        match answer_in(&body, id) {
            Some(answer) => Ok((headers, answer)),
            None => Err(NoAnswer::NotMcp {
                status,
                body: String::from_utf8_lossy(&body).chars().take(QUOTE_CHARS_MAX).collect(),
            }),
        }
    }
}

/// The answer to `id` in a JSON document.
fn answer_in(document: &[u8], id: i64) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Message {
        id: Option<Value>,
        result: Option<Value>,
        error: Option<ErrorObject>,
    }
    #[derive(Deserialize)]
    struct ErrorObject {
        code: i64,
        message: String,
    }
    let message: Message = serde_json::from_slice(document).ok()?;
    if let Some(error) = message.error {
        // An error about a request that could not be read has no id.
        let ours = message.id.is_none_or(|of| of.is_null() || of == id);
        return ours.then_some(Answer::Error { code: error.code, message: error.message });
    }
    (message.id? == id).then_some(Answer::Result(message.result?))
}

/// The answer to `id` in an event stream, once its event is complete (an empty line ends an event).
fn answer_in_stream(stream: &[u8], id: i64) -> Option<Answer> {
    let text = std::str::from_utf8(stream).ok()?.replace("\r\n", "\n");
    let (complete, _) = text.rsplit_once("\n\n")?;
    complete.split("\n\n").find_map(|event| {
        let data: Vec<_> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        answer_in(data.join("\n").as_bytes(), id)
    })
}

impl Answer {
    fn into_reply(self) -> HostReply {
        match self {
            Self::Error { code, message } => HostReply::Protocol { code, message },
            Self::Result(mut result) => HostReply::Tool {
                is_error: result["isError"] == true,
                // Servers without structured results answer in content blocks.
                structured: match result["structuredContent"].take() {
                    Value::Null => json!({ "content": result["content"].take() }),
                    structured => structured,
                },
            },
        }
    }
}

impl NoAnswer {
    fn into_reply(self) -> HostReply {
        match self {
            Self::Connection(_) => HostReply::NoAnswer,
            Self::NotMcp { status, body } => HostReply::Protocol { code: status.into(), message: body },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_a_stream_once_its_event_is_complete() {
        let stream = b"event: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\r\n\r\n\
            data: {\"jsonrpc\":\"2.0\",\r\ndata: \"id\":7,\"result\":{\"structuredContent\":{\"a\":1}}}\r\n\r\n";
        assert!(answer_in_stream(&stream[..stream.len() - 2], 7).is_none(), "the event is not complete");
        assert!(answer_in_stream(stream, 8).is_none(), "somebody else's");
        let reply = answer_in_stream(stream, 7).expect("it is there").into_reply();
        assert_eq!(reply, HostReply::Tool { structured: json!({"a": 1}), is_error: false });
    }

    #[test]
    fn an_error_about_an_unreadable_request_is_ours() {
        let error = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#;
        let reply = answer_in(error, 7).expect("it is ours").into_reply();
        assert_eq!(reply, HostReply::Protocol { code: -32700, message: String::from("parse error") });
    }
}
