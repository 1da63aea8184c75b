//! JSON-RPC over HTTP: one message a connection, and the answer to it in whatever comes back, a JSON document or an event
//! stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::trace::{Channel, HostReply, Recorder};

/// How long a server may take for what is no tool call.
pub(super) const ADMINISTRATION_MAX: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const ANSWER_MAX: usize = 64 << 20;

/// How much of a reply that is no MCP an error shows.
const QUOTE_CHARS_MAX: usize = 200;

/// A user's connection to the server.
pub(super) struct Connection {
    pub(super) http: reqwest::Client,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) ids: Arc<AtomicI64>,
    /// Who notes what comes back.
    pub(super) recorder: Recorder,
}

/// A JSON-RPC answer.
pub(super) enum Answer {
    Result(Value),
    Error { code: i64, message: String },
}

/// No JSON-RPC answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{0}")]
    Connection(String),
    #[error("HTTP status {status} with `{body}`")]
    NotMcp { status: u16, body: String },
}

impl Connection {
    pub(super) fn next_id(&self) -> i64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn post(&self, message: &Value) -> reqwest::RequestBuilder {
        self.http.post(&self.url).headers(self.headers.clone()).body(message.to_string())
    }

    /// Posts any bytes; status and body of what comes back.
    pub(super) async fn exchange(&self, body: Vec<u8>) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let mut reply = self.http.post(&self.url).headers(self.headers.clone()).body(body).send().await?;
        let status = reply.status().as_u16();
        let mut body = Vec::new();
        while body.len() <= ANSWER_MAX
            && let Some(chunk) = reply.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }

    pub(super) async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        // A notification has no answer to wait for; that the server is gone shows elsewhere.
        let _ = self.post(&message).timeout(ADMINISTRATION_MAX).send().await;
    }

    pub(super) async fn request(&self, id: i64, method: &str, params: Value) -> Result<(HeaderMap, Answer), NoAnswer> {
        let mut body = Vec::new();
        let answer = self.answer(id, method, params, &mut body).await;
        self.recorder.hear(Channel::Answer, &body);
        if let Ok((headers, _)) = &answer {
            self.recorder.hear(Channel::Headers, &as_text(headers));
        }
        answer
    }

    /// What comes back is left in `body`.
    async fn answer(
        &self,
        id: i64,
        method: &str,
        params: Value,
        body: &mut Vec<u8>,
    ) -> Result<(HeaderMap, Answer), NoAnswer> {
        let broken = |error: reqwest::Error| NoAnswer::Connection(super::chain(&error));
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut reply = self.post(&message).send().await.map_err(broken)?;
        let status = reply.status().as_u16();
        let headers = reply.headers().clone();
        let streamed = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("text/event-stream"));
        while let Some(chunk) = reply.chunk().await.map_err(broken)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_MAX {
                let body = format!("more than {} MiB", ANSWER_MAX >> 20);
                return Err(NoAnswer::NotMcp { status, body });
            }
            // An event stream may stay open after the answer.
            if streamed && let Some(answer) = answer_in_stream(body, id) {
                return Ok((headers, answer));
            }
        }
        match answer_in(body, id) {
            Some(answer) => Ok((headers, answer)),
            None => Err(NoAnswer::NotMcp {
                status,
                body: String::from_utf8_lossy(body).chars().take(QUOTE_CHARS_MAX).collect(),
            }),
        }
    }
}

/// Headers, a line each.
pub(super) fn as_text(headers: &HeaderMap) -> Vec<u8> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat()
    };
    headers.iter().flat_map(line).collect()
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
    pub(super) fn into_reply(self) -> HostReply {
        match self {
            Self::Error { code, message } => HostReply::Protocol { code, message },
            Self::Result(mut result) => HostReply::Tool {
                is_error: result["isError"] == true,
                // Servers without structured results answer in content blocks.
                structured: match result["structuredContent"].take() {
                    Value::Null => json!({ "content": result["content"].take() }),
                    structured => structured,
                }
                .into(),
            },
        }
    }
}

impl NoAnswer {
    pub(super) fn into_reply(self) -> HostReply {
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
        assert_eq!(reply, HostReply::Tool { structured: json!({"a": 1}).into(), is_error: false });
    }

    #[test]
    fn an_error_about_an_unreadable_request_is_ours() {
        let error = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#;
        let reply = answer_in(error, 7).expect("it is ours").into_reply();
        assert_eq!(reply, HostReply::Protocol { code: -32700, message: String::from("parse error") });
    }
}
