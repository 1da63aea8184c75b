//! Requests that are decided before they connect, and production's own transport announcing them.

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use giftgenius::ports::{Method, Provider, Request, Transport as _, TransportError};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::super::Nobody;
use super::scene::{CHARGE, Scene, read_reply};
use crate::fault::{CrashPoint, Fault};
use crate::system::announcing::Announcing;
use crate::system::channel::Channel;
use crate::system::control::FromChild;
use crate::system::{Announcement, Decide as _, Decision};
use crate::trace::{EventKind, Seen};

fn announcement() -> Announcement {
    Announcement {
        id: 0,
        provider: Provider::Payment,
        method: Method::Post,
        path: "/v1/charges".into(),
        key: Some("k1".into()),
        correlation: "step-1.1".into(),
        body: String::from(CHARGE),
    }
}

#[tokio::test]
async fn an_announced_request_is_decided_once_whatever_order_requests_arrive_in() {
    let scene = Scene::with(&[Fault::Status(500, None)]).await;
    let fate = scene.fate();
    let decisions = [fate.request(announcement()), fate.request(announcement())];
    assert_eq!(decisions, [0, 1].map(|number| Some(Decision::Exchange { number, hold: false })));
    let (second, _) = read_reply(scene.charge_at("/exchange/1/v1/charges").await).await;
    let (first, _) = read_reply(scene.charge_at("/exchange/0/v1/charges").await).await;
    assert!(first.starts_with("HTTP/1.1 500"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    assert_eq!(scene.desk.stage().with_choices(|choices| choices.asked().len()), 2);
}

#[tokio::test]
async fn a_refused_request_finds_nobody() {
    let scene = Scene::with(&[Fault::Refuse]).await;
    assert_eq!(scene.fate().request(announcement()), Some(Decision::Refuse));
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
    let channel = Arc::new(Channel::new(lines));
    let (fate, deciding) = (scene.fate(), channel.clone());
    std::thread::spawn(move || {
        for line in announced {
            match line {
                FromChild::Announce(announcement) => {
                    let id = announcement.id;
                    fate.request(announcement).into_iter().for_each(|decision| deciding.decide(id, decision));
                }
                FromChild::Held => fate.held(),
                other => panic!("{other:?}"),
            }
        }
    });
    Announcing::new([scene.relay.address(); 3], nobody.address, channel).unwrap()
}

fn a_charge() -> Request {
    Request {
        provider: Provider::Payment,
        operation: "payment.charge",
        method: Method::Post,
        path: "/v1/charges".into(),
        idempotency_key: Some("k1".into()),
        correlation_id: "step-1.1".into(),
        body: Bytes::from(CHARGE),
    }
}

#[tokio::test]
async fn productions_transport_tells_faults_apart_as_the_retry_layer_needs_them() {
    let faults = [Fault::Refuse, Fault::Reset, Fault::ResetAfter, Fault::Cut, Fault::Status(503, None)];
    let scene = Scene::with(&faults).await;
    let nobody = Nobody::reserve().unwrap();
    let transport = transport(&scene, &nobody);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(transport.send(a_charge()).await.map(|response| response.status));
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

/// Sends a charge that never comes back, until the system's life is over; answers how many charges stand then.
async fn crashed_at(point: CrashPoint) -> (usize, Vec<Seen>) {
    let mut scene = Scene::with(&[Fault::Crash(point)]).await;
    let nobody = Nobody::reserve().unwrap();
    let transport = transport(&scene, &nobody);
    tokio::select! {
        biased;
        replica = scene.crashed.recv() => assert_eq!(replica, Some(0)),
        reply = transport.send(a_charge()) => panic!("{reply:?} reached the system"),
    }
    assert!(scene.life.is_over());
    let again = scene.fate().request(announcement());
    assert_eq!(again, None, "what is dead is answered nothing");
    assert!(matches!(scene.desk.stage().recorder().lock().trace.events.last().unwrap().kind, EventKind::Crashed));
    (scene.charges(), scene.seen())
}

#[tokio::test]
async fn a_crash_strikes_before_the_request_leaves_after_it_was_applied_or_when_its_reply_is_there() {
    assert_eq!(crashed_at(CrashPoint::BeforeSend).await, (0, vec![]));
    assert_eq!(crashed_at(CrashPoint::AfterSend).await, (1, vec![]));
    let reply = Seen::Reply { status: 200, retry_after: None, intact: true };
    assert_eq!(crashed_at(CrashPoint::AfterReply).await, (1, vec![reply]));
}
