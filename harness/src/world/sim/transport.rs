//! Deliveries realised in virtual time: the simulated network between the system and its providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use giftgenius::ports::{BoxFuture, Request, Response, Transport, TransportError};

use crate::fault::decide::{Delivery, Reply, When};
use crate::provider::ProviderRequest;
use crate::trace::Seen;
use crate::world::late_by;
use crate::world::outgoing::{Outgoing, imposed, passed, unknown_operation};
use crate::world::stage::{Arrival, Stage};

/// How long a request takes to its provider and back when nothing goes wrong.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// The network of a simulated world.
pub struct SimTransport {
    stage: Arc<Stage>,
    late: Arc<AtomicUsize>,
    late_max: Duration,
}

impl SimTransport {
    /// A network that counts the deliveries still to come in `late`.
    pub fn new(stage: Arc<Stage>, late: Arc<AtomicUsize>, late_max: Duration) -> Self {
        Self { stage, late, late_max }
    }

    fn deliver_late(&self, request: ProviderRequest, delivery: &Delivery) {
        let (stage, late, circumstance) = (self.stage.clone(), self.late.clone(), delivery.circumstance.clone());
        let after = late_by(self.late_max);
        late.fetch_add(1, Ordering::Relaxed);
        // On its way in the network: it arrives whatever becomes of the system meanwhile.
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            stage.deliver(&request, circumstance.as_ref());
            late.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Transport for SimTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let arrival = Arrival {
                provider: request.provider,
                method: request.method,
                path: request.path,
                key: request.idempotency_key,
                correlation: request.correlation_id.to_string(),
                body: request.body,
            };
            let (request, delivery) = match self.stage.arrive(arrival) {
                Ok(arrived) => arrived,
                Err(unknown) => return Ok(response(unknown_operation(&unknown)).0),
            };
            let saw = |seen| self.stage.answered(request.exchange, seen);
            if delivery.reply == Reply::Refuse {
                saw(Seen::Refused);
                return Err(TransportError::NotSent);
            }
            tokio::time::sleep(ROUND_TRIP).await;
            let mut reply = None;
            for when in delivery.applied {
                match when {
                    When::Now => {
                        let applied = self.stage.deliver(&request, delivery.circumstance.as_ref());
                        reply.get_or_insert(applied);
                    }
                    When::Late => self.deliver_late(request.clone(), &delivery),
                }
            }
            match (delivery.reply, reply) {
                (Reply::Pass { delay, mangle }, Some(reply)) => {
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    let (response, seen) = response(passed(request.operation, &reply, mangle.as_ref()));
                    saw(seen);
                    Ok(response)
                }
                (Reply::Status(status, retry_after), _) => {
                    let (response, seen) = response(imposed(status, retry_after, self.stage.utc()));
                    saw(seen);
                    Ok(response)
                }
                (Reply::Reset, _) => {
                    saw(Seen::Broken);
                    Err(TransportError::Broken)
                }
                (Reply::Cut, _) => {
                    saw(Seen::Cut);
                    Err(TransportError::Cut)
                }
                // What was never applied has no reply to pass on.
                (Reply::Silence | Reply::Refuse | Reply::Pass { .. }, _) => {
                    saw(Seen::Silence);
                    std::future::pending().await
                }
            }
        })
    }
}

fn response(outgoing: Outgoing) -> (Response, Seen) {
    let Outgoing { status, retry_after, body, seen, content_type: _ } = outgoing;
    (Response { status, retry_after, body }, seen)
}
