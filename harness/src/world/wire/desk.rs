//! The desk between the system's announcements and the relays: it asks the stage once a request, keeps what was decided
//! until the request arrives on a socket, brings deliveries to the upstreams, and knows what is still pending.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use giftgenius::ports::{BoxFuture, Provider};
use giftgenius::webhooks::SIGNATURE_HEADER;
use tokio::sync::watch;

use super::upstream::Upstream;
use crate::error::RunError;
use crate::fault::Circumstance;
use crate::fault::decide::{Delivery, Reply, When};
use crate::provider::{ProviderReply, ProviderRequest};
use crate::trace::{ExchangeId, Seen, provider_index};
use crate::world::post::{self, Letterbox, Sorted};
use crate::world::stage::{Arrival, Stage, UnknownOperation};

/// What a request that was announced is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Go, and say on arrival which exchange it is.
    Go(ExchangeId),
    /// Go to where nobody listens.
    Refused,
    /// Go as it is: no provider offers this, and the relay will say so.
    Unknown,
}

/// Decides and delivers for all three providers of a run.
pub struct Desk {
    stage: Arc<Stage>,
    upstreams: [Upstream; 3],
    late_by: Duration,
    decided: Mutex<HashMap<ExchangeId, (ProviderRequest, Delivery)>>,
    pending: watch::Sender<usize>,
    trouble: Mutex<Option<RunError>>,
    /// Where the system takes the payment provider's events; `None` while it is down.
    system: Mutex<Option<SocketAddr>>,
    client: reqwest::Client,
    sorted: Sorted,
}

impl Desk {
    /// Starts the upstreams; a late copy is delivered `late_by` after its request.
    pub async fn open(stage: Arc<Stage>, late_by: Duration) -> Result<Arc<Self>, RunError> {
        let client = super::http_client()?;
        let start = |provider| Upstream::start(provider, stage.clone(), client.clone());
        let [payment, catalog, inventory] = Provider::ALL;
        let upstreams = [start(payment).await?, start(catalog).await?, start(inventory).await?];
        Ok(Arc::new(Self {
            upstreams,
            client,
            sorted: Sorted::default(),
            system: Mutex::default(),
            stage,
            late_by,
            decided: Mutex::default(),
            pending: watch::Sender::new(0),
            trouble: Mutex::default(),
        }))
    }

    /// The system serves here now, or nowhere.
    pub fn system_is(&self, address: Option<SocketAddr>) {
        *self.system.lock().expect("no holder of the address panics") = address;
    }

    /// The run's stage.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// A request is announced before it connects: decides what goes wrong with it. Announcements fix the order of sites.
    pub fn announced(&self, arrival: Arrival) -> Leave {
        let Ok((request, delivery)) = self.stage.arrive(arrival) else {
            return Leave::Unknown;
        };
        let exchange = request.exchange;
        if delivery.reply == Reply::Refuse {
            self.stage.answered(exchange, Seen::Refused);
            return Leave::Refused;
        }
        self.decided().insert(exchange, (request, delivery));
        Leave::Go(exchange)
    }

    /// A request has arrived on a socket: what was decided when it was announced, or else what is decided now.
    pub fn arrived(
        &self,
        exchange: Option<ExchangeId>,
        arrival: Arrival,
    ) -> Result<(ProviderRequest, Delivery), UnknownOperation> {
        let decided = exchange.and_then(|exchange| self.decided().remove(&exchange));
        let Some((announced, delivery)) = decided else {
            return self.stage.arrive(arrival);
        };
        // What arrived is what counts, should it differ from what was announced.
        let request = ProviderRequest {
            path: arrival.path,
            key: arrival.key,
            correlation: arrival.correlation,
            body: arrival.body,
            ..announced
        };
        Ok((request, delivery))
    }

    /// Applies a request as often as was decided, and answers the first reply; late copies are on their way afterwards.
    /// All of it happens even if whoever waits for the reply gives up.
    pub async fn apply(self: &Arc<Self>, request: &ProviderRequest, delivery: &Delivery) -> Option<ProviderReply> {
        let (desk, request) = (self.clone(), request.clone());
        let (applied, circumstance) = (delivery.applied, delivery.circumstance.clone());
        let applying = self.spawn_pending(async move {
            let mut first = None;
            for when in applied {
                match when {
                    When::Now => {
                        let reply = desk.bring(&request, circumstance.as_ref()).await;
                        first = first.or(reply);
                    }
                    When::Late => desk.bring_late(request.clone(), circumstance.clone()),
                }
            }
            post::delivered(post::hand_over(&desk, desk.stage.take_events(request.exchange))).await;
            first
        });
        applying.await.ok().flatten()
    }

    fn bring_late(self: &Arc<Self>, request: ProviderRequest, circumstance: Option<Circumstance>) {
        let desk = self.clone();
        self.spawn_pending(async move {
            tokio::time::sleep(desk.late_by).await;
            desk.bring(&request, circumstance.as_ref()).await;
            post::hand_over(&desk, desk.stage.take_events(request.exchange));
        });
    }

    async fn bring(&self, request: &ProviderRequest, circumstance: Option<&Circumstance>) -> Option<ProviderReply> {
        let upstream = &self.upstreams[provider_index(request.operation.provider)];
        match upstream.deliver(request, circumstance).await {
            Ok(reply) => Some(reply),
            Err(error) => {
                self.trouble(RunError::Upstream {
                    operation: request.operation.label,
                    address: upstream.address(),
                    reason: super::chain(&error),
                });
                None
            }
        }
    }

    fn spawn_pending<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let pending = self.pend();
        tokio::spawn(async move {
            let result = work.await;
            drop(pending);
            result
        })
    }

    /// Counts something as pending until the answer is dropped.
    pub fn pend(&self) -> Pending {
        self.pending.send_modify(|count| *count += 1);
        Pending(self.pending.clone())
    }

    /// How many requests are being answered and how many copies are on their way.
    pub fn pending(&self) -> watch::Receiver<usize> {
        self.pending.subscribe()
    }

    /// Keeps the first thing that went wrong in the harness itself.
    pub fn trouble(&self, error: RunError) {
        self.trouble.lock().expect("no holder of the trouble panics").get_or_insert(error);
    }

    /// What went wrong in the harness itself, once.
    pub fn take_trouble(&self) -> Option<RunError> {
        self.trouble.lock().expect("no holder of the trouble panics").take()
    }

    fn decided(&self) -> MutexGuard<'_, HashMap<ExchangeId, (ProviderRequest, Delivery)>> {
        self.decided.lock().expect("no holder of the decisions panics")
    }
}

impl Letterbox for Desk {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn late_by(&self) -> Duration {
        self.late_by
    }

    fn sorted(&self) -> &Sorted {
        &self.sorted
    }

    fn knock(self: Arc<Self>, _number: u32, signature: String, body: Bytes) -> BoxFuture<'static, Option<u16>> {
        Box::pin(async move {
            let address = (*self.system.lock().expect("no holder of the address panics"))?;
            let url = format!("http://{address}/webhooks/payment");
            let request = self.client.post(url).header(SIGNATURE_HEADER, signature).body(body);
            // The whole answer, so that it is not taken for well while the system dies over it.
            let reply = request.send().await.ok()?;
            let status = reply.status().as_u16();
            reply.bytes().await.ok().map(|_| status)
        })
    }

    fn pend(self: Arc<Self>) -> Box<dyn Send> {
        Box::new(Desk::pend(&self))
    }
}

/// Something that is pending as long as this lives.
pub struct Pending(watch::Sender<usize>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
