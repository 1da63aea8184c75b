//! The transports: MCP over streamable HTTP beside the health page and the payment provider's webhooks, and MCP over stdio.
//!
//! Over HTTP every request stands alone (no sessions, replies as plain JSON), for clients of either lifecycle: a
//! session would tie a client to a process and could be replayed by another user. Who is calling comes from the bearer
//! token and travels to the tools among the request's extensions.
//!
//! Shutting down ends the listening and every connection without a call in flight at once, and lets calls in flight
//! answer, at most for one tool deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, AsHeaderName, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use axum::http::{Response, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::routing::{get, post};
use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::connections::{self, Connection};
use crate::frame;
use crate::frame::http::BODY_TIME_MAX;
use crate::frame::stdio::GuardedLines;
use crate::ids::UserId;
use crate::mcp::{McpFace, Principal};
use crate::networks::Networks;
use crate::operations::health::health;
use crate::printed::echoed;
use crate::refusals::{Noted, Refusals};
use crate::step_log::{ServiceEvent, ServiceLine};
use crate::users::Users;
use crate::webhooks;

/// Beyond the tool deadline, what an answer may take to be written.
const WRITING: Duration = Duration::from_secs(1);

/// Who may call over HTTP, and from where.
#[derive(Clone, Debug)]
pub struct Access {
    /// The users and their tokens.
    pub users: Users,
    /// Names under which clients may reach this server (`host` or `host:port`): the guard against DNS rebinding.
    pub allowed_hosts: Vec<String>,
    /// Origins of the web pages that may call (`https://host:port`); programs send no origin and are not concerned.
    pub allowed_origins: Vec<String>,
    /// Where a proxy in front of this server connects from: its connections are not limited as strangers' are.
    pub trusted_proxies: Networks,
}

impl Access {
    /// Access for `users` from this machine, and for no web page.
    pub fn local(users: Users) -> Self {
        let allowed_hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        Self { users, allowed_hosts, allowed_origins: Vec::new(), trusted_proxies: Networks::default() }
    }
}

/// Serves `/mcp`, `/api/health` and `/webhooks/payment` on `listener` until `shutdown`; then until the calls in flight are answered.
pub async fn serve_http(
    app: Arc<App>,
    listener: TcpListener,
    access: Access,
    shutdown: impl Future<Output = ()> + Send,
) {
    let policy = app.policy();
    let (grace, http) = (policy.tool_deadline + WRITING, policy.http.clone());
    let stopping = CancellationToken::new();
    let stop = stopping.clone();
    let proxies = access.trusted_proxies.clone();
    let full = |closed| {
        app.log_service(ServiceLine {
            count: Some(closed),
            places: Some(http.strangers_max),
            ..ServiceLine::new(ServiceEvent::ConnectionsFull, app.now())
        });
    };
    let server = connections::serve(listener, router(Arc::clone(&app), access), &http, &proxies, full, async move {
        shutdown.await;
        stop.cancel();
    });
    let out_of_patience = async {
        stopping.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        () = server => {}
        () = out_of_patience => {}
    }
}

