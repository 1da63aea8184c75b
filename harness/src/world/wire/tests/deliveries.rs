//! What a fault is on a socket.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout};

use super::scene::{A_WHILE, LATE_BY, Scene, header, read_reply};
use crate::fault::{Circumstance, Fault, ForeignBody, RetryAfter};
use crate::trace::{EventKind, Seen};

#[tokio::test]
async fn where_nothing_goes_wrong_the_reply_is_the_providers() {
    let scene = Scene::with(&[]).await;
    let (head, body) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(header(&head, "connection"), Some("close"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["amount"], &body["status"]), (&Value::from(4200), &Value::from("captured")));
    assert_eq!(scene.seen(), [Seen::Reply { status: 200, retry_after: None, intact: true }]);
    assert_eq!(scene.charges(), 1);
}

#[tokio::test]
async fn a_reset_is_a_rst_before_the_effect_or_after_it() {
    for (fault, charges) in [(Fault::Reset, 0), (Fault::ResetAfter, 1)] {
        let scene = Scene::with(&[fault]).await;
        let mut stream = scene.charge().await;
        let error = stream.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!((scene.charges(), scene.seen()), (charges, vec![Seen::Broken]));
    }
}

#[tokio::test]
async fn a_cut_stops_in_the_middle_of_the_body() {
    let scene = Scene::with(&[Fault::Cut]).await;
    let (head, body) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let promised: usize = header(&head, "content-length").unwrap().parse().unwrap();
    assert_eq!(body.len(), promised / 2);
    assert_eq!((scene.charges(), scene.seen()), (1, vec![Seen::Cut]));
}

#[tokio::test]
async fn silence_keeps_the_connection_open_until_the_client_gives_up() {
    for (fault, charges) in [(Fault::LostRequest, 0), (Fault::LostReply, 1)] {
        let scene = Scene::with(&[fault]).await;
        let mut stream = scene.charge().await;
        scene.until(|scene| !scene.seen().is_empty()).await;
        let read = timeout(A_WHILE, stream.read(&mut [0; 64])).await;
        assert!(read.is_err(), "neither bytes nor an end: {read:?}");
        assert_eq!((scene.charges(), scene.seen()), (charges, vec![Seen::Silence]));
        assert_eq!(*scene.desk.pending().borrow(), 1);
        drop(stream);
        scene.settled().await;
    }
}

#[tokio::test]
async fn a_stalled_request_is_applied_late_and_its_sender_hears_nothing() {
    let scene = Scene::with(&[Fault::Stall]).await;
    let sent = Instant::now();
    let mut stream = scene.charge().await;
    scene.until(|scene| scene.charges() == 1).await;
    assert!(sent.elapsed() >= LATE_BY);
    assert!(timeout(A_WHILE, stream.read(&mut [0; 64])).await.is_err(), "neither bytes nor an end");
    assert_eq!(scene.seen(), [Seen::Silence]);
}

#[tokio::test]
async fn a_reply_that_trickles_flows_and_is_never_whole() {
    let scene = Scene::with(&[Fault::Trickle]).await;
    let mut stream = scene.charge().await;
    let mut reply = Vec::new();
    // Two readings that bring something: it goes on.
    for _ in 0..2 {
        let before = reply.len();
        while reply.len() < before + 2 {
            stream.read_buf(&mut reply).await.unwrap();
        }
    }
    let text = String::from_utf8_lossy(&reply);
    let (head, body) = text.split_once("\r\n\r\n").expect("the head comes at once");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let promised: usize = header(head, "content-length").unwrap().parse().unwrap();
    assert!(!body.is_empty() && body.len() < promised, "{body}");
    assert_eq!((scene.charges(), scene.seen()), (1, vec![Seen::Silence]));
}

#[tokio::test]
async fn a_huge_body_is_good_json_and_more_than_anybody_should_read() {
    let scene = Scene::with(&[Fault::HugeBody]).await;
    let (head, body) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.len() > giftgenius::providers::http::BODY_BYTES_MAX);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["status"], "captured");
    assert_eq!((scene.charges(), scene.seen()), (1, vec![Seen::Cut]));
}

