//! Connections over HTTP: how many are served at once, how long a client may take over a request's headers, and how they
//! end. `axum::serve` sets no timer, so headers that never end would hold a connection, and its descriptor, for ever.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::policy::HttpPolicy;

/// How long nothing is accepted after the system had no descriptor left for a connection: one has to end first.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_secs(1);

/// Serves connections until `shutdown`; then answers what was asked, and returns when every connection has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    policy: &HttpPolicy,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(policy.headers_timeout);
    let room = Arc::new(Semaphore::new(usize::try_from(policy.connections_max).unwrap_or(Semaphore::MAX_PERMITS)));
    let stopping = CancellationToken::new();
    let connections = TaskTracker::new();
    tokio::pin!(shutdown);
    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let stopping = stopping.clone();
        connections.spawn(async move {
            tokio::pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                // The client's doing: it went away, was silent for too long, or speaks no HTTP.
                tracing::debug!(%error, "a connection ended before its time");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    connections.wait().await;
}

/// Waits for room, then for a client.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(room).acquire_owned().await.expect("the room is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A reply is one small segment; waiting for more to send with it costs up to 40 ms a call.
                let _ = stream.set_nodelay(true);
                return (stream, place);
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
