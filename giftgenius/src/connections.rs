//! Connections over HTTP: who gets a place, how slow a client may be, and how connections end. `axum::serve` sets no timer
//! and no bound, so a client that sends or takes nothing would hold a connection, and its descriptor, for ever.

mod places;
mod stream;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::middleware::Next;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::networks::Networks;
use crate::policy::HttpPolicy;

pub(crate) use places::Connection;
use places::Places;
use stream::{Blocked, TimedStream};

/// How long nothing is accepted after the system had no descriptor left for a connection: one has to end first.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);

/// How long, while stopping, an answer to a known client may take to be written.
const WRITING: Duration = Duration::from_secs(1);

/// Serves connections until `shutdown`; then answers the calls in flight, closes every other connection, and returns when
/// all have ended. Connections from `proxies` are not limited as those of strangers are. `full` is told, at most once a
/// minute, how many connections were closed for want of places.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    policy: &HttpPolicy,
    proxies: &Networks,
    full: impl Fn(u64) + Send + Sync,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(policy.headers_timeout);
    let places = Places::new(policy);
    let stopping = CancellationToken::new();
    let connections = TaskTracker::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
        };
        let (held, closed) = places.take(peer.ip(), proxies.contain(peer.ip()));
        closed.inspect(|closed| full(*closed));
        let (stream, blocked) = TimedStream::new(stream, policy.write_timeout);
        let (served, builder, router, stopping) =
            (held.connection(), builder.clone(), router.clone(), stopping.clone());
        connections.spawn(async move {
            let (router, mark) = (TowerToHyperService::new(router), served.clone());
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                // By this, handlers tell on which connection a request came.
                request.extensions_mut().insert(mark.clone());
                router.call(request)
            });
            let connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                biased;
                () = served.told_to_close() => {}
                ended = until_done(connection, &served, &blocked, &stopping) => if let Err(error) = ended {
                    // The client's doing: it went away, was too slow, or speaks no HTTP.
                    tracing::debug!(%error, "a connection ended before its time");
                },
            }
            drop(held);
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    connections.wait().await;
}

type Http<S> = http1::Connection<TokioIo<TimedStream>, S>;

/// Serves a connection to its end; once the server is stopping, until no call of it is in flight.
async fn until_done<S>(
    mut connection: Pin<&mut Http<S>>,
    served: &Connection,
    blocked: &Blocked,
    stopping: &CancellationToken,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let mut writing = None;
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        // What could be written has been written by now: the poll above does so before it waits for anything else.
        if served.has_calls() {
            return Poll::Pending;
        }
        if !(served.is_known() && blocked.is_blocked()) {
            return Poll::Ready(Ok(()));
        }
        let writing = writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITING)));
        writing.as_mut().poll(context).map(Ok)
    })
    .await
}

/// Counts a request that has come whole as a call in flight until it is answered. Belongs behind all that reads bodies.
pub(crate) async fn in_flight(request: Request, next: Next) -> Response<Body> {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let _call = connection.as_ref().map(Connection::call);
    next.run(request).await
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A reply is one small segment; waiting for more to send with it costs up to 40 ms a call.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

/// Whether a client went away before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
