//! The decorator around GiftGenius's transport: each provider request is announced to misrule before it connects, and
//! sent as misrule decides. It is wired from outside; the transport that sends is production's.

use std::net::SocketAddr;
use std::sync::Arc;

use giftgenius::ports::{BoxFuture, Request, Response, Transport, TransportError};
use giftgenius::providers::http::{Endpoint, Endpoints, HttpTransport, SetUpError};
use smol_str::format_smolstr;

use super::channel::Channel;
use super::control::{Decision, EXCHANGE_PATH};

/// GiftGenius's transport, announcing.
pub(crate) struct Announcing {
    /// To the relays.
    providers: HttpTransport,
    /// To a port without a listener, so that the operating system itself refuses.
    nobody: HttpTransport,
    channel: Arc<Channel>,
}

impl Announcing {
    /// Announces over `channel`.
    pub(crate) fn new(
        providers: [SocketAddr; 3],
        nobody: SocketAddr,
        channel: Arc<Channel>,
    ) -> Result<Self, SetUpError> {
        Ok(Self {
            providers: HttpTransport::new(endpoints(providers))?,
            nobody: HttpTransport::new(endpoints([nobody; 3]))?,
            channel,
        })
    }
}

impl Transport for Announcing {
    fn send(&self, mut request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            match self.channel.decision(&request).await {
                Decision::Exchange { number, hold } => {
                    request.path = format_smolstr!("{EXCHANGE_PATH}{number}{}", request.path);
                    let reply = self.providers.send(request).await;
                    if hold {
                        self.channel.hold().await;
                    }
                    reply
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
