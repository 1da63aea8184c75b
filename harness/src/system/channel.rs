//! The child's end of the control channel: says a line, and waits for what misrule decides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};

use giftgenius::ports::Request;
use tokio::sync::oneshot;

use super::control::{Access, Announcement, Decision, FromChild, Grant};

/// Who waits for which answer.
struct Waiting<T>(Mutex<HashMap<u64, oneshot::Sender<T>>>);

impl<T> Waiting<T> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<T>>> {
        self.0.lock().expect("no holder of the waiting list panics")
    }

    fn tell(&self, id: u64, answer: T) {
        if let Some(waiting) = self.lock().remove(&id) {
            // The requester may have given up.
            let _ = waiting.send(answer);
        }
    }
}

/// The child's end.
pub(crate) struct Channel {
    lines: mpsc::Sender<FromChild>,
    announced: AtomicU64,
    decisions: Waiting<Decision>,
    grants: Waiting<Grant>,
}

impl Channel {
    /// Says its lines to `lines`.
    pub(crate) fn new(lines: mpsc::Sender<FromChild>) -> Self {
        Self { lines, announced: AtomicU64::new(0), decisions: Waiting::new(), grants: Waiting::new() }
    }

    /// Writes a line. If misrule is gone it is lost, and the process is about to end.
    pub(crate) fn say(&self, line: FromChild) {
        let _ = self.lines.send(line);
    }

    /// Announces a request and waits for how to send it.
    pub(crate) async fn decision(&self, request: &Request) -> Decision {
        let announce = |id| {
            FromChild::Announce(Announcement {
                id,
                provider: request.provider,
                method: request.method,
                path: request.path.clone(),
                key: request.idempotency_key.clone(),
                correlation: request.correlation_id.as_str().into(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
            })
        };
        self.ask(&self.decisions, announce).await
    }

    /// Announces a use of the journal and waits for what comes of it.
    pub(crate) async fn grant(&self, access: Access) -> Grant {
        self.ask(&self.grants, |id| FromChild::Access { id, access }).await
    }

    /// Says that what was to be held is done, and goes no further.
    pub(crate) async fn hold(&self) -> ! {
        self.say(FromChild::Held);
        std::future::pending().await
    }

    /// An answer came.
    pub(crate) fn decide(&self, id: u64, decision: Decision) {
        self.decisions.tell(id, decision);
    }

    /// An answer came.
    pub(crate) fn give(&self, id: u64, grant: Grant) {
        self.grants.tell(id, grant);
    }

    /// Says a line and waits for the answer. None comes if misrule is gone, or kills this process; then nothing goes on.
    async fn ask<T>(&self, waiting: &Waiting<T>, line: impl FnOnce(u64) -> FromChild) -> T {
        let id = self.announced.fetch_add(1, Ordering::Relaxed);
        let (tell, answer) = oneshot::channel();
        waiting.lock().insert(id, tell);
        self.say(line(id));
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}
