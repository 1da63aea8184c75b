//! An MCP client over streamable HTTP: raw JSON-RPC, each request once and on a connection of its own.
//!
//! Raw, because the host must be able to say things that a well-meaning client library would not, and must see exactly
//! what comes back; [`rpc`](super::rpc) is how a message goes out and an answer is read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use giftgenius::operations::health::Health;
use giftgenius::ports::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::rpc::{ADMINISTRATION_MAX, Answer, Connection, NoAnswer, as_text};
use crate::error::RunError;
use crate::system::User;
use crate::trace::{Channel, HostReply, Recorder};
use crate::vitals;
use crate::world::OutgoingCall;

/// The protocol revision that this client speaks.
const PROTOCOL_VERSION: &str = "2025-11-25";
const PROTOCOL_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// How long a monitor waits. A page is due within a second, which a busy machine may stretch.
const HEALTH_MAX: Duration = Duration::from_secs(12);

/// The host's side of the wire.
pub struct Client {
    http: reqwest::Client,
    users: Vec<User>,
    answer_max: Duration,
    ids: Arc<AtomicI64>,
    recorder: Recorder,
}

/// A server that hands were shaken with: a connection for each user.
pub struct Server {
    address: SocketAddr,
    /// The operating system's number of its process.
    process: Option<u32>,
    connections: BTreeMap<String, Arc<Connection>>,
}

impl Server {
    /// The connection of a user, if hands were shaken for that one.
    pub(super) fn connection(&self, user: &str) -> Option<&Connection> {
        self.connections.get(user).map(|connection| &**connection)
    }
}

impl Client {
    /// A client for `users` that waits `answer_max` for each answer to a tool call, and notes all that comes back.
    pub fn new(users: Vec<User>, answer_max: Duration, recorder: Recorder) -> Result<Self, RunError> {
        Ok(Self { http: super::http_client()?, users, answer_max, ids: Arc::new(AtomicI64::new(1)), recorder })
    }

    /// Shakes hands with the server at `address`, once a user; `process` is the number of its process.
    pub async fn connect(&self, address: SocketAddr, process: Option<u32>) -> Result<Server, RunError> {
        let mut connections = BTreeMap::new();
        for user in &self.users {
            connections.insert(user.name.clone(), Arc::new(self.shake_hands(address, user).await?));
        }
        Ok(Server { address, process, connections })
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
            recorder: self.recorder.clone(),
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
    pub fn call(&self, server: &Server, call: OutgoingCall) -> BoxFuture<'static, HostReply> {
        let connection = server.connections.get(&*call.user).cloned();
        let (answer_max, process) = (self.answer_max, server.process);
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
            let took = || process.and_then(vitals::processor_time);
            match patiently(answer_max, took, connection.request(id, "tools/call", params)).await {
                None => HostReply::NoAnswer,
                Some(answer) => {
                    leave.connection = None;
                    answer.map_or_else(NoAnswer::into_reply, |(_, answer)| answer.into_reply())
                }
            }
        })
    }

    /// Asks the server for its health, as a monitor on this machine does, on a connection of its own: status and page, or
    /// that none came in time. `None` where nothing can be concluded: the connection broke, or what came is no page.
    pub fn health(&self, server: &Server) -> BoxFuture<'static, Option<Option<(u16, Health)>>> {
        let asking = self.http.get(format!("http://{}/api/health", server.address)).send();
        let recorder = self.recorder.clone();
        Box::pin(async move {
            let page = async {
                let reply = asking.await.ok()?;
                let status = reply.status().as_u16();
                recorder.hear(Channel::Headers, &as_text(reply.headers()));
                let body = reply.bytes().await.ok()?;
                recorder.hear(Channel::Health, &body);
                Some((status, serde_json::from_slice(&body).ok()?))
            };
            match tokio::time::timeout(HEALTH_MAX, page).await {
                Ok(page) => page.map(Some),
                Err(_) => Some(None),
            }
        })
    }

    /// Asks as the first user for something that is no tool call.
    pub async fn ask(server: &Server, method: &'static str, params: Value) -> Result<Value, RunError> {
        let (address, connection) = (server.address, server.connections.values().next());
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
}

/// A system that takes less of a processor than this part of the time does not work on an answer.
const WORKING_PART: u32 = 100;

/// How often an answer is waited for at most.
const SPANS_MAX: u32 = 3;

/// Waits for an answer, `span` long; `None` if it does not come. As long as the system works meanwhile, by the processor time
/// that it `took`, it is waited for again: a loop without end is named by the processor time that it takes, and on a busy
/// machine that comes to it slowly.
async fn patiently<T>(
    span: Duration,
    took: impl Fn() -> Option<Duration>,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = pin!(answer);
    for _ in 0..SPANS_MAX {
        let before = took();
        if let Ok(answer) = tokio::time::timeout(span, &mut answer).await {
            return Some(answer);
        }
        let worked = took().zip(before).map(|(after, before)| after.saturating_sub(before));
        if worked.is_none_or(|worked| worked < span / WORKING_PART) {
            break;
        }
    }
    None
}

/// Cancels the call at the server when dropped before there was an answer.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    const SPAN: Duration = Duration::from_secs(30);

    /// How long an answer that never comes is waited for, where the system takes this each time that it is looked.
    async fn waited(took: &[Option<u64>]) -> Duration {
        let began = tokio::time::Instant::now();
        let (looks, sum) = (Cell::new(0), Cell::new(Some(Duration::ZERO)));
        let look = || {
            // Twice a span: before it, and behind it.
            let number = looks.replace(looks.get() + 1);
            if number % 2 == 1 {
                let took = took.get(number / 2).copied().unwrap_or(Some(0));
                sum.set(took.zip(sum.get()).map(|(ms, sum)| sum + Duration::from_millis(ms)));
            }
            sum.get()
        };
        assert_eq!(patiently(SPAN, look, pending::<()>()).await, None);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_waited_for_longer_while_the_system_works() {
        assert_eq!(waited(&[]).await, SPAN, "it is idle");
        assert_eq!(waited(&[None]).await, SPAN, "nothing is known of it");
        assert_eq!(waited(&[Some(299)]).await, SPAN, "it does next to nothing");
        assert_eq!(waited(&[Some(300), Some(20)]).await, 2 * SPAN);
        assert_eq!(waited(&[Some(5_000); 9]).await, 3 * SPAN, "not for ever");
        assert_eq!(patiently(SPAN, || None, ready(7)).await, Some(7));
    }
}
