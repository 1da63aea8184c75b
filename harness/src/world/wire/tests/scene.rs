//! A provider behind its relay, and a client that speaks plain HTTP to it.

use std::sync::Arc;
use std::time::Duration;

use giftgenius::adapters::SystemClock;
use giftgenius::policy::{PaymentProfile, Policy};
use giftgenius::ports::Provider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::desk::Desk;
use super::super::life::{ClockError, Fate, Life, Undertaker};
use super::super::relay::Relay;
use crate::choice::Choices;
use crate::fault::Fault;
use crate::fault::plan::{Address, Plan, Planned};
use crate::provider::catalog::Fixture;
use crate::provider::ledger::EffectKind;
use crate::provider::{Promises, Providers, operations};
use crate::trace::{EventKind, Recorder, Seen};
use crate::world::stage::Stage;

pub(super) const LATE_BY: Duration = Duration::from_millis(80);
/// Long enough that what was to come would have come.
pub(super) const A_WHILE: Duration = Duration::from_millis(100);
pub(super) const CHARGE: &str =
    r#"{"reference":"ord_1","amount":4200,"currency":"EUR","customer":"ada","payment_method":"pm_visa"}"#;

/// A payment provider that ignores keys, behind its relay.
pub(super) struct Scene {
    pub(super) desk: Arc<Desk>,
    pub(super) relay: Relay,
    /// The life of the system whose requests these are.
    pub(super) life: Arc<Life>,
    /// Replicas that crashed.
    pub(super) crashed: mpsc::UnboundedReceiver<usize>,
}

impl Scene {
    /// With these faults at the first charges, in order.
    pub(super) async fn with(faults: &[Fault]) -> Self {
        let faults = faults
            .iter()
            .zip(1..)
            .map(|(fault, number)| {
                Planned::At(Address { place: (&operations::CHARGE).into(), step: None, number }, fault.clone())
            })
            .collect();
        let stage = Stage::new(
            Providers::new(Promises { profile: PaymentProfile::Keyless, late_max: LATE_BY }, &Fixture::embedded()),
            Choices::replay(Plan { faults }),
            Recorder::start(),
            Arc::new(SystemClock),
        );
        let desk = Desk::open(Arc::new(stage), LATE_BY).await.unwrap();
        let relay = Relay::open(Provider::Payment, desk.clone()).await.unwrap();
        let (undertaker, crashed) = Undertaker::new(desk.stage().recorder().clone());
        Self { desk, relay, life: Life::begin(1, 0, undertaker), crashed }
    }

    /// Who decides of what the system is about to do.
    pub(super) fn fate(&self) -> Fate {
        let (desk, life) = (self.desk.clone(), self.life.clone());
        Fate { desk, life, clock: ClockError::default(), policy: Policy::default() }
    }

    /// Sends a charge on a connection of its own.
    pub(super) async fn charge(&self) -> TcpStream {
        self.charge_at("/v1/charges").await
    }

    pub(super) async fn charge_at(&self, path: &str) -> TcpStream {
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
    pub(super) fn charges(&self) -> usize {
        self.desk.stage().recorder().lock().ledger.of_kind(EffectKind::Charge).count()
    }

    /// Everything that was seen of exchanges, in order.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let record = self.desk.stage().recorder().lock();
        let seen = record.trace.events.iter().filter_map(|event| match &event.kind {
            EventKind::Answered { seen, .. } => Some(seen.clone()),
            _ => None,
        });
        seen.collect()
    }

    /// Waits until `state` holds.
    pub(super) async fn until(&self, state: impl Fn(&Self) -> bool) {
        let come = async {
            while !state(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(120), come).await.expect("it comes about");
    }

    /// Waits until nothing is pending.
    pub(super) async fn settled(&self) {
        self.desk.pending().wait_for(|count| *count == 0).await.unwrap();
    }
}

/// A whole reply, read until the connection ends: status line and headers, and body.
pub(super) async fn read_reply(mut stream: TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
    (String::from_utf8(bytes[..end].to_vec()).unwrap(), bytes[end + 4..].to_vec())
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
