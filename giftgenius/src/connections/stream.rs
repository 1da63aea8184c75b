//! A TCP stream whose client has to take what it is sent.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Whether a stream's client is not taking what is to be written to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    pub(super) fn is_blocked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream on which a write fails once the client has taken nothing for a while.
#[derive(Debug)]
pub(super) struct TimedStream<S = TcpStream> {
    inner: S,
    write_timeout: Duration,
    blocked: Blocked,
    /// Runs while a write is blocked.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedStream<S> {
    pub(super) fn new(inner: S, write_timeout: Duration) -> (Self, Blocked) {
        let blocked = Blocked::default();
        (Self { inner, write_timeout, blocked: blocked.clone(), timer: None }, blocked)
    }

    /// Takes a write's result: progress ends the wait, no progress begins or continues it.
    fn timed<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.blocked.0.store(written.is_pending(), Ordering::Relaxed);
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.timed(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.timed(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_fails_the_write_and_one_that_takes_a_little_does_not() {
        let second = Duration::from_secs(1);
        let (mut client, server) = duplex(4);
        let (mut stream, blocked) = TimedStream::new(server, second * 30);
        let reading = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(second * 29).await;
                client.read_exact(&mut [0; 4]).await.expect("bytes");
            }
            client
        });
        stream.write_all(&[1; 16]).await.expect("each wait is shorter than the bound");
        assert!(!blocked.is_blocked());
        let _client = reading.await.expect("it does not panic");
        let began = Instant::now();
        let failed = stream.write_all(&[1; 16]).await.expect_err("nobody reads any more");
        assert_eq!((failed.kind(), began.elapsed()), (io::ErrorKind::TimedOut, second * 30));
    }
}
