//! The transport against real sockets: replies are written by hand, so that each way of failing is exactly that one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;

/// What the server does with each connection, after it has read the whole request.
#[derive(Clone)]
enum Act {
    /// Writes this and closes.
    Reply(Vec<u8>),
    /// Writes this and keeps the connection until the client or the next request comes.
    ReplyAndKeep(Vec<u8>),
    /// Resets (RST).
    Reset,
    /// Writes this, then resets (RST).
    ReplyAndReset(Vec<u8>),
    /// Writes one half, says so, and writes the other when told.
    Slowly(Vec<u8>, Vec<u8>, Arc<Notify>, Arc<Notify>),
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: std::sync::Mutex<Vec<String>>,
}

async fn serve(act: Act) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(stream, act.clone(), Arc::clone(&shared)));
        }
    });
    (address, seen)
}

async fn play(mut stream: TcpStream, act: Act, seen: Arc<Seen>) {
    let Some(request) = read_request(&mut stream).await else { return };
    seen.requests.lock().unwrap().push(request);
    match act {
        Act::Reply(bytes) => stream.write_all(&bytes).await.unwrap(),
        Act::ReplyAndKeep(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            // Until the client closes, or (what must not happen) sends another request, which is never answered.
            if let Some(request) = read_request(&mut stream).await {
                seen.requests.lock().unwrap().push(request);
            }
        }
        Act::Reset => reset(stream),
        Act::ReplyAndReset(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            reset(stream);
        }
        Act::Slowly(one, other, half_way, go) => {
            stream.write_all(&one).await.unwrap();
            half_way.notify_one();
            go.notified().await;
            stream.write_all(&other).await.unwrap();
        }
    }
}

/// Closing with zero linger sends a RST instead of a FIN.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// One whole request, or nothing when the client is gone.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn reply(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn transport(address: SocketAddr) -> HttpTransport {
    let endpoint = |api_key: Option<&str>| Endpoint {
        base_url: format!("http://{address}/v1/").parse().unwrap(),
        api_key: api_key.map(SecretString::from),
    };
    let endpoints = Endpoints { payment: endpoint(Some("s3cret")), catalog: endpoint(None), inventory: endpoint(None) };
    HttpTransport::new(endpoints).unwrap()
}

fn charge() -> Request {
    Request {
        provider: Provider::Payment,
        operation: "payment.charge",
        method: Method::Post,
        path: "/charges".into(),
        idempotency_key: Some("key-1".into()),
        correlation_id: "corr-1".into(),
        body: Bytes::from_static(b"{\"amount\":4200}"),
    }
}

#[tokio::test]
async fn a_request_carries_its_key_its_correlation_id_and_the_providers_secret() {
    let (address, seen) = serve(Act::Reply(reply("201 Created", "{\"id\":1}"))).await;
    let response = transport(address).send(charge()).await.unwrap();
    assert_eq!((response.status, &*response.body), (201, &b"{\"id\":1}"[..]));
    let request = seen.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /v1/charges HTTP/1.1\r\n"), "{request}");
    for line in [
        "idempotency-key: key-1",
        "x-correlation-id: corr-1",
        "authorization: Bearer s3cret",
        "content-type: application/json",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"amount\":4200}"), "{request}");
}

#[tokio::test]
async fn a_read_carries_neither_key_nor_body_nor_somebody_elses_secret() {
    let (address, seen) = serve(Act::Reply(reply("200 OK", "[]"))).await;
    let read = Request {
        provider: Provider::Catalog,
        operation: "catalog.search",
        method: Method::Get,
        path: "/products?q=tea%20pot".into(),
        idempotency_key: None,
        body: Bytes::new(),
        ..charge()
    };
    transport(address).send(read).await.unwrap();
    let request = seen.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /v1/products?q=tea%20pot HTTP/1.1\r\n"), "{request}");
    for header in ["idempotency-key", "authorization", "content-type", "content-length"] {
        assert!(!request.contains(header), "{header} in {request}");
    }
}

#[tokio::test]
async fn a_refused_connection_was_certainly_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::NotSent);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_was_certainly_not_sent() {
    // A label of 64 letters is refused by the resolver itself, without asking anybody.
    let endpoint = Endpoint { base_url: format!("http://{}.test", "x".repeat(64)).parse().unwrap(), api_key: None };
    let endpoints = Endpoints { payment: endpoint.clone(), catalog: endpoint.clone(), inventory: endpoint };
    let transport = HttpTransport::new(endpoints).unwrap();
    assert_eq!(transport.send(charge()).await.unwrap_err(), TransportError::NotSent);
}

#[tokio::test]
async fn a_reset_after_the_request_may_have_been_applied_and_is_not_sent_again() {
    let (address, seen) = serve(Act::Reset).await;
    assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::Broken);
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_close_without_a_reply_may_have_been_applied_and_is_not_sent_again() {
    let (address, seen) = serve(Act::Reply(Vec::new())).await;
    assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::Broken);
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_connection() {
    let (address, _) = serve(Act::Reply(b"\x16\x03\x01 what?\r\n\r\n".to_vec())).await;
    assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::Broken);
}

