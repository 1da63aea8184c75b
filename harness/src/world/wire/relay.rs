//! An HTTP relay in front of each provider that realises decided deliveries on the socket: a reset is a RST, a cut stops
//! in the middle of the body, silence is a connection that stays open and says nothing.
//!
//! One request a connection: every reply closes it, so that no exchange shares its fate with another. hyper reads the
//! request and writes whole replies; what HTTP has no word for ends the hyper connection and is done on the socket.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::{Future, pending, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use giftgenius::ports::{Method, Provider};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use smol_str::SmolStr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::desk::{Decided, Desk};
use crate::error::RunError;
use crate::fault::CrashPoint;
use crate::fault::decide::Reply;
use crate::provider::ProviderReply;
use crate::system::control::EXCHANGE_PATH;
use crate::trace::{ExchangeId, Seen};
use crate::world::outgoing::{self, Outgoing};
use crate::world::stage::Arrival;

/// A provider's relay; ends, with its connections, when it is dropped.
pub struct Relay {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Relay {
    /// Opens one on a free loopback port.
    pub async fn open(provider: Provider, desk: Arc<Desk>) -> Result<Self, RunError> {
        Self::open_at(provider, desk, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Opens one at an address.
    pub async fn open_at(provider: Provider, desk: Arc<Desk>, at: SocketAddr) -> Result<Self, RunError> {
        let failed = |source| RunError::Listen { role: "a provider's relay", address: at.to_string(), source };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut task = JoinSet::new();
        task.spawn(accept(listener, provider, desk));
        Ok(Self { address, _task: task })
    }

    /// Where the system finds it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, provider: Provider, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, provider, desk.clone()));
            }
            Err(source) => {
                return desk.trouble(RunError::Listen {
                    role: "a provider's relay",
                    address: listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string()),
                    source,
                });
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// How a connection ends other than by a reply.
#[derive(Debug, thiserror::Error)]
enum Abrupt {
    #[error("the connection is reset")]
    Reset,
    #[error("the reply is cut")]
    Cut(Box<Outgoing>),
    #[error("the reply trickles")]
    Trickle(Box<Outgoing>),
}

async fn serve(stream: TcpStream, provider: Provider, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let answering: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(answer(provider, desk.clone(), request));
        answering
    });
    let mut connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    let abrupt = ended.as_ref().err().and_then(|error| error.source()?.downcast_ref());
    // A client that is gone already cannot be shown anything: errors of the socket have no reader.
    let _ = match abrupt {
        None => close(stream).await,
        Some(Abrupt::Reset) => reset(&stream),
        Some(Abrupt::Cut(outgoing)) => cut(stream, outgoing).await,
        Some(Abrupt::Trickle(outgoing)) => trickle(stream, outgoing).await,
    };
}

async fn close(mut stream: TcpStream) -> std::io::Result<()> {
    stream.shutdown().await
}

/// Closing with a zero linger discards what is unsent and sends a RST.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Status, headers that promise the whole body, and half of it.
async fn cut(mut stream: TcpStream, outgoing: &Outgoing) -> std::io::Result<()> {
    let half = outgoing.body.len() / 2;
    stream.write_all(head(outgoing).as_bytes()).await?;
    stream.write_all(&outgoing.body[..half]).await?;
    stream.shutdown().await
}

/// Status, headers that promise the whole body, and of that a byte from time to time, but never the last one: data flows
/// until the client gives up.
async fn trickle(mut stream: TcpStream, outgoing: &Outgoing) -> std::io::Result<()> {
    const A_BYTE_EVERY: Duration = Duration::from_millis(100);
    stream.write_all(head(outgoing).as_bytes()).await?;
    let all_but_one = outgoing.body.len().saturating_sub(1);
    for byte in &outgoing.body[..all_but_one] {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(A_BYTE_EVERY).await;
    }
    // Whatever the client sends or not, it ends by hanging up.
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

fn head(outgoing: &Outgoing) -> String {
    format!(
        "HTTP/1.1 {} \r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        outgoing.status,
        outgoing.content_type,
        outgoing.body.len()
    )
}

type Answer = Result<Response<Full<Bytes>>, Abrupt>;

async fn answer(provider: Provider, desk: Arc<Desk>, request: Request<Incoming>) -> Answer {
    // As long as a request is being answered, the run is not at rest; a client that gives up ends this too.
    let _pending = desk.pend();
    let Some((exchange, arrival)) = read(provider, request).await else {
        return Ok(respond(&outgoing::imposed(405, None, jiff::Timestamp::UNIX_EPOCH)));
    };
    match desk.arrived(exchange, arrival) {
        Ok(decided) => realise(&desk, &decided).await,
        Err(unknown) => Ok(respond(&outgoing::unknown_operation(&unknown))),
    }
}

/// The request, and the exchange that it was announced as.
async fn read(provider: Provider, request: Request<Incoming>) -> Option<(Option<ExchangeId>, Arrival)> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(SmolStr::from);
    let method = match request.method().as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        _ => return None,
    };
    let full = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (exchange, path) = split_exchange(full);
    let (key, correlation, path) =
        (header("idempotency-key"), header("x-correlation-id").unwrap_or_default(), SmolStr::new(path));
    let body = request.into_body().collect().await.ok()?.to_bytes();
    let arrival = Arrival { provider, method, path, key, correlation, body, incarnation: None };
    Some((exchange, arrival))
}

