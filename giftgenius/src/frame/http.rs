//! The guard over HTTP: a layer around `/mcp`, behind authentication.
//!
//! That an id is in use cannot be told here: without sessions nothing ties two requests to one client, and clients
//! count from 1 each. It does no harm either: an answer goes back on its own request's connection.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::Next;
use http_body_util::{BodyExt as _, Collected, Limited};
use rmcp::model::{ProtocolVersion, RequestId};

use super::{Asked, FRAME_BYTES_MAX, Reason, Refusal, Verdict, judge, without_mark};

/// How long a body may take to come: a megabyte within this is 35 kB/s, and a body that trickles for ever ends.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Of a body that is too long, how much is still read and thrown away, so that the client gets to read the answer
/// instead of a broken connection.
const SKIPPED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// rmcp's own answers that are not JSON are a sentence.
const SENTENCE_BYTES_MAX: usize = 4096;

/// Judges the body of a POST; other methods, and other media types, are the protocol's to answer.
pub async fn guard(request: Request, next: Next) -> Response<Body> {
    if request.method() != Method::POST || !is_json(request.headers()) {
        return told_in_json(None, next.run(request).await).await;
    }
    let (mut parts, body) = request.into_parts();
    let modern = is_modern(&parts.headers);
    let read = match announced(&parts.headers) {
        Some(bytes) if bytes > SKIPPED_BYTES_MAX as u64 => Err(Reason::TooLong),
        Some(_) | None => read(body).await,
    };
    let body = match read {
        Ok(body) => body,
        Err(reason) => return refused(&Refusal::new(None, reason), modern),
    };
    // rmcp reads a line with a byte order mark, and not a body.
    let body = body.slice_ref(without_mark(&body));
    let (id, body) = match judge(&body) {
        Verdict::Request(asked) => {
            let Asked { id, raw_arguments, rewritten, .. } = *asked;
            if let Some(raw) = raw_arguments {
                parts.extensions.insert(raw);
            }
            (Some(id), rewritten.map_or(body, Bytes::from))
        }
        Verdict::Notification { .. } | Verdict::Response => (None, body),
        Verdict::Refused(refusal) | Verdict::Ignored(refusal) => return refused(&refusal, modern),
    };
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    told_in_json(id, response).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// How long the body will be, where the client says so.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the client speaks a revision in which the status follows the error.
fn is_modern(headers: &HeaderMap) -> bool {
    let version = headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The body, or as much of it as shows that it is too long.
async fn read(body: Body) -> Result<Bytes, Reason> {
    match tokio::time::timeout(BODY_TIME_MAX, collect(body)).await {
        Ok(body) => body.map_err(|_| Reason::NotJson(String::from("the body broke off before its end"))),
        Err(_) => Err(Reason::TooSlow),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, axum::Error> {
    let mut kept = Vec::new();
    let mut read = 0_usize;
    while read <= SKIPPED_BYTES_MAX
        && let Some(frame) = body.frame().await
    {
        // Trailers say nothing here.
        let Ok(data) = frame?.into_data() else { continue };
        read += data.len();
        let room = FRAME_BYTES_MAX + 1 - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    Ok(kept.into())
}

fn refused(refusal: &Refusal, modern: bool) -> Response<Body> {
    refusal.log();
    answer(status(&refusal.reason, modern), refusal)
}

/// Where the request could be read, the error belongs to it and not to HTTP, until the revision of 2026-07-28 says that a
/// method that is not there is 404.
const fn status(reason: &Reason, modern: bool) -> StatusCode {
    match reason {
        Reason::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Reason::MethodUnknown { .. } | Reason::NoHandshake if modern => StatusCode::NOT_FOUND,
        Reason::MethodUnknown { .. } | Reason::NoHandshake | Reason::NoHandshakeYet | Reason::Params(..) => {
            StatusCode::OK
        }
        Reason::NotJson(_)
        | Reason::TooDeep
        | Reason::TooMany
        | Reason::KeyTwice { .. }
        | Reason::Batch
        | Reason::NotAnObject(_)
        | Reason::Version
        | Reason::Id
        | Reason::IdMissing
        | Reason::IdInUse
        | Reason::MethodMissing
        | Reason::MethodNotText
        | Reason::RequestAndResponse
        | Reason::Transport(_) => StatusCode::BAD_REQUEST,
        Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn answer(status: StatusCode, refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(refusal.answer().to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What rmcp refuses in plain text (a foreign host, a protocol version that nobody knows), as a client of JSON-RPC
/// reads it; the status stays.
async fn told_in_json(id: Option<RequestId>, response: Response<Body>) -> Response<Body> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let sentence = Limited::new(body, SENTENCE_BYTES_MAX).collect().await.map(Collected::to_bytes).unwrap_or_default();
    let reason = if status.is_server_error() {
        Reason::Internal
    } else {
        Reason::Transport(String::from_utf8_lossy(&sentence).into_owned())
    };
    let refusal = Refusal::new(id, reason);
    refusal.log();
    let told = answer(status, &refusal);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, told.into_body())
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_for_ever_ends() {
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b" ")), ()))
        });
        let began = Instant::now();
        assert_eq!(read(Body::from_stream(trickle)).await, Err(Reason::TooSlow));
        assert_eq!(began.elapsed(), BODY_TIME_MAX);
    }

    #[tokio::test]
    async fn a_body_is_kept_up_to_its_bound_and_read_up_to_another() {
        let pieces = |count| {
            let piece = || Ok::<_, io::Error>(Bytes::from(vec![b' '; 1024 * 1024]));
            Body::from_stream(stream::iter((0..count).map(move |_| piece())))
        };
        assert_eq!(read(pieces(1)).await.map(|body| body.len()), Ok(FRAME_BYTES_MAX));
        assert_eq!(read(pieces(9)).await.map(|body| body.len()), Ok(FRAME_BYTES_MAX + 1));
        let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 4096])));
        assert_eq!(read(Body::from_stream(endless)).await.map(|body| body.len()), Ok(FRAME_BYTES_MAX + 1));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_so() {
        let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
        assert!(matches!(read(Body::from_stream(broken)).await, Err(Reason::NotJson(_))));
    }
}
