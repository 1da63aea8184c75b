//! One life of the system's process, and what is decided of it: its requests at the desk, its store, its crashes.
//!
//! What is dead is answered nothing more, also in the instant between the crash and the end of the process: it waits for
//! an answer that never comes, and does nothing until it is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use giftgenius::policy::Policy;
use tokio::sync::{mpsc, watch};

use super::desk::{Desk, Leave};
use crate::fault::site::Place;
use crate::fault::{CrashPoint, Fault};
use crate::system::{Access, Announcement, Decide, Decision, Grant};
use crate::trace::{EventKind, Recorder};
use crate::world::stage::Arrival;

/// Who is told of crashes, and counts the replicas that are being started again.
#[derive(Clone)]
pub struct Undertaker {
    reviving: watch::Sender<usize>,
    crashed: mpsc::UnboundedSender<usize>,
    recorder: Recorder,
}

impl Undertaker {
    /// One that writes to this record; the replicas that crash come out of the receiver.
    pub fn new(recorder: Recorder) -> (Self, mpsc::UnboundedReceiver<usize>) {
        let (crashed, next) = mpsc::unbounded_channel();
        (Self { reviving: watch::Sender::new(0), crashed, recorder }, next)
    }

    /// How many replicas are being started again.
    pub fn reviving(&self) -> watch::Receiver<usize> {
        self.reviving.subscribe()
    }

    /// A replica that crashed is there again, or is given up.
    pub fn revived(&self) {
        self.reviving.send_modify(|count| *count -= 1);
    }
}

/// The system's process between a start and its end.
pub struct Life {
    /// Which, from 1; replicas and their successors are counted together.
    pub incarnation: u32,
    replica: usize,
    over: watch::Sender<bool>,
    undertaker: Undertaker,
}

impl Life {
    /// A life that begins.
    pub fn begin(incarnation: u32, replica: usize, undertaker: Undertaker) -> Arc<Self> {
        Arc::new(Self { incarnation, replica, over: watch::Sender::new(false), undertaker })
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Ends it in good order.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// Ends it as a crash: its process is killed, and the next one is started.
    pub fn crash(&self) {
        let Undertaker { reviving, crashed, recorder } = &self.undertaker;
        self.over.send_if_modified(|over| {
            if *over {
                return false;
            }
            // Written down before anybody can hear of it.
            recorder.push_in(self.incarnation, EventKind::Crashed);
            reviving.send_modify(|count| *count += 1);
            // Whoever buries the dead is gone only when the run is.
            let _ = crashed.send(self.replica);
            *over = true;
            true
        });
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

/// How far a replica's calendar clock is off; it stays so when the process is started again.
#[derive(Clone, Default)]
pub struct ClockError(Arc<AtomicI64>);

impl ClockError {
    /// So many milliseconds.
    pub fn of(ms: i64) -> Self {
        Self(Arc::new(AtomicI64::new(ms)))
    }

    /// Now, in milliseconds.
    pub fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The clock jumps.
    pub fn add(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// Decides of what one life is about to do.
pub struct Fate {
    /// Where its requests are decided.
    pub desk: Arc<Desk>,
    /// Whose fate it is.
    pub life: Arc<Life>,
    /// Its clock's error.
    pub clock: ClockError,
    /// The system's numbers.
    pub policy: Policy,
}

impl Decide for Fate {
    fn request(&self, announcement: Announcement) -> Option<Decision> {
        if self.life.is_over() {
            return None;
        }
        let Announcement { id: _, provider, method, path, key, correlation, body } = announcement;
        let incarnation = Some(self.life.incarnation);
        let arrival = Arrival { provider, method, path, key, correlation, body: Bytes::from(body), incarnation };
        match self.desk.announced(arrival, &self.life) {
            Leave::Go(exchange) => Some(Decision::Exchange { number: exchange.0, hold: false }),
            Leave::GoAndHold(exchange) => Some(Decision::Exchange { number: exchange.0, hold: true }),
            Leave::Refused => Some(Decision::Refuse),
            Leave::Unknown => Some(Decision::Plain),
            Leave::Never => None,
        }
    }

    fn access(&self, access: Access) -> Option<Grant> {
        if self.life.is_over() {
            return None;
        }
        let place = match access {
            Access::Read => Place::JournalRead,
            Access::Write => Place::JournalWrite,
            Access::Probe => {
                return Some(match self.desk.stage().probe(self.life.incarnation) {
                    Some(Fault::Busy) => Grant::Busy,
                    Some(Fault::Full) => Grant::Full,
                    Some(_) | None => Grant::Go,
                });
            }
        };
        match self.desk.stage().choose(place, self.life.incarnation) {
            None => {
                if place == Place::JournalWrite {
                    self.desk.stage().wrote(self.life.incarnation, None);
                }
                Some(Grant::Go)
            }
            Some(Fault::Busy) => Some(Grant::Busy),
            Some(Fault::Full) => Some(Grant::Full),
            Some(Fault::Corrupt) => Some(Grant::Corrupt),
            Some(Fault::Panic) => Some(Grant::Panic),
            Some(Fault::Slow(span)) => Some(Grant::Slow(in_ms(span))),
            Some(Fault::Jump(expiry)) => {
                let span = expiry.span(&self.policy);
                self.clock.add(span);
                Some(Grant::Jump(in_ms(span)))
            }
            Some(Fault::HangUp) => {
                self.desk.hang_up();
                Some(Grant::Go)
            }
            Some(Fault::Crash(CrashPoint::AfterWrite)) => Some(Grant::GoAndHold),
            Some(Fault::Crash(_)) => {
                self.life.crash();
                None
            }
            Some(other) => unreachable!("`{other}` was refused for the journal, or for the wire, before the run"),
        }
    }

    fn held(&self) {
        self.life.crash();
    }
}

fn in_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
