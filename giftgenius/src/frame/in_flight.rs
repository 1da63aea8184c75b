//! The requests of one connection that are being answered.
//!
//! rmcp would run two requests with one id, and give the first answer that is ready to whoever asks. A cancelled
//! request it forgets at once, so that its late answer could be taken for that of a later request with the same id. So
//! an id is taken here until the answer is ready, cancelled or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rmcp::model::RequestId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests of a connection may be begun and not yet written out. A client that floods or does not read its
/// answers is not read from until it does.
pub const IN_FLIGHT_MAX: u32 = 256;

/// The requests in flight.
#[derive(Debug)]
pub struct InFlight {
    calls: Mutex<HashMap<RequestId, Call>>,
    room: Arc<Semaphore>,
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Call {
    /// Nobody waits for its answer.
    pub(super) cancelled: bool,
    /// Its share of the room, given back when the answer is written.
    pub(super) room: OwnedSemaphorePermit,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { calls: Mutex::default(), room: Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize)) }
    }
}

impl InFlight {
    /// How many requests are in flight.
    pub fn len(&self) -> usize {
        self.calls().len()
    }

    /// Whether nothing is left to be answered or written.
    pub fn is_empty(&self) -> bool {
        self.calls().is_empty() && self.room.available_permits() == IN_FLIGHT_MAX as usize
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<RequestId, Call>> {
        self.calls.lock().expect("nothing panics while it holds the calls")
    }

    /// Waits for room for one more.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.room).acquire_owned().await.expect("the room is never closed")
    }

    /// Waits until everything is written.
    pub(super) async fn idle(&self) {
        let _whole_room = self.room.acquire_many(IN_FLIGHT_MAX).await.expect("the room is never closed");
    }

    /// Takes an id; says whether it was free.
    pub(super) fn begin(&self, id: RequestId, room: OwnedSemaphorePermit) -> bool {
        let mut calls = self.calls();
        if calls.contains_key(&id) {
            return false;
        }
        calls.insert(id, Call { cancelled: false, room });
        true
    }

    /// Notes that nobody waits for an answer any more.
    pub(super) fn cancel(&self, id: &RequestId) {
        if let Some(call) = self.calls().get_mut(id) {
            call.cancelled = true;
        }
    }

    /// Gives an id back: its answer is ready.
    pub(super) fn end(&self, id: &RequestId) -> Option<Call> {
        self.calls().remove(id)
    }
}
