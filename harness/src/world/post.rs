//! The payment provider's post: its events on their way to the system, as was decided for each.
//!
//! Each delivery is signed when it leaves. One that is not answered well is made again, a bounded number of times, as real
//! providers do; so an event outlives a crash. How a delivery reaches the system is the world's ([`Letterbox`]).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use giftgenius::ports::BoxFuture;
use giftgenius::webhooks::WebhookSecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stage::{Emitted, Stage};
use crate::fault::Forgery;
use crate::fault::decide::{Others, Turn};
use crate::provider::event::{EventType, ProviderEvent, secret};
use crate::trace::{EventKind, WebhookDelivery};

/// How long after what it tells of an event is delivered.
pub const SOON: Duration = Duration::from_millis(50);

/// How long the provider waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a delivery is made in all, and how long after a failed one the next follows; that doubles.
const ATTEMPTS_MAX: u32 = 8;
const AGAIN_AFTER: Duration = Duration::from_millis(125);

/// The secret of a forger, who does not know the provider's.
const WRONG_SECRET: &str = "whsec_of_somebody_else_0000";

/// The merchant reference of another system that takes money on the same account.
const ANOTHER_SYSTEMS: &str = "invoice-2041";

/// How the post reaches the system.
pub trait Letterbox: Send + Sync + 'static {
    /// Providers, choices and record.
    fn stage(&self) -> &Stage;

    /// How much later a late delivery is made.
    fn late_by(&self) -> Duration;

    /// The events that were delivered, or never will be.
    fn sorted(&self) -> &Sorted;

    /// Brings one delivery to the system: the status that it answers, `None` without an answer. `number` is the event's.
    fn knock(self: Arc<Self>, number: u32, signature: String, body: Bytes) -> BoxFuture<'static, Option<u16>>;

    /// Keeps the run from coming to rest until the answer is dropped.
    fn pend(self: Arc<Self>) -> Box<dyn Send>;
}

/// The numbers of events whose delivery is over: for those that wait their turn.
#[derive(Debug)]
pub struct Sorted(LazyLock<watch::Sender<Vec<u32>>>);

impl Default for Sorted {
    fn default() -> Self {
        // Most runs have no events.
        Self(LazyLock::new(|| watch::Sender::new(Vec::new())))
    }
}

impl Sorted {
    fn add(&self, number: u32) {
        self.0.send_modify(|numbers| numbers.push(number));
    }

    async fn contains(&self, number: u32) {
        // It fails only without a sender, which is here.
        let _ = self.0.subscribe().wait_for(|numbers| numbers.contains(&number)).await;
    }
}

/// Takes the events of a request to the post. The reply to the request is to wait for the answers.
pub fn hand_over<L: Letterbox>(letterbox: &Arc<L>, events: Vec<Emitted>) -> Vec<JoinHandle<()>> {
    let mut before_reply = Vec::new();
    for emitted in events {
        let first = emitted.posting.turn == Turn::BeforeReply;
        let pending = letterbox.clone().pend();
        let letterbox = letterbox.clone();
        // On its way whatever becomes of the request that caused it.
        let delivery = tokio::spawn(async move {
            deliver(&letterbox, &emitted).await;
            drop(pending);
        });
        if first {
            before_reply.push(delivery);
        }
    }
    before_reply
}

/// Waits until what is to be delivered before a reply is.
pub async fn delivered(before_reply: Vec<JoinHandle<()>>) {
    for delivery in before_reply {
        // A panic in it shows anyway.
        let _ = delivery.await;
    }
}

async fn deliver<L: Letterbox>(letterbox: &Arc<L>, emitted: &Emitted) {
    let number = emitted.site.arrival;
    match emitted.posting.turn {
        Turn::Soon => tokio::time::sleep(SOON).await,
        Turn::BeforeReply => {}
        Turn::Late => tokio::time::sleep(letterbox.late_by()).await,
        // Where none follows it is late.
        Turn::AfterNext => {
            if tokio::time::timeout(letterbox.late_by(), letterbox.sorted().contains(number + 1)).await.is_ok() {
                tokio::time::sleep(SOON).await;
            }
        }
    }
    let others = match emitted.posting.others {
        None => Vec::new(),
        Some(Others::OfNoConcern) => of_no_concern(emitted).into(),
        Some(Others::UnknownOrder) => vec![of_an_unknown_order(emitted)],
    };
    for event in others {
        until_answered_well(letterbox, &Emitted { event, ..emitted.clone() }, 0).await;
    }
    if let Some(forgery) = emitted.posting.forged {
        forge(letterbox, emitted, forgery).await;
    }
    let copies = (0..emitted.posting.copies).map(|copy| until_answered_well(letterbox, emitted, copy));
    join_all(copies).await;
    letterbox.sorted().add(number);
    if emitted.posting.again {
        tokio::time::sleep(letterbox.late_by()).await;
        until_answered_well(letterbox, emitted, emitted.posting.copies).await;
    }
}

