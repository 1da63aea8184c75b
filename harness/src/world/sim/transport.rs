//! Deliveries realised in virtual time: the simulated network between the system and its providers.

use std::hash::Hash;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use giftgenius::ports::{BoxFuture, Request, Response, Transport, TransportError};
use giftgenius::providers::http::BODY_BYTES_MAX;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fuel::Use;
use super::life::{House, Pulse};
use crate::fault::decide::{Delivery, Reply, When};
use crate::fault::mangle::HUGE_BODY_BYTES;
use crate::fault::{ActsWhen, CrashPoint};
use crate::provider::{ProviderReply, ProviderRequest};
use crate::trace::{ExchangeId, Seen};
use crate::world::outgoing::{Outgoing, foreign, imposed, passed, unknown_operation};
use crate::world::print::Print;
use crate::world::stage::Arrival;
use crate::world::{late_by, post};

/// How long a request takes to its provider and back when nothing goes wrong.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// One incarnation's way to the simulated network.
pub struct SimTransport {
    house: Arc<House>,
    pulse: Arc<Pulse>,
}

impl SimTransport {
    /// A way that ends with `pulse`.
    pub fn new(house: Arc<House>, pulse: Arc<Pulse>) -> Self {
        Self { house, pulse }
    }
}

/// A request, where it goes, and what becomes of it. Boxed, so that nobody waits for a reply with the room for it.
type Sending = Box<(Arc<House>, ProviderRequest, Delivery)>;

/// A request that has left and not arrived yet. It arrives whatever becomes of its sender meanwhile.
struct OnItsWay {
    /// `None` once it has arrived, or where it never does.
    request: Option<Sending>,
    arrives_at: Instant,
}

impl OnItsWay {
    /// It has arrived where it was sent to.
    fn arrived(mut self) -> Option<Sending> {
        self.request.take()
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        // Without a runtime the whole run is being torn down.
        let Some(sending) = self.request.take() else { return };
        let (house, _, delivery) = &*sending;
        if delivery.applied.is_empty() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let arrives_at = self.arrives_at;
        house.late.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep_until(arrives_at).await;
            let (house, request, delivery) = &*sending;
            // Whoever asked is not there any more.
            let _ = apply(house, request, delivery);
            house.late.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Applies a request as it was decided; answers what the provider replied to the first application of now, and the events
/// that are to be delivered before that reply.
fn apply(
    house: &Arc<House>,
    request: &ProviderRequest,
    delivery: &Delivery,
) -> (Option<ProviderReply>, Vec<JoinHandle<()>>) {
    let mut reply = None;
    let acts = |now| {
        if let Some(acting) = delivery.acts.filter(|acting| acting.when == now) {
            house.stage.act_beside(request, acting);
        }
    };
    acts(ActsWhen::Before);
    for when in delivery.applied {
        match when {
            When::Now => {
                let applied = house.stage.deliver(request, delivery.circumstance.as_ref());
                reply.get_or_insert(applied);
            }
            When::Late => deliver_late(house, request.clone(), delivery),
        }
    }
    acts(ActsWhen::After);
    (reply, post::hand_over(house, house.stage.take_events(Some(request.exchange))))
}

fn deliver_late(house: &Arc<House>, request: ProviderRequest, delivery: &Delivery) {
    let (house, circumstance) = (house.clone(), delivery.circumstance.clone());
    let after = late_by(house.policy.late_max);
    house.late.fetch_add(1, Ordering::Relaxed);
    // On its way in the network: it arrives whatever becomes of the system meanwhile.
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        house.stage.deliver(&request, circumstance.as_ref());
        post::hand_over(&house, house.stage.take_events(Some(request.exchange)));
        house.late.fetch_sub(1, Ordering::Relaxed);
    });
}

