//! Requests that are decided before they connect, and production's own transport announcing them.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use giftgenius::ports::{Method, Provider, Request, Transport as _, TransportError};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::super::{Nobody, decide};
use super::scene::{CHARGE, Scene, read_reply};
use crate::fault::Fault;
use crate::system::announcing::{Announcing, Waiting};
use crate::system::control::FromChild;
use crate::system::{Announcement, Decision};
use crate::trace::Seen;

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