#[tokio::test]
async fn anothers_reply_is_a_good_one_about_something_else() {
    let scene = Scene::with(&[Fault::OtherReply]).await;
    let (_, body) = read_reply(scene.charge().await).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_ne!(body["reference"], "ord_1");
    assert_eq!((&body["amount"], scene.charges()), (&Value::from(4200), 1));
}

#[tokio::test]
async fn a_delayed_reply_comes_late_and_is_applied_at_once() {
    let delay = Duration::from_millis(60);
    let scene = Scene::with(&[Fault::Delay(delay)]).await;
    let sent = Instant::now();
    let (head, _) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(sent.elapsed() >= delay);
    let record = scene.desk.stage().recorder().lock();
    let at = |wanted: fn(&EventKind) -> bool| record.trace.events.iter().find(|event| wanted(&event.kind)).unwrap().at;
    let effect = at(|kind| matches!(kind, EventKind::Effect(_)));
    assert!(at(|kind| matches!(kind, EventKind::Answered { .. })) >= effect + delay);
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_delayed_reply_has_seen_nothing_of_it() {
    let scene = Scene::with(&[Fault::Delay(Duration::from_secs(600))]).await;
    let stream = scene.charge().await;
    scene.until(|scene| scene.charges() == 1).await;
    drop(stream);
    scene.settled().await;
    assert_eq!(scene.seen(), []);
}

#[tokio::test]
async fn a_duplicate_is_applied_twice_at_once() {
    let scene = Scene::with(&[Fault::Duplicate]).await;
    let (_, body) = read_reply(scene.charge().await).await;
    assert_eq!(scene.charges(), 2);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let record = scene.desk.stage().recorder().lock();
    assert_eq!(body["id"], record.ledger.effects[0].subject.as_str(), "the first one's reply");
}

#[tokio::test]
async fn a_late_duplicate_is_applied_again_later_and_rest_waits_for_it() {
    let scene = Scene::with(&[Fault::LateDuplicate]).await;
    read_reply(scene.charge().await).await;
    scene.settled().await;
    assert_eq!(scene.charges(), 2);
    let record = scene.desk.stage().recorder().lock();
    let charges = &record.ledger.effects;
    assert!(charges[1].at >= charges[0].at + LATE_BY);
    assert_eq!(charges[0].exchange, charges[1].exchange);
}

#[tokio::test]
async fn a_status_carries_its_retry_after() {
    let faults = [
        Fault::Status(503, Some(RetryAfter::Seconds(2))),
        Fault::StatusAfter(500, None, ForeignBody::Json),
        Fault::Status(429, Some(RetryAfter::Date(3))),
    ];
    let scene = Scene::with(&faults).await;
    let (head, body) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert_eq!(header(&head, "retry-after"), Some("2"));
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["code"].is_string());
    assert_eq!(scene.charges(), 0);

    let (head, _) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 500"), "{head}");
    assert_eq!((header(&head, "retry-after"), scene.charges()), (None, 1));

    let (head, _) = read_reply(scene.charge().await).await;
    assert!(header(&head, "retry-after").unwrap().ends_with("GMT"), "{head}");
}

#[tokio::test]
async fn a_mangled_reply_is_no_json() {
    let scene = Scene::with(&[Fault::Garbage, Fault::HtmlPage]).await;
    let (_, body) = read_reply(scene.charge().await).await;
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    let (head, body) = read_reply(scene.charge().await).await;
    assert_eq!(header(&head, "content-type"), Some("text/html"));
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    let mangled = Seen::Reply { status: 200, retry_after: None, intact: false };
    assert_eq!((scene.charges(), scene.seen()), (2, vec![mangled.clone(), mangled]));
}

#[tokio::test]
async fn a_circumstance_reaches_the_provider() {
    let declined = Fault::Circumstance(Circumstance::Declined(String::from("insufficient_funds")));
    let scene = Scene::with(&[declined]).await;
    let (head, body) = read_reply(scene.charge().await).await;
    assert!(head.starts_with("HTTP/1.1 402"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["decline_code"], "insufficient_funds");
    assert_eq!(scene.charges(), 0);
}

#[tokio::test]
async fn an_unknown_operation_is_no_exchange() {
    let scene = Scene::with(&[]).await;
    let (head, body) = read_reply(scene.charge_at("/v1/gifts").await).await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["code"], "unknown_operation");
    assert!(scene.desk.stage().recorder().lock().trace.events.is_empty());
}