#[tokio::test]
async fn a_body_that_stops_early_is_cut() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":".to_vec();
    for act in [Act::Reply(half.clone()), Act::ReplyAndReset(half)] {
        let (address, seen) = serve(act).await;
        assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::Cut);
        assert_eq!(seen.requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_cut_and_one_at_the_limit_is_not() {
    let (address, _) = serve(Act::Reply(reply("200 OK", &"x".repeat(BODY_BYTES_MAX)))).await;
    assert_eq!(transport(address).send(charge()).await.unwrap().body.len(), BODY_BYTES_MAX);
    // The server's writing fails once the client has hung up; only the client's view matters here.
    let (address, _) = serve(Act::ReplyAndKeep(reply("200 OK", &"x".repeat(BODY_BYTES_MAX + 1)))).await;
    assert_eq!(transport(address).send(charge()).await.unwrap_err(), TransportError::Cut);
}

#[tokio::test]
async fn a_slow_reply_is_waited_for() {
    let (half_way, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let whole = reply("200 OK", "{\"id\":1}");
    let (one, other) = whole.split_at(whole.len() - 3);
    let act = Act::Slowly(one.to_vec(), other.to_vec(), Arc::clone(&half_way), Arc::clone(&go));
    let (address, _) = serve(act).await;
    let transport = transport(address);
    let sending = tokio::spawn(async move { transport.send(charge()).await });
    half_way.notified().await;
    assert!(!sending.is_finished());
    go.notify_one();
    assert_eq!(&*sending.await.unwrap().unwrap().body, b"{\"id\":1}");
}

#[tokio::test]
async fn retry_after_is_handed_on_as_sent() {
    for value in ["2", "Fri, 31 Dec 1999 23:59:59 GMT"] {
        let (address, _) =
            serve(Act::Reply(reply(&format!("503 Service Unavailable\r\nretry-after: {value}"), ""))).await;
        let response = transport(address).send(charge()).await.unwrap();
        assert_eq!((response.status, response.retry_after.as_deref()), (503, Some(value)));
    }
    let (address, _) = serve(Act::Reply(reply("503 Wait\r\nretry-after: 2\r\nretry-after: 5", ""))).await;
    let response = transport(address).send(charge()).await.unwrap();
    assert_eq!(response.retry_after.as_deref(), Some("2, 5"));
}

#[tokio::test]
async fn errors_redirects_and_refusals_are_answers_and_are_not_followed_or_repeated() {
    for head in ["500 Internal Server Error", "429 Too Many Requests", "307 Temporary Redirect\r\nlocation: /elsewhere"]
    {
        let (address, seen) = serve(Act::Reply(reply(head, "{}"))).await;
        let response = transport(address).send(charge()).await.unwrap();
        assert!(head.starts_with(&response.status.to_string()));
        assert_eq!(seen.requests.lock().unwrap().len(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_connection_is_never_used_twice_so_that_nothing_below_can_repeat_a_charge() {
    // The server keeps the connection open and would take a second request on it; a pool would use it, find it closed
    // one day, and send the request again by itself.
    let (address, seen) = serve(Act::ReplyAndKeep(reply("200 OK", "{}"))).await;
    let transport = transport(address);
    for sent in 1..=3 {
        transport.send(charge()).await.unwrap();
        assert_eq!(seen.connections.load(Ordering::SeqCst), sent);
        assert_eq!(seen.requests.lock().unwrap().len(), sent);
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_a_header_is_not_sent_rather_than_sent_without() {
    let (address, seen) = serve(Act::Reply(reply("200 OK", "{}"))).await;
    let bad = Request { idempotency_key: Some("a\r\nb: c".into()), ..charge() };
    assert_eq!(transport(address).send(bad).await.unwrap_err(), TransportError::NotSent);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn a_base_url_is_plain_http_without_secrets() {
    let cases = [
        ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
        ("http://shop.internal/api/", Ok("http://shop.internal/api")),
        ("https://api.example.com", Err(BaseUrlError::Tls)),
        ("ftp://example.com", Err(BaseUrlError::Scheme)),
        ("127.0.0.1:8080", Err(BaseUrlError::NotAUrl)),
        ("", Err(BaseUrlError::NotAUrl)),
        ("http://", Err(BaseUrlError::NotAUrl)),
        ("http://me:secret@example.com", Err(BaseUrlError::Userinfo)),
        ("http://example.com?key=secret", Err(BaseUrlError::Query)),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<BaseUrl>(), expected.map(|url| BaseUrl(url.to_owned())), "{text}");
    }
}

#[test]
fn secrets_do_not_show() {
    let shown = format!("{:?}", transport("127.0.0.1:1".parse().unwrap()));
    assert!(!shown.contains("s3cret"), "{shown}");
}
