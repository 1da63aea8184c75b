//! The guard on stdio: lines in, lines out, between the pipes and rmcp.
//!
//! This is the whole transport, so that every answer passes here as well: that is how an id in flight is known, and how
//! a cancelled request stays unanswered while the sale it began goes on. rmcp is given requests only. A notification is
//! nothing to this server, and one that comes before the handshake would end rmcp's session.

use std::future::Future;
use std::io;
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::in_flight::InFlight;
use super::{Asked, FRAME_BYTES_MAX, Handshake, Reason, Refusal, Verdict, judge};

/// Answers that wait for the client to read. More would only be memory: [`super::in_flight::IN_FLIGHT_MAX`] bounds the
/// calls behind them.
const QUEUE: usize = 16;
/// How long a client that is about to be left may take to read what is still to be written.
const CLOSING: Duration = Duration::from_secs(1);

/// MCP over lines of bytes, guarded.
pub struct GuardedLines<R> {
    lines: Lines<R>,
    /// An answer of the guard's own that is still to be handed to the writer.
    due: Option<Vec<u8>>,
    /// A request that waits for room.
    asked: Option<Box<Asked>>,
    /// Whether the client has sent `initialize`.
    has_shaken_hands: bool,
    in_flight: std::sync::Arc<InFlight>,
    /// How long answers are waited for after the input has ended.
    patience: Duration,
    out: Option<mpsc::Sender<Outgoing>>,
    writer: Option<JoinHandle<()>>,
}

/// A line to be written, and who is told when it is.
struct Outgoing {
    line: Vec<u8>,
    written: Option<oneshot::Sender<io::Result<()>>>,
}

impl<R: AsyncRead + Unpin> GuardedLines<R> {
    /// Reads from `input` and answers on `output`. When `input` ends, answers are waited for at most `patience`.
    pub fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static, patience: Duration) -> Self {
        let (out, queue) = mpsc::channel(QUEUE);
        Self {
            lines: Lines { read: BufReader::new(input), line: Vec::new(), skipping: false },
            due: None,
            asked: None,
            has_shaken_hands: false,
            in_flight: std::sync::Arc::default(),
            patience,
            out: Some(out),
            writer: Some(tokio::spawn(write_out(output, queue))),
        }
    }

    /// The requests that are being answered.
    pub fn in_flight(&self) -> std::sync::Arc<InFlight> {
        std::sync::Arc::clone(&self.in_flight)
    }

    /// Judges the line that was read.
    fn take_in(&mut self) {
        let verdict = judge(&self.lines.line);
        self.lines.line.clear();
        match verdict {
            Verdict::Request(asked) if asked.handshake == Handshake::Needed && !self.has_shaken_hands => {
                self.refuse(&Refusal::new(Some(asked.id), Reason::NoHandshakeYet));
            }
            Verdict::Request(asked) => {
                self.has_shaken_hands |= asked.handshake == Handshake::Is;
                self.asked = Some(asked);
            }
            Verdict::Notification { cancels } => {
                if let Some(id) = cancels {
                    self.in_flight.cancel(&id);
                }
            }
            Verdict::Response => {}
            Verdict::Refused(refusal) => self.refuse(&refusal),
            Verdict::Ignored(refusal) => refusal.log(),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        refusal.log();
        self.due = Some(line(&refusal.answer()));
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for GuardedLines<R> {
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        // Here and not when it is written: the client may use the id again as soon as it has read the answer.
        let call = answered(&item).and_then(|id| self.in_flight.end(id));
        let out = self.out.clone();
        async move {
            if call.as_ref().is_some_and(|call| call.cancelled) {
                return Ok(());
            }
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            let (written, done) = oneshot::channel();
            let outgoing = Outgoing { line: line(&item), written: Some(written) };
            out.ok_or_else(gone)?.send(outgoing).await.map_err(|_| gone())?;
            let result = done.await.unwrap_or_else(|_| Err(gone()));
            drop(call.map(|call| call.room));
            result
        }
    }

    /// rmcp drops this future whenever something else is ready first, so whatever it waits for loses nothing by that.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if self.due.is_some() {
                let place = self.out.as_ref()?.reserve().await.ok()?;
                place.send(Outgoing { line: self.due.take()?, written: None });
            }
            if self.asked.is_some() {
                let room = self.in_flight.room().await;
                let Asked { id, mut message, raw_arguments, .. } = *self.asked.take()?;
                if !self.in_flight.begin(id.clone(), room) {
                    self.refuse(&Refusal::new(Some(id), Reason::IdInUse));
                    continue;
                }
                if let (Some(raw), JsonRpcMessage::Request(request)) = (raw_arguments, &mut message) {
                    request.request.extensions_mut().insert(raw);
                }
                return Some(message);
            }
            if self.lines.next().await {
                self.take_in();
            } else {
                // rmcp would wait for five seconds, which is less than a call may take.
                let _ = tokio::time::timeout(self.patience, self.in_flight.idle()).await;
                return None;
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.out.take();
        if let Some(mut writer) = self.writer.take()
            && tokio::time::timeout(CLOSING, &mut writer).await.is_err()
        {
            writer.abort();
        }
        Ok(())
    }
}

/// The request that a message answers.
fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

fn line(message: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("our messages hold nothing that JSON cannot");
    line.push(b'\n');
    line
}

/// Writes whole lines, in the order in which they come, until nobody has any more or the client is gone.
async fn write_out(mut output: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some(Outgoing { line, written }) = queue.recv().await {
        let result = match output.write_all(&line).await {
            Ok(()) => output.flush().await,
            Err(error) => Err(error),
        };
        let failed = result.is_err();
        // Who asked may be gone.
        let _ = written.map(|written| written.send(result));
        if failed {
            return;
        }
    }
}

/// Lines of at most [`FRAME_BYTES_MAX`] bytes; of a longer one so much that its length shows, and the rest is skipped.
struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    /// The line that is being read is longer than is kept, and was handed out.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads the next line that is not blank into `line`; false at the end. What a dropped call has read is kept.
    async fn next(&mut self) -> bool {
        loop {
            let available = match self.read.fill_buf().await {
                Ok(available) => available,
                Err(error) => {
                    tracing::error!(%error, "stdin cannot be read any more");
                    &[]
                }
            };
            if available.is_empty() {
                // A message that is whole needs no end of line; one that is not is told so.
                return !self.is_blank();
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            if !self.skipping {
                let room = FRAME_BYTES_MAX + 1 - self.line.len();
                self.line.extend_from_slice(&part[..part.len().min(room)]);
            }
            let read = end.map_or(part.len(), |end| end + 1);
            self.read.consume(read);
            if self.skipping {
                self.skipping = end.is_none();
            } else if self.line.len() > FRAME_BYTES_MAX {
                // Answered at once: a line that never ends would never be.
                self.skipping = end.is_none();
                return true;
            } else if end.is_some() {
                if !self.is_blank() {
                    return true;
                }
                self.line.clear();
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.line.iter().all(u8::is_ascii_whitespace)
    }
}
