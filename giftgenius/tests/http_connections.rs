//! Connections over real sockets: one whose headers never end is hung up on, others are served meanwhile, and there is
//! a bound on how many there are at once.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use giftgenius::adapters::{SystemClock, TokioTasks};
use giftgenius::app::App;
use giftgenius::journal::memory::MemoryJournal;
use giftgenius::policy::{HttpPolicy, Policy};
use giftgenius::ports::{BoxFuture, Entropy, Ports, Purpose, Request, Response, Transport, TransportError};
use giftgenius::serve::{Access, serve_http};
use giftgenius::step_log::{LogLine, StepLog};
use giftgenius::users::Users;
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

struct Unread;

impl StepLog for Unread {
    fn record(&self, _: LogLine) {}
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn server(connections_max: u32) -> Server {
    let ports = Ports {
        transport: Arc::new(Nobody),
        journal: Arc::new(MemoryJournal::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Counter::default()),
        tasks: Arc::new(TokioTasks::default()),
        log: Arc::new(Unread),
    };
    let http = HttpPolicy { headers_timeout: HEADERS, connections_max };
    let app = App::new(ports, Policy { http, ..Policy::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let users = Users::parse(&"ann=t0ken-of-ann".into()).expect("a list of users");
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { _ = stopped.await };
    Server { address, stop, serving: tokio::spawn(serve_http(app, listener, Access::local(users), shutdown)) }
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
    let Server { address, stop: _stop, .. } = server(100).await;
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

#[tokio::test]
async fn further_connections_wait_for_room() {
    let Server { address, stop: _stop, .. } = server(2).await;
    let began = Instant::now();
    let _both = (stalled(address).await, stalled(address).await);
    assert!(health(address).await.starts_with("HTTP/1.1 200"), "served once one of them was hung up on");
    assert!(began.elapsed() >= HEADERS, "there was no room before");
}

#[tokio::test]
async fn a_client_of_a_stopping_server_gets_its_answer_and_idle_ones_do_not_hold_it_up() {
    let Server { address, stop, serving } = server(100).await;
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