impl Transport for SimTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            self.pulse.acts(Use::Send(request.operation)).await;
            let stage = &self.house.stage;
            let arrival = Arrival {
                provider: request.provider,
                method: request.method,
                path: request.path,
                key: request.idempotency_key,
                correlation: request.correlation_id.as_str().into(),
                body: request.body,
                incarnation: Some(self.pulse.incarnation),
            };
            let (request, delivery) = match stage.arrive(arrival) {
                Ok(arrived) => arrived,
                Err(unknown) => return Ok(response(unknown_operation(&unknown)).0),
            };
            let exchange = request.exchange;
            let saw = |seen| {
                if !self.pulse.is_dead() {
                    stage.answered(exchange, seen);
                }
            };
            if delivery.reply == Reply::Refuse {
                saw(Seen::Refused);
                self.observed(exchange, &Observed::Nothing(&Seen::Refused));
                return Err(TransportError::NotSent);
            }
            let crash = delivery.crash;
            if delivery.hang_up {
                self.house.hung_up.notify_waiters();
            }
            let on_its_way = OnItsWay {
                request: Some(Box::new((self.house.clone(), request, delivery))),
                arrives_at: stage.recorder().ahead(ROUND_TRIP),
            };
            if let Some(CrashPoint::BeforeSend | CrashPoint::AfterSend) = crash {
                self.dies().await;
            }
            tokio::time::sleep_until(on_its_way.arrives_at).await;
            let Some(sending) = on_its_way.arrived() else { unreachable!("it arrives once") };
            let (house, request, delivery) = &*sending;
            let (reply, events) = apply(house, request, delivery);
            post::delivered(events).await;
            let reply = match (&delivery.reply, reply) {
                (Reply::Pass { delay, mangle }, Some(reply)) => {
                    if !delay.is_zero() {
                        tokio::time::sleep(*delay).await;
                    }
                    let (response, seen) = response(passed(request.operation, reply, mangle.as_ref()));
                    saw(seen);
                    Ok(response)
                }
                (Reply::Status(status, retry_after), _) => {
                    let (response, seen) = response(imposed(*status, *retry_after, stage.utc()));
                    saw(seen);
                    Ok(response)
                }
                (Reply::Foreign(status, retry_after, body), _) => {
                    let (response, seen) = response(foreign(*status, *retry_after, *body, stage.utc()));
                    saw(seen);
                    Ok(response)
                }
                (Reply::Reset, _) => {
                    saw(Seen::Broken);
                    Err(TransportError::Broken)
                }
                // The port's contract has a bound, which no huge body keeps to: nobody needs to make one up to see it refused.
                (Reply::Cut | Reply::Huge, _) => {
                    const { assert!(HUGE_BODY_BYTES > BODY_BYTES_MAX, "a huge body is larger than what is read") };
                    saw(Seen::Cut);
                    Err(TransportError::Cut)
                }
                // What was never applied has no reply to pass on; one that trickles is never whole in time.
                (Reply::Silence | Reply::Refuse | Reply::Trickle | Reply::Pass { .. }, _) => {
                    saw(Seen::Silence);
                    self.observed(exchange, &Observed::Nothing(&Seen::Silence));
                    std::future::pending().await
                }
            };
            self.observed(exchange, &Observed::of(&reply));
            if crash.is_some() {
                self.dies().await;
            }
            reply
        })
    }
}

/// What comes back to the system, as a print has it.
#[derive(Hash)]
enum Observed<'a> {
    Nothing(&'a Seen),
    Failure(mem::Discriminant<TransportError>),
    Reply { status: u16, retry_after: &'a Option<String>, date: &'a Option<String>, body: &'a [u8] },
}

impl<'a> Observed<'a> {
    fn of(reply: &'a Result<Response, TransportError>) -> Self {
        match reply {
            Ok(Response { status, retry_after, date, body }) => {
                Self::Reply { status: *status, retry_after, date, body }
            }
            Err(failure) => Self::Failure(mem::discriminant(failure)),
        }
    }
}

impl SimTransport {
    /// The system is about to see what came back.
    fn observed(&self, exchange: ExchangeId, what: &Observed<'_>) {
        if self.house.stage.observed(exchange, |ink| (exchange, what).hash(ink)) {
            self.house.make_print(Print::Observed);
        }
    }

    async fn dies(&self) -> ! {
        self.house.crash(&self.pulse);
        std::future::pending().await
    }
}

fn response(outgoing: Outgoing) -> (Response, Seen) {
    let Outgoing { status, retry_after, date, body, seen, content_type: _, is_gzipped: _ } = outgoing;
    (Response { status, retry_after, date, body }, seen)
}