/// What the provider tells everyone: that the shop was paid out, and that money was given back which was taken elsewhere, under no
/// reference or under one that a person chose.
fn of_no_concern(emitted: &Emitted) -> [ProviderEvent; 3] {
    let number = emitted.site.arrival;
    let other = ProviderEvent {
        id: format!("evt_other_{number}").into(),
        kind: EventType::PayoutPaid,
        ..emitted.event.clone()
    };
    let elsewhere = ProviderEvent {
        id: format!("evt_elsewhere_{number}").into(),
        kind: EventType::ChargeRefunded,
        reference: "".into(),
        object: format!("ch_elsewhere_{number}").into(),
        ..emitted.event.clone()
    };
    let by_hand = ProviderEvent {
        id: format!("evt_by_hand_{number}").into(),
        reference: "Invoice 77".into(),
        object: format!("ch_by_hand_{number}").into(),
        ..elsewhere.clone()
    };
    [other, elsewhere, by_hand]
}

/// A charge that another system on the same account made.
fn of_an_unknown_order(emitted: &Emitted) -> ProviderEvent {
    let number = emitted.site.arrival;
    ProviderEvent {
        id: format!("evt_unknown_{number}").into(),
        kind: EventType::ChargeCaptured,
        reference: ANOTHER_SYSTEMS.into(),
        object: format!("ch_unknown_{number}").into(),
        ..emitted.event.clone()
    }
}

async fn until_answered_well<L: Letterbox>(letterbox: &Arc<L>, emitted: &Emitted, copy: u8) {
    let body = emitted.event.body();
    for attempt in 1..=ATTEMPTS_MAX {
        let signature = secret().sign(letterbox.stage().utc(), &body);
        let status = knock(letterbox, emitted.site.arrival, signature, body.clone()).await;
        record(&**letterbox, emitted, &emitted.event, WebhookDelivery { copy, attempt, ..delivery(emitted, status) });
        if status.is_some_and(|status| (200..300).contains(&status)) {
            return;
        }
        if attempt < ATTEMPTS_MAX {
            tokio::time::sleep(AGAIN_AFTER * 2_u32.pow(attempt - 1)).await;
        }
    }
}

/// A forger does not try again.
async fn forge<L: Letterbox>(letterbox: &Arc<L>, emitted: &Emitted, forgery: Forgery) {
    let stage = letterbox.stage();
    let event = if forgery.is_made_up() { made_up(emitted) } else { emitted.event.clone() };
    let signature = forged(forgery, &event, &emitted.event, stage.utc(), stage.tolerance());
    let status = knock(letterbox, emitted.site.arrival, signature, event.body()).await;
    record(&**letterbox, emitted, &event, WebhookDelivery { forged: Some(forgery), ..delivery(emitted, status) });
}

fn made_up(emitted: &Emitted) -> ProviderEvent {
    let id = format!("evt_forged_{}", emitted.site.arrival);
    ProviderEvent { id: id.into(), kind: EventType::ChargeCaptured, ..emitted.event.clone() }
}

/// The signature under which a forger delivers `event`: one that a hasty comparison would take for right.
fn forged(
    forgery: Forgery,
    event: &ProviderEvent,
    own: &ProviderEvent,
    now: jiff::Timestamp,
    tolerance: Duration,
) -> String {
    let body = event.body();
    let too_far = jiff::SignedDuration::try_from(tolerance + Duration::from_secs(2)).expect("a tolerance is short");
    let right = || secret().sign(now, &body);
    let old = || secret().sign(now - too_far, &body);
    let present = now.as_second();
    match forgery {
        Forgery::Signature => WebhookSecret::new(WRONG_SECRET.into()).expect("a secret like another").sign(now, &body),
        Forgery::Stale => old(),
        Forgery::Future => secret().sign(now + too_far, &body),
        Forgery::Cut => {
            let mut signature = right();
            signature.truncate(signature.len() - 2);
            signature
        }
        Forgery::Padded => right() + "00",
        Forgery::Altered => secret().sign(now, &own.body()),
        Forgery::Moved => {
            let old = old();
            let signature = old.split_once(',').map_or("", |(_, signature)| signature);
            format!("t={present},{signature}")
        }
        Forgery::Doubled => format!("{},t={present}", old()),
    }
}

async fn knock<L: Letterbox>(letterbox: &Arc<L>, number: u32, signature: String, body: Bytes) -> Option<u16> {
    tokio::time::timeout(PATIENCE, letterbox.clone().knock(number, signature, body)).await.ok().flatten()
}

fn delivery(emitted: &Emitted, status: Option<u16>) -> WebhookDelivery {
    let ProviderEvent { id, kind, reference, object, .. } = emitted.event.clone();
    WebhookDelivery { site: emitted.site, id, kind, reference, object, copy: 0, attempt: 1, forged: None, status }
}

fn record(letterbox: &impl Letterbox, emitted: &Emitted, event: &ProviderEvent, mut delivery: WebhookDelivery) {
    debug_assert_eq!(delivery.site, emitted.site);
    delivery.id.clone_from(&event.id);
    delivery.kind = event.kind;
    delivery.reference.clone_from(&event.reference);
    delivery.object.clone_from(&event.object);
    letterbox.stage().recorder().push(EventKind::Webhook(Box::new(delivery)));
}