fn router(app: Arc<App>, access: Access) -> Router {
    let door = Arc::new(Door {
        app: Arc::clone(&app),
        users: access.users,
        refusals: Refusals::new(&app.policy().http),
        hosts: access.allowed_hosts.clone(),
        proxies: access.trusted_proxies,
    });
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(access.allowed_hosts)
        .with_allowed_origins(access.allowed_origins)
        .enforce_origin_validation();
    let (asked, posted) = (Arc::clone(&door), Arc::new(Refusals::new(&app.policy().http)));
    let deliveries = post(move |state, headers, request| payment_webhook(state, posted, headers, request));
    let health = get(move |state, request| health_page(state, asked, request));
    let face = McpFace::new(Arc::clone(&app), Principal::Authenticated);
    let mcp = StreamableHttpService::new(move || Ok(face.clone()), Arc::new(NeverSessionManager::default()), config);
    Router::new()
        .route_service("/mcp", mcp)
        .route_layer(from_fn(connections::in_flight))
        .route_layer(from_fn(frame::http::guard))
        .route_layer(from_fn_with_state(door, authenticate))
        .route("/api/health", health.layer(from_fn(connections::in_flight)))
        // Not behind the users' tokens: the provider's signature says who is calling.
        .route("/webhooks/payment", deliveries.layer(DefaultBodyLimit::max(webhooks::BODY_BYTES_MAX)))
        .with_state(app)
        .fallback(async || {
            problem(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here; MCP is at /mcp, health at /api/health")
        })
}

/// Who is let through, and who was not.
struct Door {
    app: Arc<App>,
    users: Users,
    refusals: Refusals,
    hosts: Vec<String>,
    proxies: Networks,
}

impl Door {
    /// Whether who asks may see how the server stands in detail: a known user, or somebody on this machine. A request that
    /// a proxy passed on comes from elsewhere, and one for a foreign name may be a web page's (DNS rebinding).
    fn may_see_all(&self, request: &Request) -> bool {
        let headers = request.headers();
        if bearer_token(headers).is_some_and(|token| self.users.of_token(token).is_some()) {
            return true;
        }
        let peer = request.extensions().get::<Arc<Connection>>().map(|connection| connection.peer());
        let host = only(headers, &HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
        peer.is_some_and(|peer| peer.to_canonical().is_loopback() && !self.proxies.contain(peer))
            && self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name))
            && PASSED_ON.iter().all(|header| !headers.contains_key(*header))
    }
}

