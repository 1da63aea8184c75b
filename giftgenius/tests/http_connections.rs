//! Connections over real sockets: a client that sends or takes nothing is hung up on, and neither it nor many of its kind
//! keep others out.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use giftgenius::adapters::{SystemClock, TokioTasks};
use giftgenius::app::App;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::networks::Networks;
use giftgenius::policy::{HttpPolicy, Policy};
use giftgenius::ports::{BoxFuture, Entropy, Ports, Purpose, Request, Response, Transport, TransportError};
use giftgenius::serve::{Access, serve_http};
use giftgenius::step_log::{LogLine, StepLog};
use giftgenius::users::Users;
use giftgenius::webhooks::WebhookSecret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long a client may take over its headers here; production's 30 s are too long for a test.
const HEADERS: Duration = Duration::from_millis(600);
/// A test that waits longer than this has failed; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

struct Nobody;

impl Transport for Nobody {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async { Err(TransportError::NotSent) })
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn next(&self, _: Purpose) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Counts the lines of deliveries that were refused, and the deliveries that they tell of.
#[derive(Default)]
struct Refused(AtomicU64, AtomicU64);

impl StepLog for Refused {
    fn record(&self, line: LogLine) {
        if let LogLine::Webhook(line) = line {
            self.0.fetch_add(1, Ordering::Relaxed);
            self.1.fetch_add(line.count.unwrap_or(1), Ordering::Relaxed);
        }
    }
}

