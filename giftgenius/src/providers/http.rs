//! The network to the providers: [`Transport`] over reqwest, plain HTTP/1.1.
//!
//! One request in is one request out. reqwest and the pool below it repeat some failed requests by themselves, and a
//! charge must never be sent twice behind the back of the retry layer, so each way is closed:
//!
//! - reqwest's own retries are switched off;
//! - redirects are not followed: a 3xx is an answer like any other;
//! - **connections are not kept.** The pool repeats a request whose reused connection turned out to be closed, and this
//!   cannot be switched off through reqwest. It never repeats on a fresh connection. A fresh one a request also leaves
//!   no race between a server that closes an idle connection and a request that is just being written to it, after
//!   which it is unknown whether it was applied. The price is a TCP handshake a call.
//!
//! There is no TLS in here: a provider behind `https` is reached through an egress proxy that speaks it.

use std::str::FromStr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect, retry};
use secrecy::{ExposeSecret as _, SecretString};

use crate::ports::{BoxFuture, Method, Provider, Request, Response, Transport, TransportError};

/// The largest reply body that is read; a larger one counts as cut.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long a connection may take. Shorter than an attempt, because a connection that was never made is certain
/// knowledge (the request was not applied) and an attempt that timed out is not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Why a text is not a provider's base URL; each message continues "the URL …".
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL at all, or one without a host.
    #[error("is not a URL such as http://127.0.0.1:8080")]
    NotAUrl,
    /// `https`.
    #[error("begins with https, which giftgenius does not speak; give the http address of an egress proxy that does")]
    Tls,
    /// Another scheme.
    #[error("does not begin with http://")]
    Scheme,
    /// `user:password@`.
    #[error("holds a user or password; leave it out and give the provider's API key instead")]
    Userinfo,
    /// `?…` or `#…`.
    #[error("holds a query or fragment; leave it out")]
    Query,
}

/// Where a provider listens: `http://host:port`, perhaps with a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseUrl(String);

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotAUrl)?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(BaseUrlError::Tls),
            _ => return Err(BaseUrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Userinfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::Query);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// A provider as configured.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub base_url: BaseUrl,
    /// Sent as `authorization: Bearer …`, where the provider wants one.
    pub api_key: Option<SecretString>,
}

/// All providers as configured.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Charges, refunds, payment methods.
    pub payment: Endpoint,
    /// Products, prices, promo codes.
    pub catalog: Endpoint,
    /// Reservations of stock.
    pub inventory: Endpoint,
}

impl Endpoints {
    /// One of them.
    pub const fn of(&self, provider: Provider) -> &Endpoint {
        match provider {
            Provider::Payment => &self.payment,
            Provider::Catalog => &self.catalog,
            Provider::Inventory => &self.inventory,
        }
    }
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SetUpError(#[from] reqwest::Error);

/// The network to the providers.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client,
    endpoints: Endpoints,
}

impl HttpTransport {
    /// A client for `endpoints`.
    pub fn new(endpoints: Endpoints) -> Result<Self, SetUpError> {
        let client = Client::builder()
            .user_agent(concat!("giftgenius/", env!("CARGO_PKG_VERSION")))
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(Self { client, endpoints })
    }

    async fn send_once(&self, request: Request) -> Result<Response, TransportError> {
        let endpoint = self.endpoints.of(request.provider);
        // A header that cannot be written means a request that never left.
        let headers = headers(&request, endpoint).ok_or(TransportError::NotSent)?;
        let url = format!("{}{}", endpoint.base_url.0, request.path);
        let builder = match request.method {
            Method::Get => self.client.get(url),
            Method::Post => self.client.post(url).body(request.body),
        };
        let reply = builder.headers(headers).send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() { TransportError::NotSent } else { TransportError::Broken }
        })?;
        let status = reply.status().as_u16();
        let (retry_after, date) = (lines(reply.headers(), &RETRY_AFTER), lines(reply.headers(), &DATE));
        Ok(Response { status, retry_after, date, body: whole_body(reply).await? })
    }
}

/// All lines of a header, joined as RFC 9110 §5.3 has it.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut readable = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let first = readable.next()?.to_owned();
    Some(readable.fold(first, |lines, line| lines + ", " + line))
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.send_once(request))
    }
}

fn headers(request: &Request, endpoint: &Endpoint) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CORRELATION_ID, HeaderValue::from_str(request.correlation_id.as_str()).ok()?);
    if let Some(key) = &request.idempotency_key {
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).ok()?);
    }
    if let Some(api_key) = &endpoint.api_key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", api_key.expose_secret())).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    match request.method {
        Method::Get => {}
        Method::Post => _ = headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
    }
    Some(headers)
}

/// The body, up to [`BODY_BYTES_MAX`]. Whatever goes wrong from here on, a reply had begun.
async fn whole_body(mut reply: reqwest::Response) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = reply.chunk().await.map_err(|_| TransportError::Cut)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(TransportError::Cut);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests;
