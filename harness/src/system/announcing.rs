//! The decorator around GiftGenius's transport: each provider request is announced to misrule before it connects, and
//! sent as misrule decides. It is wired from outside; the transport that sends is production's.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};

use giftgenius::ports::{BoxFuture, Request, Response, Transport, TransportError};
use giftgenius::providers::http::{Endpoint, Endpoints, HttpTransport, SetUpError};
use tokio::sync::oneshot;

use super::control::{Announcement, Decision, EXCHANGE_PATH, FromChild};

/// What waits for misrule's decisions.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<u64, oneshot::Sender<Decision>>>);

impl Waiting {
    /// Hands a decision to whoever waits for it; a request that was given up meanwhile has nobody.
    pub(crate) fn decide(&self, id: u64, decision: Decision) {
        if let Some(waiting) = self.lock().remove(&id) {
            let _ = waiting.send(decision);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Decision>>> {
        self.0.lock().expect("no holder of the waiting list panics")
    }
}

/// GiftGenius's transport, announcing.
pub(crate) struct Announcing {
    /// To the relays.
    providers: HttpTransport,
    /// To where nobody listens, so that the operating system itself refuses.
    nobody: HttpTransport,
    waiting: Arc<Waiting>,
    lines: mpsc::Sender<FromChild>,
    announced: AtomicU64,
}

impl Announcing {
    /// Announces over `lines`; decisions come in through `waiting`.
    pub(crate) fn new(
        providers: [SocketAddr; 3],
        nobody: SocketAddr,
        waiting: Arc<Waiting>,
        lines: mpsc::Sender<FromChild>,
    ) -> Result<Self, SetUpError> {
        Ok(Self {
            providers: HttpTransport::new(endpoints(providers))?,
            nobody: HttpTransport::new(endpoints([nobody; 3]))?,
            waiting,
            lines,
            announced: AtomicU64::new(0),
        })
    }

    /// Announces and waits. If misrule is gone there will be no answer, and no process to wait for one either.
    async fn ask(&self, request: &Request) -> Decision {
        let id = self.announced.fetch_add(1, Ordering::Relaxed);
        let (decide, decision) = oneshot::channel();
        self.waiting.lock().insert(id, decide);
        let announcement = Announcement {
            id,
            provider: request.provider,
            method: request.method,
            path: request.path.clone(),
            key: request.idempotency_key.clone(),
            correlation: request.correlation_id.to_string(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        };
        if self.lines.send(FromChild::Announce(announcement)).is_err() {
            return std::future::pending().await;
        }
        match decision.await {
            Ok(decision) => decision,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Transport for Announcing {
    fn send(&self, mut request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            match self.ask(&request).await {
                Decision::Exchange(number) => {
                    request.path = format!("{EXCHANGE_PATH}{number}{}", request.path);
                    self.providers.send(request).await
                }
                Decision::Plain => self.providers.send(request).await,
                Decision::Refuse => self.nobody.send(request).await,
            }
        })
    }
}

fn endpoints([payment, catalog, inventory]: [SocketAddr; 3]) -> Endpoints {
    let endpoint = |address: SocketAddr| Endpoint {
        base_url: format!("http://{address}").parse().expect("an address makes a plain base URL"),
        api_key: None,
    };
    Endpoints { payment: endpoint(payment), catalog: endpoint(catalog), inventory: endpoint(inventory) }
}