/// `/exchange/17/v1/charges` is exchange 17's `/v1/charges`.
fn split_exchange(path: &str) -> (Option<ExchangeId>, &str) {
    let split = path.strip_prefix(EXCHANGE_PATH).and_then(|rest| {
        let slash = rest.find('/')?;
        Some((ExchangeId(rest[..slash].parse().ok()?), &rest[slash..]))
    });
    split.map_or((None, path), |(exchange, path)| (Some(exchange), path))
}

async fn realise(desk: &Arc<Desk>, decided: &Decided) -> Answer {
    let Decided { request, delivery, life } = decided;
    let reply = desk.apply(request, delivery).await;
    if let (Some(CrashPoint::AfterSend), Some(life)) = (delivery.crash, life) {
        life.crash();
    }
    // What is dead sees nothing any more.
    let saw = |seen| {
        if !decided.is_orphaned() {
            desk.stage().answered(request.exchange, seen);
        }
    };
    match &delivery.reply {
        Reply::Pass { delay, mangle } => {
            if !delay.is_zero() {
                tokio::time::sleep(*delay).await;
            }
            let outgoing = outgoing::passed(request.operation, applied(reply)?, mangle.as_ref());
            saw(outgoing.seen.clone());
            Ok(respond(&outgoing))
        }
        Reply::Status(status, retry_after) => {
            let outgoing = outgoing::imposed(*status, *retry_after, desk.stage().utc());
            saw(outgoing.seen.clone());
            Ok(respond(&outgoing))
        }
        Reply::Foreign(status, retry_after, body) => {
            let outgoing = outgoing::foreign(*status, *retry_after, *body, desk.stage().utc());
            saw(outgoing.seen.clone());
            Ok(respond(&outgoing))
        }
        Reply::Silence => {
            saw(Seen::Silence);
            match pending::<Infallible>().await {}
        }
        // A connection that was accepted cannot be refused any more. A request that was announced does not come here;
        // for one that was not, this is what the relay can do, and what it saw.
        Reply::Reset | Reply::Refuse => {
            saw(Seen::Broken);
            Err(Abrupt::Reset)
        }
        Reply::Cut => {
            let outgoing = outgoing::passed(request.operation, applied(reply)?, None);
            saw(Seen::Cut);
            Err(Abrupt::Cut(Box::new(outgoing)))
        }
        Reply::Trickle => {
            let outgoing = outgoing::passed(request.operation, applied(reply)?, None);
            // No whole reply is ever seen: it is as good as none.
            saw(Seen::Silence);
            Err(Abrupt::Trickle(Box::new(outgoing)))
        }
        Reply::Huge => {
            let outgoing = outgoing::huge(&applied(reply)?);
            saw(outgoing.seen.clone());
            Ok(respond(&outgoing))
        }
    }
}

/// The provider's own reply. There is none only if an upstream failed, which the desk has noted: the run is void.
fn applied(reply: Option<ProviderReply>) -> Result<ProviderReply, Abrupt> {
    reply.ok_or(Abrupt::Reset)
}

fn respond(outgoing: &Outgoing) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(outgoing.status).header("content-type", outgoing.content_type);
    if let Some(retry_after) = &outgoing.retry_after {
        builder = builder.header("retry-after", retry_after);
    }
    if outgoing.is_gzipped {
        builder = builder.header("content-encoding", "gzip");
    }
    builder
        .body(Full::new(outgoing.body.clone()))
        .expect("statuses are checked where plans are read, and headers are plain text")
}
