//! Deliveries on real sockets, seen from a plain client: no system takes part.

use std::io::ErrorKind;

use giftgenius::adapters::SystemClock;
use giftgenius::policy::PaymentProfile;
use giftgenius::ports::{Method, Request, Transport as _, TransportError};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::choice::Choices;
use crate::fault::plan::{Address, Plan, Planned};
use crate::fault::{Circumstance, Fault, RetryAfter};
use crate::provider::catalog::Fixture;
use crate::provider::ledger::EffectKind;
use crate::provider::{Providers, operations};
use crate::system::announcing::{Announcing, Waiting};
use crate::system::control::FromChild;
use crate::trace::{Recorder, Seen};

const LATE_BY: Duration = Duration::from_millis(80);
/// Long enough that what was to come would have come.
const A_WHILE: Duration = Duration::from_millis(100);
const CHARGE: &str = r#"{"reference":"ord_1","amount":4200,"currency":"EUR","payment_method":"pm_visa"}"#;

/// A payment provider that ignores keys, behind its relay.
struct Scene {
    desk: Arc<Desk>,
    relay: Relay,
}

impl Scene {
    /// With these faults at the first charges, in order.
    async fn with(faults: &[Fault]) -> Self {
        let faults = faults
            .iter()
            .zip(1..)
            .map(|(fault, number)| {
                Planned::At(Address { operation: &operations::CHARGE, step: None, number }, fault.clone())
            })
            .collect();
        let stage = Stage::new(
            Providers::new(PaymentProfile::Keyless, &Fixture::embedded()),
            Choices::replay(Plan { faults }),
            Recorder::start(),
            Arc::new(SystemClock),
        );
        let desk = Desk::open(Arc::new(stage), LATE_BY).await.unwrap();
        let relay = Relay::open(Provider::Payment, desk.clone()).await.unwrap();
        Self { desk, relay }
    }

    /// Sends a charge on a connection of its own.
    async fn charge(&self) -> TcpStream {
        self.charge_at("/v1/charges").await
    }

    async fn charge_at(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.relay.address()).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: payment\r\nidempotency-key: k1\r\nx-correlation-id: step-1.1\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{CHARGE}",
            CHARGE.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// How many charges stand in the books.
    fn charges(&self) -> usize {
        self.desk.stage().recorder().lock().ledger.of_kind(EffectKind::Charge).count()
    }

    /// Everything that was seen of exchanges, in order.
    fn seen(&self) -> Vec<Seen> {
        let record = self.desk.stage().recorder().lock();
        let seen = record.trace.events.iter().filter_map(|event| match &event.kind {
            EventKind::Answered { seen, .. } => Some(seen.clone()),
            _ => None,
        });
        seen.collect()
    }

    /// Waits until `state` holds.
    async fn until(&self, state: impl Fn(&Self) -> bool) {
        let come = async {
            while !state(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), come).await.expect("it comes about");
    }

    /// Waits until nothing is pending.
    async fn settled(&self) {
        self.desk.pending().wait_for(|count| *count == 0).await.unwrap();
    }
}

/// A whole reply, read until the connection ends: status line and headers, and body.
async fn read_reply(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

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
    assert_eq!(body["id"], record.ledger.effects[0].subject, "the first one's reply");
}

#[tokio::test]
async fn a_late_duplicate_is_applied_again_later_and_rest_waits_for_it() {
    let scene = Scene::with(&[Fault::LateDuplicate]).await;
    read_reply(scene.charge().await).await;
    assert_eq!(scene.charges(), 1);
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
        Fault::StatusAfter(500, None),
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

fn announcement() -> Announcement {
    Announcement {
        id: 0,
        provider: Provider::Payment,
        method: Method::Post,
        path: String::from("/v1/charges"),
        key: Some(String::from("k1")),
        correlation: String::from("step-1.1"),
        body: String::from(CHARGE),
    }
}

#[tokio::test]
async fn an_announced_request_is_decided_once_whatever_order_requests_arrive_in() {
    let scene = Scene::with(&[Fault::Status(500, None)]).await;
    let decisions = [decide(&scene.desk, announcement()), decide(&scene.desk, announcement())];
    assert_eq!(decisions, [Decision::Exchange(0), Decision::Exchange(1)]);
    let (second, _) = read_reply(scene.charge_at("/exchange/1/v1/charges").await).await;
    let (first, _) = read_reply(scene.charge_at("/exchange/0/v1/charges").await).await;
    assert!(first.starts_with("HTTP/1.1 500"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert_eq!(scene.desk.stage().with_choices(|choices| choices.asked().len()), 2);
}

#[tokio::test]
async fn a_refused_request_finds_nobody() {
    let scene = Scene::with(&[Fault::Refuse]).await;
    assert_eq!(decide(&scene.desk, announcement()), Decision::Refuse);
    assert_eq!((scene.charges(), scene.seen()), (0, vec![Seen::Refused]));
    let nobody = Nobody::reserve().unwrap();
    let error = TcpStream::connect(nobody.address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let taken = std::net::TcpListener::bind(nobody.address).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse, "nobody else can take the port meanwhile");
}

/// GiftGenius's own transport, announcing to this scene.
fn transport(scene: &Scene, nobody: &Nobody) -> Announcing {
    let (lines, announced) = std::sync::mpsc::channel();
    let waiting = Arc::new(Waiting::default());
    let (desk, decided) = (scene.desk.clone(), waiting.clone());
    std::thread::spawn(move || {
        for line in announced {
            let FromChild::Announce(announcement) = line else { panic!("{line:?}") };
            let id = announcement.id;
            decided.decide(id, decide(&desk, announcement));
        }
    });
    Announcing::new([scene.relay.address(); 3], nobody.address, waiting, lines).unwrap()
}

#[tokio::test]
async fn productions_transport_tells_faults_apart_as_the_retry_layer_needs_them() {
    let faults = [Fault::Refuse, Fault::Reset, Fault::ResetAfter, Fault::Cut, Fault::Status(503, None)];
    let scene = Scene::with(&faults).await;
    let nobody = Nobody::reserve().unwrap();
    let transport = transport(&scene, &nobody);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        let request = Request {
            provider: Provider::Payment,
            operation: "payment.charge",
            method: Method::Post,
            path: String::from("/v1/charges"),
            idempotency_key: Some(String::from("k1")),
            correlation_id: "step-1.1".into(),
            body: Bytes::from(CHARGE),
        };
        outcomes.push(transport.send(request).await.map(|response| response.status));
    }
    let (not_sent, broken, cut) = (TransportError::NotSent, TransportError::Broken, TransportError::Cut);
    assert_eq!(outcomes, [Err(not_sent), Err(broken), Err(broken), Err(cut), Ok(503), Ok(200)]);
    assert_eq!(scene.charges(), 3, "after the second reset, at the cut, and at last");
    assert_eq!(scene.desk.stage().with_choices(|choices| choices.asked().len()), 6);
}

#[tokio::test]
async fn a_request_that_was_not_announced_cannot_be_refused_so_it_is_reset() {
    let scene = Scene::with(&[Fault::Refuse]).await;
    let mut stream = scene.charge().await;
    let error = stream.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!((scene.charges(), scene.seen()), (0, vec![Seen::Broken]));
}
