//! Decorators of ports that defects are made of: a transport that sends in its own way, a journal that reads or writes
//! otherwise, a log that changes lines.

use std::future::Future;
use std::sync::Arc;

use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::ports::{BoxFuture, Request, Response, StepLog, Transport, TransportError};
use giftgenius::step_log::LogLine;
use jiff::Timestamp;

use crate::system::wiring::Wired;

/// What comes of a request.
pub(super) type Sent = Result<Response, TransportError>;

/// The transport behind a broken one.
pub(super) type Network = Arc<dyn Transport>;

struct Sending<S> {
    next: Network,
    send: S,
}

impl<S, F> Transport for Sending<S>
where
    S: Fn(Network, Request) -> F + Send + Sync,
    F: Future<Output = Sent> + Send + 'static,
{
    fn send(&self, request: Request) -> BoxFuture<'_, Sent> {
        Box::pin((self.send)(self.next.clone(), request))
    }
}

/// How a journal shows what it reads.
pub(super) type Read = Box<dyn Fn(&Key, Stored) -> Option<Stored> + Send + Sync>;

/// What a journal makes of a batch.
pub(super) type Write = Box<dyn Fn(Batch) -> Batch + Send + Sync>;

/// A journal that shows records otherwise than they are, and keeps others than it was given.
struct Mapped {
    next: Arc<dyn Journal>,
    read: Read,
    write: Write,
}

impl Journal for Mapped {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let key = key.clone();
        Box::pin(async move { Ok(self.next.get(&key).await?.and_then(|stored| (self.read)(&key, stored))) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        self.next.commit((self.write)(batch))
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        Box::pin(async move {
            let listed = self.next.list(state).await?;
            Ok(listed.into_iter().filter_map(|stored| (self.read)(&stored.record.key(), stored)).collect())
        })
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        self.next.overview()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        self.next.probe()
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        self.next.drop_expired(now)
    }
}

/// How a log passes a line on; `None` drops it.
pub(super) type Line = Box<dyn Fn(LogLine) -> Option<LogLine> + Send + Sync>;

struct Logging {
    next: Arc<dyn StepLog>,
    line: Line,
}

impl StepLog for Logging {
    fn record(&self, line: LogLine) {
        if let Some(line) = (self.line)(line) {
            self.next.record(line);
        }
    }

    fn written(&self) -> BoxFuture<'_, ()> {
        self.next.written()
    }
}

impl Wired {
    /// A transport that sends in its own way.
    pub(super) fn sending<F>(mut self, send: impl Fn(Network, Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Sent> + Send + 'static,
    {
        self.ports.transport = Arc::new(Sending { next: self.ports.transport, send });
        self
    }

    /// A journal that shows what it reads otherwise.
    pub(super) fn reading(self, read: impl Fn(&Key, Stored) -> Option<Stored> + Send + Sync + 'static) -> Self {
        self.mapping(read, |batch| batch)
    }

    /// A journal that shows what it reads otherwise and keeps other batches than it was given.
    pub(super) fn mapping(
        mut self,
        read: impl Fn(&Key, Stored) -> Option<Stored> + Send + Sync + 'static,
        write: impl Fn(Batch) -> Batch + Send + Sync + 'static,
    ) -> Self {
        self.ports.journal =
            Arc::new(Mapped { next: self.ports.journal, read: Box::new(read), write: Box::new(write) });
        self
    }

    /// A log that changes lines.
    pub(super) fn altering(self, change: fn(&mut LogLine)) -> Self {
        self.logging(move |mut line| {
            change(&mut line);
            Some(line)
        })
    }

    /// A log that changes or drops lines.
    pub(super) fn logging(mut self, line: impl Fn(LogLine) -> Option<LogLine> + Send + Sync + 'static) -> Self {
        self.ports.log = Arc::new(Logging { next: self.ports.log, line: Box::new(line) });
        self
    }
}

/// An answer that no provider gave.
pub(super) fn made_up(status: u16, body: impl Into<bytes::Bytes>) -> Response {
    Response { status, retry_after: None, date: None, body: body.into() }
}

/// The body of a refusal that every operation can have.
pub(super) const INVALID: &str = r#"{"error":{"code":"invalid_request"}}"#;

/// A field of a request's JSON body.
pub(super) fn field(request: &Request, name: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
    Some(body.get(name)?.as_str()?.to_owned())
}

/// Whether something of a request may have been done although no good answer came.
pub(super) fn unclear(sent: &Sent) -> bool {
    match sent {
        Ok(response) => response.status >= 500 || response.status == 408,
        Err(TransportError::Broken | TransportError::Cut) => true,
        Err(TransportError::NotSent) => false,
    }
}

/// Whether an answer is a success.
pub(super) fn succeeded(sent: &Sent) -> bool {
    sent.as_ref().is_ok_and(|response| (200..300).contains(&response.status))
}
