//! misrule's end of the control channel: what the system's process is about to do is asked of [`Decide`], and what it
//! shall do is told through a [`Remote`].

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use super::control::{Access, Announcement, Decision, FromChild, Grant, ToChild};
use super::flow::Flow;
use super::lines::{self, Came, LINE_MAX};
use crate::error::RunError;

/// Who decides what becomes of what a process is about to do. `None` is never told: the process is being killed.
pub trait Decide: Send + Sync {
    /// Of a provider request, before it connects.
    fn request(&self, announcement: Announcement) -> Option<Decision>;

    /// Of a use of the journal.
    fn access(&self, access: Access) -> Option<Grant>;

    /// What was granted or sent, to be held afterwards, is done.
    fn held(&self);
}

/// How a process begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Begun {
    /// It serves here.
    Listening(SocketAddr),
    /// Its store failed as it looked for what an earlier life left. It sees to the run's folder until it is dropped.
    StoreFailed(String),
}

/// A line to the process, and whom to tell that it was carried out.
pub(super) type Line = (ToChild, Option<oneshot::Sender<()>>);

/// A way to speak to a process while it runs; what is said to one that is gone is lost.
#[derive(Clone)]
pub struct Remote(mpsc::UnboundedSender<Line>);

impl Remote {
    pub(super) const fn new(lines: mpsc::UnboundedSender<Line>) -> Self {
        Self(lines)
    }

    /// Lets its calendar clock go forward at once; it has when this returns, or is gone.
    pub async fn jump(&self, span: Duration) {
        let (done, jumped) = oneshot::channel();
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if self.0.send((ToChild::Jump(ms), Some(done))).is_ok() {
            let _ = jumped.await;
        }
    }

    /// Has it take up the orders without a living owner.
    pub fn keep_house(&self) {
        let _ = self.0.send((ToChild::KeepHouse, None));
    }
}

/// Speaks the control channel until one side ends it. stdin is closed when misrule's side ends.
pub(super) async fn converse(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    mut to_child: mpsc::UnboundedReceiver<Line>,
    begins: oneshot::Sender<Begun>,
    decide: Arc<dyn Decide>,
    flow: Arc<Flow>,
) -> Result<(), RunError> {
    let mut begins = Some(begins);
    // The process carries out one jump after the other.
    let mut jumping = VecDeque::new();
    let mut from_child = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        let came = tokio::select! {
            biased;
            came = lines::next(&mut from_child, &mut line, LINE_MAX) => came,
            line = to_child.recv() => {
                let Some((line, done)) = line else { return Ok(()) };
                jumping.extend(done);
                write(&mut stdin, &line).await;
                continue;
            }
        };
        flow.comes(line.len());
        let said = match came {
            Ok(Came::Line) => serde_json::from_slice(&line).map_err(|error| error.to_string()),
            Ok(Came::TooLong) => Err(format!("it is longer than {} MiB", LINE_MAX >> 20)),
            Ok(Came::End) | Err(_) => return Ok(()),
        };
        let said = said.map_err(|reason| RunError::Control { line: shown(&line), reason })?;
        line.clear();
        // The waiting side may have given up, here and below.
        let mut begun = |how| _ = begins.take().map(|begins| begins.send(how));
        match said {
            FromChild::Listening(address) => begun(Begun::Listening(address)),
            FromChild::NotBegun(why) => begun(Begun::StoreFailed(why)),
            FromChild::Announce(announcement) => {
                let id = announcement.id;
                if let Some(decision) = decide.request(announcement) {
                    write(&mut stdin, &ToChild::Decide { id, decision }).await;
                }
            }
            FromChild::Access { id, access } => {
                if let Some(grant) = decide.access(access) {
                    write(&mut stdin, &ToChild::Grant { id, grant }).await;
                }
            }
            FromChild::Held => decide.held(),
            FromChild::Jumped => _ = jumping.pop_front().map(|done| done.send(())),
        }
    }
}

/// The beginning of a line, for an error.
fn shown(line: &[u8]) -> String {
    const SHOWN_MAX: usize = 200;
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN_MAX)]).into_owned();
    if line.len() > SHOWN_MAX { format!("{text}…") } else { text }
}

/// Writes a line. A child that does not read is gone, which its stdout says.
async fn write(stdin: &mut ChildStdin, line: &ToChild) {
    let mut line = serde_json::to_vec(line).expect("control lines hold nothing that JSON cannot");
    line.push(b'\n');
    let _ = stdin.write_all(&line).await;
}
