//! The process's signals to end: the first asks for an end in good order, the second for an end now.

use std::io;

use tokio_util::sync::CancellationToken;

/// What SIGTERM and ctrl-c have asked for so far.
#[derive(Clone, Debug)]
pub struct Signals {
    stop: CancellationToken,
    stop_now: CancellationToken,
}

impl Signals {
    /// Listens from now on: a signal that comes after this returned does not kill the process. Must be called on a tokio
    /// runtime.
    pub fn listen() -> io::Result<Self> {
        let signals = Self { stop: CancellationToken::new(), stop_now: CancellationToken::new() };
        let heard = signals.clone();
        let mut source = Source::open()?;
        tokio::spawn(async move {
            source.next().await;
            heard.stop.cancel();
            source.next().await;
            heard.stop_now.cancel();
        });
        Ok(signals)
    }

    /// Ends when the process is asked to end.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.clone().cancelled_owned()
    }

    /// Ends when the process is asked a second time.
    pub fn stop_now(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop_now.clone().cancelled_owned()
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn open() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Source(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Source {
    fn open() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        _ = self.0.recv().await;
    }
}