struct Server {
    refused: Arc<Refused>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

const TOKEN: &str = "t0ken-of-ann-0123";

/// Limits that no test reaches.
fn wide() -> HttpPolicy {
    let hour = Duration::from_secs(3600);
    HttpPolicy {
        headers_timeout: hour,
        write_timeout: hour,
        connections_max: 100,
        strangers_max: 100,
        refusals_at_once: u32::MAX,
        refusal_delay: hour,
    }
}

async fn server(http: HttpPolicy) -> Server {
    server_behind(Networks::default(), http).await
}

async fn server_behind(trusted_proxies: Networks, http: HttpPolicy) -> Server {
    let refused = Arc::new(Refused::default());
    let ports = Ports {
        transport: Arc::new(Nobody),
        journal: Arc::new(MemoryJournal::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Counter::default()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::<Refused>::clone(&refused),
    };
    // A call may take longer than any test waits.
    let policy = Policy { http, ..Policy::for_calls_of(Duration::from_secs(300)) };
    let app = App::with_webhooks(ports, policy, WebhookSecret::new("whsec_0123456789abcdef".into()).ok());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let users = Users::parse(&format!("ann={TOKEN}").into()).expect("a list of users");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { _ = stopped.await };
    let access = Access { trusted_proxies, ..Access::local(users) };
    Server { refused, address, stop, serving: tokio::spawn(serve_http(app, listener, access, shutdown)) }
}

/// A client that has begun a request and does not go on.
async fn stalled(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(b"GET /api/health HTTP/1.1\r\nhost: 127.0.0.1\r\nx-more: ").await.expect("it can be written");
    stream
}

/// Waits until the server hangs up; what it said before.
async fn hung_up(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server hangs up") {
        Ok(_) => {}
        // What was sent and not read makes it a reset.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(said).expect("text")
}

async fn health(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let request = "GET /api/health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it can be written");
    hung_up(&mut stream).await
}

#[tokio::test]
async fn headers_that_never_end_are_hung_up_on_and_others_are_served_meanwhile() {
    let Server { address, stop: _stop, .. } = server(HttpPolicy { headers_timeout: HEADERS, ..wide() }).await;
    let began = Instant::now();
    let mut still = stalled(address).await;
    // One that trickles is as slow as one that is silent.
    let mut trickling = stalled(address).await;
    let silent = TcpStream::connect(address).await;
    assert!(health(address).await.starts_with("HTTP/1.1 200"), "a proper client is served meanwhile");
    let trickle = tokio::spawn(async move {
        while trickling.write_all(b"x").await.is_ok() {
            tokio::time::sleep(HEADERS / 10).await;
        }
    });
    hung_up(&mut still).await;
    assert!(began.elapsed() >= HEADERS, "nobody is hung up on before the time");
    timeout(PATIENCE, trickle).await.expect("it is hung up on too").expect("it does not panic");
    hung_up(&mut silent.expect("it was connected")).await;
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
}

/// Sends requests one after the other and takes no answer, until the server hangs up.
async fn greedy(address: SocketAddr, headers: &str) -> JoinHandle<()> {
    let requests = format!("POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n{headers}\r\n").repeat(100);
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    tokio::spawn(async move { while stream.write_all(requests.as_bytes()).await.is_ok() {} })
}

#[tokio::test]
async fn who_takes_nothing_is_hung_up_on_with_a_token_or_without() {
    let Server { address, stop: _stop, .. } = server(HttpPolicy { write_timeout: HEADERS, ..wide() }).await;
    for headers in [String::new(), format!("authorization: Bearer {TOKEN}\r\n")] {
        let greedy = greedy(address, &headers).await;
        timeout(PATIENCE, greedy).await.expect("it is hung up on").expect("it does not panic");
    }
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
}

/// A request with a token on a connection that stays.
async fn call(stream: &mut TcpStream) -> String {
    let request = format!("GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it can be written");
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("an answer").expect("a whole one");
    // The rest of the answer is of no interest; the connection goes on after it.
    timeout(PATIENCE, stream.readable()).await.expect("a body").expect("a stream");
    while stream.try_read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {}
    String::from_utf8_lossy(&head).into_owned()
}

#[tokio::test]
async fn strangers_who_pipeline_and_take_nothing_keep_nobody_out() {
    // No time-out helps here: the places do.
    let Server { address, stop: _stop, .. } = server(HttpPolicy { strangers_max: 4, ..wide() }).await;
    let mut known = TcpStream::connect(address).await.expect("the server listens");
    assert_eq!(call(&mut known).await, "HTTP/1.1 405");
    let mut hostile = Vec::new();
    for _ in 0..12 {
        hostile.push(greedy(address, "").await);
    }
    for round in 0..3 {
        assert!(health(address).await.starts_with("HTTP/1.1 200"), "round {round}");
        let mut another = TcpStream::connect(address).await.expect("the server listens");
        assert_eq!(call(&mut another).await, "HTTP/1.1 405", "round {round}");
        assert_eq!(call(&mut known).await, "HTTP/1.1 405", "round {round}");
    }
    for stalled in hostile {
        stalled.abort();
    }
}

#[tokio::test]
async fn a_further_stranger_takes_the_place_of_the_oldest() {
    let Server { address, stop: _stop, .. } = server(HttpPolicy { strangers_max: 2, ..wide() }).await;
    let (mut first, _second) = (stalled(address).await, stalled(address).await);
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
    hung_up(&mut first).await;
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_no_strangers() {
    let proxies = Networks(vec!["127.0.0.0/8".parse().expect("a network")]);
    let Server { address, stop: _stop, .. } = server_behind(proxies, HttpPolicy { strangers_max: 1, ..wide() }).await;
    let mut first = stalled(address).await;
    let _others = (stalled(address).await, stalled(address).await);
    first.write_all(b"1\r\nconnection: close\r\n\r\n").await.expect("it is not hung up on");
    assert!(hung_up(&mut first).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn many_requests_without_a_known_token_are_answered_late_and_hold_nobody_else() {
    let Server { address, stop, serving, .. } = server(HttpPolicy { refusals_at_once: 2, ..wide() }).await;
    let wrong =
        "GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer guessed-guessed-0\r\nconnection: close\r\n\r\n";
    let guess = async || {
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        stream.write_all(wrong.as_bytes()).await.expect("it can be written");
        stream
    };
    for _ in 0..2 {
        assert!(hung_up(&mut guess().await).await.starts_with("HTTP/1.1 401"));
    }
    // Its answer is an hour away.
    let mut late = guess().await;
    let mut known = TcpStream::connect(address).await.expect("the server listens");
    assert_eq!(call(&mut known).await, "HTTP/1.1 405");
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
    stop.send(()).expect("it serves");
    assert!(timeout(PATIENCE, serving).await.expect("it stops").is_ok());
    assert_eq!(hung_up(&mut late).await, "");
}

#[tokio::test]
async fn many_deliveries_that_are_not_the_providers_are_answered_late_and_fill_no_log() {
    let Server { refused, address, stop, serving } = server(HttpPolicy { refusals_at_once: 3, ..wide() }).await;
    let post = async |headers: &str| {
        let body = r#"{"id":"evt_1","type":"charge.captured","reference":"ord_1"}"#;
        let mut stream = TcpStream::connect(address).await.expect("the server listens");
        let request = format!(
            "POST /webhooks/payment HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("it can be written");
        stream
    };
    assert!(hung_up(&mut post("").await).await.starts_with("HTTP/1.1 400"), "it has no signature");
    for _ in 0..2 {
        let forged =
            "payment-signature: t=1767225600,v1=0000000000000000000000000000000000000000000000000000000000000000\r\n";
        assert!(hung_up(&mut post(forged).await).await.starts_with("HTTP/1.1 401"));
    }
    // Their answers are an hour away, and whoever posts them holds nobody else.
    let mut late = Vec::new();
    for _ in 0..20 {
        late.push(post("").await);
    }
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
    stop.send(()).expect("it serves");
    assert!(timeout(PATIENCE, serving).await.expect("it stops").is_ok());
    for mut late in late {
        assert_eq!(hung_up(&mut late).await, "");
    }
    assert_eq!((refused.0.load(Ordering::Relaxed), refused.1.load(Ordering::Relaxed)), (3, 3));
}

#[tokio::test]
async fn a_stopping_server_waits_for_nobody_who_has_no_call_in_flight() {
    let Server { address, stop, serving, .. } = server(wide()).await;
    let mut half = stalled(address).await;
    let mut body = TcpStream::connect(address).await.expect("the server listens");
    let begun = format!(
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: 9\r\n\r\n{{"
    );
    body.write_all(begun.as_bytes()).await.expect("it can be written");
    let hostile = [greedy(address, "").await, greedy(address, &format!("authorization: Bearer {TOKEN}\r\n")).await];
    assert!(health(address).await.starts_with("HTTP/1.1 200"));
    stop.send(()).expect("it serves");
    // A call may take five minutes here: none of these is waited for as if it were one.
    assert!(timeout(PATIENCE, serving).await.expect("it stops").is_ok());
    assert_eq!(hung_up(&mut half).await + &hung_up(&mut body).await, "");
    for stalled in hostile {
        timeout(PATIENCE, stalled).await.expect("it is hung up on").expect("it does not panic");
    }
}

#[tokio::test]
async fn a_client_of_a_stopping_server_gets_its_answer_and_idle_ones_do_not_hold_it_up() {
    let Server { address, stop, serving, .. } = server(wide()).await;
    let mut idle = TcpStream::connect(address).await.expect("the server listens");
    let request = "GET /api/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    idle.write_all(request.as_bytes()).await.expect("it can be written");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    stop.send(()).expect("it serves");
    assert!(timeout(PATIENCE, serving).await.expect("it stops").is_ok());
    hung_up(&mut idle).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