/// Headers by which proxies say whose request they pass on.
const PASSED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Lets known users through, with their name among the request's extensions.
async fn authenticate(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response<Body> {
    if misnames_its_host(&request) {
        return problem(StatusCode::BAD_REQUEST, "BAD_HOST", "name one host, once, in the header `host`");
    }
    let Some(user) = bearer_token(request.headers()).and_then(|token| door.users.of_token(token)).cloned() else {
        let Noted { untold, delay } = door.refusals.note();
        if untold.is_some() {
            let peer = request.extensions().get::<Arc<Connection>>().map(|connection| connection.peer());
            door.app.log_service(ServiceLine {
                count: untold,
                peer,
                path: Some(echoed(request.uri().path())),
                ..ServiceLine::new(ServiceEvent::Unauthorised, door.app.now())
            });
        }
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let message = "send the header `authorization: Bearer <token>` with a token that this server knows";
        let mut response = problem(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    };
    request.extensions_mut().insert::<UserId>(user);
    if let Some(connection) = request.extensions().get::<Arc<Connection>>() {
        connection.authorised();
    }
    welcome_plain_clients(request.headers_mut());
    next.run(request).await
}

/// The token of `authorization: Bearer <token>`; the scheme's case is free (RFC 9110 §11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, &AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A header that was sent once. Of two it would be left open which of them counts, and a proxy may have read the other one.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether a request is for several hosts, or for one with a user's name before it (RFC 9112 §3.2, RFC 9110 §4.2.4): the check
/// of the host reads only a part of those.
fn misnames_its_host(request: &Request) -> bool {
    let names = || request.headers().get_all(HOST).iter().map(|name| plain(name.as_bytes()));
    let target = request.uri().authority().map(|authority| plain(authority.as_str().as_bytes()));
    names().count() > 1
        || names().chain(target).any(|name| name.contains(&b'@'))
        || target.is_some_and(|target| names().any(|name| !name.eq_ignore_ascii_case(target)))
}

/// A host's name without the port that is meant anyway.
fn plain(host: &[u8]) -> &[u8] {
    host.strip_suffix(b":80").unwrap_or(host)
}

/// The protocol wants clients to accept JSON and event streams both. This server answers in JSON only, so one that
/// accepts JSON, or anything, or does not say, is served as well.
fn welcome_plain_clients(headers: &mut HeaderMap) {
    let takes_json = headers.get_all(ACCEPT).iter().all(|value| {
        value.to_str().is_ok_and(|value| ["application/json", "application/*", "*/*"].iter().any(|t| value.contains(t)))
    });
    if takes_json {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
}

/// The whole page for who may see it, the word for everybody else: orchestrators ask under any name.
async fn health_page(State(app): State<Arc<App>>, door: Arc<Door>, request: Request) -> Response<Body> {
    let sees_all = door.may_see_all(&request);
    let health = health(&app).await;
    let status = StatusCode::from_u16(health.http_status()).expect("200 and 503 are status codes");
    if sees_all { json(status, &health) } else { json(status, &serde_json::json!({ "status": health.status })) }
}

/// Takes a delivery in. One that is refused is answered like a request without a known token: where there are many, late.
async fn payment_webhook(
    State(app): State<Arc<App>>,
    refusals: Arc<Refusals>,
    headers: HeaderMap,
    request: Request,
) -> Response<Body> {
    let answer = delivered(&app, headers, request).await;
    if answer.status().is_client_error()
        && let Some(delay) = refusals.note().delay
    {
        tokio::time::sleep(delay).await;
    }
    answer
}

/// The body is taken as it came: the signature is of its bytes.
async fn delivered(app: &Arc<App>, headers: HeaderMap, request: Request) -> Response<Body> {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let body = match event_body(request).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let signature = only(&headers, webhooks::SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let call = connection.as_ref().map(Connection::call);
    let answer = app.payment_webhook(signature, &body).await;
    drop(call);
    let status = StatusCode::from_u16(answer.http_status()).expect("answers are status codes");
    match answer {
        webhooks::Answer::Accepted
        | webhooks::Answer::Duplicate
        | webhooks::Answer::Ignored
        | webhooks::Answer::Parked => {
            // The signature says who is calling, as a token does.
            if let Some(connection) = connection {
                connection.authorised();
            }
            json(status, &serde_json::json!({ "status": answer.status() }))
        }
        webhooks::Answer::Refused(error) => problem(status, "REFUSED", &error.to_string()),
        webhooks::Answer::Malformed => problem(status, "MALFORMED", "the body is no event"),
        webhooks::Answer::NotSetUp => {
            problem(status, "NOT_SET_UP", "this server has no webhook secret, so it takes no events")
        }
        webhooks::Answer::StoreFailed => {
            problem(status, "STORE_UNAVAILABLE", "the event was not taken in; send it again")
        }
        webhooks::Answer::Late => problem(status, "TAKES_TOO_LONG", "the event is not taken in yet; send it again"),
    }
}

/// The whole body of an event, or the answer to one that is too slow, too long or broken off.
async fn event_body(request: Request) -> Result<Bytes, Response<Body>> {
    // Whoever sends it has shown nothing yet: it does not get a connection for as long as it likes.
    let Ok(read) = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &())).await else {
        let message = format!("the body did not come within {} seconds", BODY_TIME_MAX.as_secs());
        return Err(problem(StatusCode::REQUEST_TIMEOUT, "TOO_SLOW", &message));
    };
    read.map_err(|rejected| {
        if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!("an event is at most {} bytes", webhooks::BODY_BYTES_MAX);
            problem(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", &message)
        } else {
            problem(StatusCode::BAD_REQUEST, "MALFORMED", "the body could not be read to its end")
        }
    })
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    json(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
}

fn json(status: StatusCode, document: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(document).expect("our documents hold nothing that JSON cannot");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The client on stdio spoke something that no session can begin with.
#[derive(Debug, thiserror::Error)]
#[error("the client on stdio did not begin a session: {0}")]
pub struct StdioError(String);

/// Serves MCP on stdin and stdout for `user`, until the client closes stdin or `shutdown`.
pub async fn serve_stdio(
    app: Arc<App>,
    user: UserId,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StdioError> {
    let stop = CancellationToken::new();
    let (stdin, stdout) = rmcp::transport::io::stdio_pipes();
    let lines = GuardedLines::new(stdin, stdout, app.policy().tool_deadline + WRITING);
    let face = McpFace::new(app, Principal::Configured(user));
    let session = async {
        match face.serve_with_ct(lines, stop.clone()).await {
            Ok(running) => {
                // How it ended does not matter: the client is gone or we are going.
                let _ = running.waiting().await;
                Ok(())
            }
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
            Err(error) => Err(StdioError(error.to_string())),
        }
    };
    tokio::pin!(session);
    tokio::select! {
        biased;
        result = &mut session => result,
        () = shutdown => {
            stop.cancel();
            session.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &axum::http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_whose_body_does_not_come_is_not_waited_for_longer_than_any_other_body() {
        use futures_util::stream::{StreamExt as _, iter, pending};
        let begun = tokio::time::Instant::now();
        let beginning = || iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"id\":"))]);
        let refused = event_body(Request::new(Body::from_stream(beginning().chain(pending())))).await;
        let refused = refused.expect_err("its end never comes");
        assert_eq!(
            (refused.status(), begun.elapsed().as_secs()),
            (StatusCode::REQUEST_TIMEOUT, BODY_TIME_MAX.as_secs())
        );
        let broken = beginning().chain(iter([Err(std::io::Error::other("reset"))]));
        let refused = event_body(Request::new(Body::from_stream(broken))).await.expect_err("it breaks off");
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let whole = event_body(Request::new(Body::from("{}"))).await.expect("it is whole");
        assert_eq!(&whole[..], b"{}");
    }

    #[test]
    fn a_bearer_token_is_read_from_its_header() {
        let of = |value| bearer_token(&headers(&AUTHORIZATION, &[value])).map(str::to_owned);
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc").as_deref(), Some("abc"));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearer"), None);
        assert_eq!(bearer_token(&HeaderMap::new()), None);
        for two in [["Bearer abc", "Bearer abd"], ["Bearer abc", "Basic abd"], ["Bearer abc", "Bearer abc"]] {
            assert_eq!(bearer_token(&headers(&AUTHORIZATION, &two)), None, "{two:?}");
        }
    }

    #[test]
    fn a_request_names_one_host_once() {
        let asked = |target: &str, hosts: &[&'static str]| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = target.parse().expect("a target");
            *request.headers_mut() = headers(&HOST, hosts);
            misnames_its_host(&request)
        };
        for (target, hosts) in
            [("/mcp", &["localhost:8080"][..]), ("/mcp", &[]), ("http://LOCALHOST:80/mcp", &["localhost"])]
        {
            assert!(!asked(target, hosts), "{target} {hosts:?}");
        }
        for (target, hosts) in [
            ("/mcp", &["localhost", "evil.example"][..]),
            ("/mcp", &["localhost", "localhost"]),
            ("/mcp", &["evil.example@localhost"]),
            ("http://evil.example/mcp", &["localhost"]),
            ("http://evil@localhost/mcp", &[]),
        ] {
            assert!(asked(target, hosts), "{target} {hosts:?}");
        }
    }

    #[test]
    fn who_takes_json_is_welcome_and_who_does_not_is_left_to_the_protocol() {
        let both = "application/json, text/event-stream";
        for plain in [&[][..], &["*/*"], &["application/json"], &["application/json; q=0.9"]] {
            let mut headers = headers(&ACCEPT, plain);
            welcome_plain_clients(&mut headers);
            assert_eq!(headers[ACCEPT], both, "{plain:?}");
        }
        let mut stream_only = headers(&ACCEPT, &["text/event-stream"]);
        welcome_plain_clients(&mut stream_only);
        assert_eq!(stream_only[ACCEPT], "text/event-stream");
    }
}
