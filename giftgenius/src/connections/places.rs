//! Who gets a place. A connection is a stranger's until it has carried an authorised request; strangers have places of
//! their own, and a new one takes that of the oldest. So strangers can lock out neither each other (a health probe is
//! one) nor known clients, however many come and whatever they leave undone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio_util::sync::CancellationToken;

use crate::policy::HttpPolicy;
use crate::throttle::Summary;

/// One connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Rises in the order of acceptance.
    number: u64,
    peer: IpAddr,
    places: Weak<Places>,
    known: AtomicBool,
    calls: AtomicUsize,
    close: CancellationToken,
}

impl Connection {
    /// Where it comes from.
    pub(crate) const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Notes that a request on it was authorised.
    pub(crate) fn authorised(&self) {
        if !self.known.load(Ordering::Relaxed)
            && let Some(places) = self.places.upgrade()
        {
            places.lock().make_known(self);
        }
    }

    /// Whether it holds a known client's place.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Counts a call in flight until the answer is dropped.
    pub(crate) fn call(self: &Arc<Self>) -> Call {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }

    pub(super) fn has_calls(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    /// Ends when another connection needs the place.
    pub(super) async fn told_to_close(&self) {
        self.close.cancelled().await;
    }
}

/// A call in flight.
pub(crate) struct Call(Arc<Connection>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    own: Weak<Self>,
    strangers_max: usize,
    known_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    last: u64,
    strangers: BTreeMap<u64, Arc<Connection>>,
    known: usize,
    known_max: usize,
    closed: Summary,
}

impl Places {
    pub(super) fn new(policy: &HttpPolicy) -> Arc<Self> {
        let bound = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let known_max = bound(policy.connections_max);
        let taken = Taken { known_max, ..Taken::default() };
        Arc::new_cyclic(|own| Self {
            own: own.clone(),
            strangers_max: bound(policy.strangers_max),
            known_max,
            taken: Mutex::new(taken),
        })
    }

    /// A place for a new connection; if strangers have none left, that of the oldest stranger. Then also how many were closed
    /// since the last log line about it, if one is due now.
    pub(super) fn take(&self, peer: IpAddr, is_proxy: bool) -> (Held, Option<u64>) {
        let mut taken = self.lock();
        taken.last += 1;
        let connection = Arc::new(Connection {
            number: taken.last,
            peer,
            places: self.own.clone(),
            known: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            close: CancellationToken::new(),
        });
        if is_proxy && taken.known < self.known_max {
            taken.known += 1;
            connection.known.store(true, Ordering::Relaxed);
            return (Held(connection), None);
        }
        let mut closed = None;
        if taken.strangers.len() >= self.strangers_max {
            taken.close_one();
            closed = taken.closed.count();
        }
        taken.strangers.insert(connection.number, connection.clone());
        (Held(connection), closed)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("nothing panics while it holds the places")
    }
}

impl Taken {
    /// Closes the oldest stranger that waits for no answer, or else the oldest.
    fn close_one(&mut self) {
        let idle = self.strangers.values().find(|stranger| !stranger.has_calls()).map(|stranger| stranger.number);
        let Some(oldest) = idle.or_else(|| self.strangers.keys().next().copied()) else { return };
        if let Some(stranger) = self.strangers.remove(&oldest) {
            stranger.close.cancel();
        }
    }

    /// Where known clients have no place left it keeps the one it has, and may lose it while it is idle.
    fn make_known(&mut self, connection: &Connection) {
        if self.known < self.known_max && self.strangers.remove(&connection.number).is_some() {
            self.known += 1;
            connection.known.store(true, Ordering::Relaxed);
        }
    }
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Connection>);

impl Held {
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.0.clone()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(places) = self.0.places.upgrade() else { return };
        let mut taken = places.lock();
        if self.0.is_known() {
            taken.known -= 1;
        } else {
            taken.strangers.remove(&self.0.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn places(strangers_max: u32, connections_max: u32) -> Arc<Places> {
        Places::new(&HttpPolicy { connections_max, strangers_max, ..Policy::default().http })
    }

    fn closed(held: &[Held]) -> Vec<bool> {
        held.iter().map(|held| held.0.close.is_cancelled()).collect()
    }

    #[test]
    fn a_new_stranger_takes_the_place_of_the_oldest() {
        let places = places(2, 9);
        let held: Vec<_> = (0..4).map(|_| places.take(PEER, false).0).collect();
        assert_eq!(closed(&held), [true, true, false, false]);
        drop(held);
        assert!(places.lock().strangers.is_empty());
    }

    #[test]
    fn known_clients_and_proxies_are_not_closed_for_strangers() {
        let places = places(2, 2);
        let held = vec![places.take(PEER, false).0, places.take(PEER, true).0];
        held[0].0.authorised();
        let strangers: Vec<_> = (0..9).map(|_| places.take(PEER, false).0).collect();
        assert_eq!(closed(&held), [false, false]);
        assert_eq!(closed(&strangers).iter().filter(|closed| !**closed).count(), 2);
        drop((held, strangers));
        assert_eq!(places.lock().known, 0);
    }

    #[test]
    fn who_waits_for_an_answer_is_closed_last() {
        let places = places(2, 9);
        let held = [places.take(PEER, false).0, places.take(PEER, false).0];
        let call = held[0].0.call();
        let third = places.take(PEER, false).0;
        assert_eq!(closed(&held), [false, true]);
        drop(call);
        let _fourth = places.take(PEER, false).0;
        assert_eq!((closed(&held), closed(&[third])), (vec![true, true], vec![false]));
    }

    #[test]
    fn a_known_client_beyond_its_bound_is_a_stranger_still() {
        let places = places(1, 1);
        let held = [places.take(PEER, false).0];
        held[0].0.authorised();
        let further = [places.take(PEER, false).0];
        further[0].0.authorised();
        assert!(!further[0].0.is_known());
        let _stranger = places.take(PEER, false).0;
        assert_eq!((closed(&held), closed(&further)), (vec![false], vec![true]));
    }
}
