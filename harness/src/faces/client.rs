//! Speaks HTTP byte by byte: also what no library would send.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    /// With the header that every request has.
    pub(super) fn new(method: &str, target: &str) -> Self {
        Self { line: format!("{method} {target} HTTP/1.1"), headers: Vec::new(), body: String::new() }
            .with("host", "localhost")
    }

    /// A message of JSON-RPC.
    pub(super) fn rpc(method: &str, params: &Value) -> Self {
        let message = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = Self::new("POST", "/mcp").with("content-type", "application/json");
        request.body = message.to_string();
        request
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the headers of this name.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(super) fn of(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn saying(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "content-length: {}\r\n\r\n{}", self.body.len(), self.body);
        text.into_bytes()
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A connection that is kept.
pub(super) struct Held(TcpStream);

impl Held {
    pub(super) fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(Self(stream))
    }

    /// Sends a request and reads its answer; the error says how there was none.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Reply, String> {
        // One that is refused early is answered while the rest is still being sent.
        let sent = self.0.write_all(&request.bytes());
        read(&mut self.0).map_err(|why| match sent {
            Ok(()) => why,
            Err(error) => format!("{why}; it took no more than a part of the request: {error}"),
        })
    }

    /// Whether the other side has closed it.
    pub(super) fn is_closed(&mut self, within: Duration) -> bool {
        let _ = self.0.set_read_timeout(Some(within));
        let read = self.0.read(&mut [0]);
        let _ = self.0.set_read_timeout(Some(PATIENCE));
        match read {
            Ok(bytes) => bytes == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }
}

/// Asks on a connection of its own.
pub(super) fn ask(address: SocketAddr, request: &Request) -> Result<Reply, String> {
    Held::open(address).ok_or("no connection was taken")?.ask(request)
}

fn read(stream: &mut TcpStream) -> Result<Reply, String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        if let Some(reply) = whole(&bytes)? {
            return Ok(reply);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Err(format!("the connection was closed after {} bytes", bytes.len())),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) => return Err(format!("no answer came: {error}")),
        }
    }
}

/// The answer, once all of it is there.
fn whole(bytes: &[u8]) -> Result<Option<Reply>, String> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no answer of HTTP: {}", head.chars().take(100).collect::<String>()))?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, length)| length.parse().ok());
    let length: usize = length.unwrap_or(0);
    Ok((body.len() >= length).then(|| Reply { status, headers, body: body.chars().collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\ncontent-le"), Ok(None));
        let text = b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nWWW-Authenticate: Bearer\r\n\r\n{}";
        assert_eq!(whole(&text[..text.len() - 1]), Ok(None));
        let reply = whole(text).expect("an answer").expect("the whole of it");
        assert_eq!((reply.status, reply.header("www-authenticate"), &*reply.body), (401, Some("Bearer"), "{}"));
        assert!(whole(b"SSH-2.0\r\n\r\n").is_err());
    }
}
