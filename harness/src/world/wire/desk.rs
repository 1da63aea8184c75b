//! The desk between the system's announcements and the relays: it asks the stage once a request, keeps what was decided
//! until the request arrives on a socket, brings deliveries to the upstreams, and knows what is still pending.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use giftgenius::ports::{BoxFuture, Provider};
use giftgenius::webhooks::SIGNATURE_HEADER;
use tokio::sync::watch;

use super::life::Life;
use super::upstream::Upstream;
use crate::error::RunError;
use crate::fault::decide::{Delivery, Reply, When};
use crate::fault::{ActsWhen, Circumstance, CrashPoint};
use crate::provider::{ProviderReply, ProviderRequest};
use crate::trace::{ExchangeId, Seen, provider_index};
use crate::world::post::{self, Letterbox, Sorted};
use crate::world::stage::{Arrival, Stage, UnknownOperation};

/// What a request that was announced is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// Go, and say on arrival which exchange it is.
    Go(ExchangeId),
    /// The same, and hold the reply back: the process is killed when it is there.
    GoAndHold(ExchangeId),
    /// Never: the process is being killed.
    Never,
    /// Go to a port without a listener.
    Refused,
    /// Go as it is: no provider offers this, and the relay will say so.
    Unknown,
}

/// A request on its way, and what was decided of it.
pub struct Decided {
    /// The request.
    pub request: ProviderRequest,
    /// What becomes of it.
    pub delivery: Delivery,
    /// Whose it is; nobody's, if it was not announced.
    pub life: Option<Arc<Life>>,
}

impl Decided {
    /// Whether whoever sent it is dead.
    pub fn is_orphaned(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.is_over())
    }
}

/// Decides and delivers for all three providers of a run.
pub struct Desk {
    stage: Arc<Stage>,
    upstreams: [Upstream; 3],
    late_by: Duration,
    decided: Mutex<HashMap<ExchangeId, Decided>>,
    pending: watch::Sender<usize>,
    /// How often the host has hung up on every call in flight.
    hung_up: watch::Sender<u32>,
    trouble: Mutex<Option<RunError>>,
    /// Where each replica of the system takes the payment provider's events, or took them before it died.
    replicas: Mutex<BTreeMap<usize, SocketAddr>>,
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
            replicas: Mutex::default(),
            stage,
            late_by,
            decided: Mutex::default(),
            pending: watch::Sender::new(0),
            hung_up: watch::Sender::new(0),
            trouble: Mutex::default(),
        }))
    }

    /// A replica of the system serves here from now on.
    pub fn takes_events(&self, replica: usize, address: SocketAddr) {
        self.replicas().insert(replica, address);
    }

    fn replicas(&self) -> MutexGuard<'_, BTreeMap<usize, SocketAddr>> {
        self.replicas.lock().expect("no holder of the addresses panics")
    }

    /// The run's stage.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// A request of one life of the system is announced before it connects: decides what goes wrong with it.
    /// Announcements fix the order of sites.
    pub fn announced(&self, arrival: Arrival, life: &Arc<Life>) -> Leave {
        let Ok((request, delivery)) = self.stage.arrive(arrival) else {
            return Leave::Unknown;
        };
        let exchange = request.exchange;
        if delivery.reply == Reply::Refuse {
            self.stage.answered(exchange, Seen::Refused);
            return Leave::Refused;
        }
        if delivery.hang_up {
            self.hang_up();
        }
        let leave = match delivery.crash {
            Some(CrashPoint::BeforeSend) => {
                life.crash();
                return Leave::Never;
            }
            Some(CrashPoint::AfterReply) => Leave::GoAndHold(exchange),
            Some(CrashPoint::AfterSend | CrashPoint::BeforeWrite | CrashPoint::AfterWrite | CrashPoint::BeforeCall)
            | None => Leave::Go(exchange),
        };
        self.decided().insert(exchange, Decided { request, delivery, life: Some(life.clone()) });
        leave
    }

    /// A request has arrived on a socket: what was decided when it was announced, or else what is decided now.
    pub fn arrived(&self, exchange: Option<ExchangeId>, arrival: Arrival) -> Result<Decided, UnknownOperation> {
        let decided = exchange.and_then(|exchange| self.decided().remove(&exchange));
        let Some(Decided { request: announced, delivery, life }) = decided else {
            let (request, delivery) = self.stage.arrive(arrival)?;
            return Ok(Decided { request, delivery, life: None });
        };
        // What arrived is what counts, should it differ from what was announced.
        let request = ProviderRequest {
            path: arrival.path,
            key: arrival.key,
            correlation: arrival.correlation,
            body: arrival.body,
            ..announced
        };
        Ok(Decided { request, delivery, life })
    }

    /// The host cancels every call in flight and hangs up.
    pub fn hang_up(&self) {
        self.hung_up.send_modify(|count| *count += 1);
    }

    /// Told when the host hangs up.
    pub fn hung_up(&self) -> watch::Receiver<u32> {
        self.hung_up.subscribe()
    }

    /// Applies a request as often as was decided, and answers the first reply; late copies are on their way afterwards.
    /// All of it happens even if the waiting side gives up.
    pub async fn apply(self: &Arc<Self>, request: &ProviderRequest, delivery: &Delivery) -> Option<ProviderReply> {
        let (desk, request) = (self.clone(), request.clone());
        let (applied, circumstance, acts) = (delivery.applied, delivery.circumstance.clone(), delivery.acts);
        let applying = self.spawn_pending(async move {
            let mut first = None;
            let act = |now| {
                if let Some(acting) = acts.filter(|acting| acting.when == now) {
                    desk.stage.act_beside(&request, acting);
                }
            };
            act(ActsWhen::Before);
            for when in applied {
                match when {
                    When::Now => {
                        let reply = desk.bring(&request, circumstance.as_ref()).await;
                        first = first.or(reply);
                    }
                    When::Late => desk.bring_late(request.clone(), circumstance.clone()),
                }
            }
            act(ActsWhen::After);
            post::delivered(post::hand_over(&desk, desk.stage.take_events(Some(request.exchange)))).await;
            first
        });
        applying.await.ok().flatten()
    }

    fn bring_late(self: &Arc<Self>, request: ProviderRequest, circumstance: Option<Circumstance>) {
        let desk = self.clone();
        self.spawn_pending(async move {
            tokio::time::sleep(desk.late_by).await;
            desk.bring(&request, circumstance.as_ref()).await;
            post::hand_over(&desk, desk.stage.take_events(Some(request.exchange)));
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

    fn decided(&self) -> MutexGuard<'_, HashMap<ExchangeId, Decided>> {
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

    /// To the replicas in turn; past one that is down.
    fn knock(self: Arc<Self>, number: u32, signature: String, body: Bytes) -> BoxFuture<'static, Option<u16>> {
        Box::pin(async move {
            let addresses: Vec<_> = self.replicas().values().copied().collect();
            let first = usize::try_from(number).unwrap_or_default() % addresses.len().max(1);
            for address in addresses.iter().cycle().skip(first).take(addresses.len()) {
                let url = format!("http://{address}/webhooks/payment");
                let request = self.client.post(url).header(SIGNATURE_HEADER, &signature).body(body.clone());
                let reply = match request.send().await {
                    Ok(reply) => reply,
                    // The system is not there, so nothing was delivered.
                    Err(error) if error.is_connect() => continue,
                    Err(_) => return None,
                };
                // The whole answer, so that it is not taken for well while the system dies over it.
                let status = reply.status().as_u16();
                return reply.bytes().await.ok().map(|_| status);
            }
            None
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
