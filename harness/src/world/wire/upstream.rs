//! Where the real provider would be: a wiremock server per provider whose responder is the provider's state machine.
//!
//! It never misbehaves and knows no faults. The relay in front of it says in private headers which exchange a delivery
//! belongs to and in which circumstance the provider's business is; both are answered from [`Stage::deliver`].

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use giftgenius::ports::{Method, Provider};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

use crate::error::RunError;
use crate::fault::Circumstance;
use crate::provider::{ProviderReply, ProviderRequest, operations};
use crate::trace::ExchangeId;
use crate::world::stage::Stage;

/// Which exchange a delivery belongs to: its number.
const EXCHANGE: &str = "x-misrule-exchange";
/// The circumstance, where there is one.
const CIRCUMSTANCE: &str = "x-misrule-circumstance";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const CORRELATION_ID: &str = "x-correlation-id";

/// A provider's upstream; ends when it is dropped.
pub struct Upstream {
    provider: Provider,
    server: MockServer,
    client: reqwest::Client,
}

impl Upstream {
    /// Starts one on a free loopback port.
    pub async fn start(provider: Provider, stage: Arc<Stage>, client: reqwest::Client) -> Result<Self, RunError> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|source| RunError::Listen {
            role: "a provider's upstream",
            address: String::from("127.0.0.1:0"),
            source,
        })?;
        // The mock still keeps what it matched, for as long as the run; the server's own list would be a second copy.
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        Mock::given(matchers::any()).respond_with(Machine { provider, stage }).mount(&server).await;
        Ok(Self { provider, server, client })
    }

    /// Whose it is.
    pub const fn provider(&self) -> Provider {
        self.provider
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }

    /// Brings the provider one delivery over HTTP and waits for its reply.
    pub async fn deliver(
        &self,
        request: &ProviderRequest,
        circumstance: Option<&Circumstance>,
    ) -> Result<ProviderReply, reqwest::Error> {
        let url = format!("http://{}{}", self.address(), request.path);
        let mut builder = match request.operation.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url).header("content-type", "application/json").body(request.body.clone()),
        };
        builder = builder.header(EXCHANGE, request.exchange.0).header(CORRELATION_ID, request.correlation.as_str());
        if let Some(key) = &request.key {
            builder = builder.header(IDEMPOTENCY_KEY, key.as_str());
        }
        if let Some(circumstance) = circumstance {
            builder = builder.header(CIRCUMSTANCE, write_circumstance(circumstance));
        }
        let reply = builder.send().await?;
        Ok(ProviderReply {
            status: reply.status().as_u16(),
            retry_after_s: reply.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok()),
            body: reply.bytes().await?,
            // Both are the stage's, which has noted them.
            replay_of: None,
            indifferent: false,
        })
    }
}

/// The responder.
struct Machine {
    provider: Provider,
    stage: Arc<Stage>,
}

impl Respond for Machine {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Some((delivery, circumstance)) = read(self.provider, request) else {
            // Only the relay knows this address; a reply that no provider gives shows whoever else found it.
            return ResponseTemplate::new(421).set_body_string("only misrule's relay may call here");
        };
        let reply = self.stage.deliver(&delivery, circumstance.as_ref());
        let mut template = ResponseTemplate::new(reply.status).set_body_raw(reply.body.to_vec(), "application/json");
        if let Some(seconds) = reply.retry_after_s {
            template = template.insert_header("retry-after", seconds.to_string());
        }
        template
    }
}

/// The delivery that a request is, with its circumstance.
fn read(provider: Provider, request: &Request) -> Option<(ProviderRequest, Option<Circumstance>)> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        _ => return None,
    };
    let path = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let circumstance = match header(CIRCUMSTANCE) {
        None => None,
        Some(text) => Some(read_circumstance(text)?),
    };
    let delivery = ProviderRequest {
        operation: operations::find(provider, method, &path)?,
        path: path.into(),
        key: header(IDEMPOTENCY_KEY).map(Into::into),
        correlation: header(CORRELATION_ID)?.into(),
        body: Bytes::copy_from_slice(&request.body),
        exchange: ExchangeId(header(EXCHANGE)?.parse().ok()?),
    };
    Some((delivery, circumstance))
}

/// A circumstance as a header's value: its name, and after a colon its parameter.
fn write_circumstance(circumstance: &Circumstance) -> String {
    match circumstance {
        Circumstance::Declined(code) => format!("{}:{code}", circumstance.name()),
        Circumstance::OutOfStock
        | Circumstance::PartialReserve
        | Circumstance::Stale
        | Circumstance::PriceChanged
        | Circumstance::ReservationExpired
        | Circumstance::Processing
        | Circumstance::RequiresAction
        | Circumstance::WrongAmountCharged
        | Circumstance::RefundFailsLater
        | Circumstance::KeyExpired
        | Circumstance::InFlight => circumstance.name().to_owned(),
    }
}

fn read_circumstance(text: &str) -> Option<Circumstance> {
    let (name, parameter) = text.split_once(':').unwrap_or((text, ""));
    [Circumstance::Declined(parameter.to_owned())]
        .into_iter()
        .chain(Circumstance::PLAIN)
        .find(|circumstance| circumstance.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circumstances_survive_their_header() {
        let declined = Circumstance::Declined(String::from("insufficient_funds"));
        for circumstance in [declined].into_iter().chain(Circumstance::PLAIN) {
            assert_eq!(read_circumstance(&write_circumstance(&circumstance)), Some(circumstance));
        }
    }
}
