//! Defects of what is taken in from the payment provider's webhooks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use giftgenius::app::App;
use giftgenius::checkout::state::{Commit, Direction, Ending};
use giftgenius::journal::{Batch, Key, Record};
use giftgenius::ports::BoxFuture;
use giftgenius::webhooks::event::EventType;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Defect, each_life, on};
use crate::provider::event::secret;
use crate::system::wiring::Wired;

/// See `about`.
pub static DUPLICATE_WEBHOOK_APPLIED_TWICE: Defect = Defect {
    id: "duplicate_webhook_applied_twice",
    about: "the ids of events are not kept, so that each delivery is taken for news",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/once_after_the_reply")],
    wiring: || {
        each_life(|wired| {
            wired.mapping(
                |key, stored| (!matches!(key, Key::Event(_))).then_some(stored),
                |mut batch| {
                    batch.writes.retain(|write| !matches!(write.key, Key::Event(_)));
                    batch
                },
            )
        })
    },
};

/// See `about`.
pub static LATE_WEBHOOK_APPLIED_AFTER_THE_REFUND: Defect = Defect {
    id: "late_webhook_applied_after_the_refund",
    about: "an event about a charge is believed: the order is paid again, although it was given back",
    caught_by: "told-monotone",
    hunted_on: &[on("webhooks/late_after_the_refund")],
    wiring: || each_life(|wired| wired.mapping(|_, stored| Some(stored), believing)),
};

/// A batch that takes an event about a charge in makes its order a paid one.
fn believing(mut batch: Batch) -> Batch {
    let captured = batch
        .writes
        .iter()
        .any(|write| matches!(&*write.record, Record::Event(event) if event.kind == EventType::ChargeCaptured));
    if !captured {
        return batch;
    }
    for write in &mut batch.writes {
        if let Record::Order(order) = &*write.record {
            let mut order = order.clone();
            order.saga.direction = Direction::Forward;
            order.saga.commit = Commit::Done;
            order.saga.ending = Some(Ending::Paid);
            order.looked = order.heard;
            write.record = Record::Order(order).into();
        }
    }
    batch
}

/// See `about`.
pub static OLD_SIGNATURE_ACCEPTED: Defect = Defect {
    id: "old_signature_accepted",
    about: "a delivery that was overheard is taken in whenever it is sent again",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_an_old_delivery")],
    wiring: || {
        each_life(|mut wired: Wired| {
            wired.policy.webhooks.tolerance = Duration::from_secs(365 * 24 * 60 * 60);
            wired
        })
    },
};

/// See `about`.
pub static EVENT_ANSWERED_ONCE_IT_IS_WRITTEN: Defect = Defect {
    id: "event_answered_once_it_is_written",
    about: "a delivery is answered when its write is done, however long that takes, and by then the provider has hung up",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/the_store_takes_longer_than_the_provider_waits")],
    wiring: || {
        each_life(|mut wired: Wired| {
            wired.policy.webhooks.answer_within = Duration::from_secs(60 * 60);
            wired
        })
    },
};

/// See `about`.
pub static EVENT_OF_NO_CONCERN_REFUSED: Defect = Defect {
    id: "event_of_no_concern_refused",
    about: "an event of an unknown type is no event and answered 400, until the provider switches the address off",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/of_no_concern")],
    wiring: || each_life(|wired| of_no_concern(wired, |_, _| Err(400))),
};

/// See `about`.
pub static EVENT_WITHOUT_REFERENCE_REFUSED: Defect = Defect {
    id: "event_without_reference_refused",
    about: "a refund of money that was taken elsewhere names no order, and is answered 400",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/of_no_concern")],
    wiring: || {
        each_life(|wired| {
            posting(wired, |app, signature, body| {
                Box::pin(async move {
                    let has_reference = |event: Value| event["reference"].is_string();
                    if !serde_json::from_slice(&body).is_ok_and(has_reference) {
                        return 400;
                    }
                    app.payment_webhook(Some(&signature), &body).await.http_status()
                })
            })
        })
    },
};

/// See `about`.
pub static EVENT_OF_NO_CONCERN_ACTED_ON: Defect = Defect {
    id: "event_of_no_concern_acted_on",
    about: "whatever names an order is taken for news of its charge",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/of_no_concern")],
    wiring: || {
        each_life(|wired| {
            of_no_concern(wired, |app, mut event| {
                event["type"] = json!("charge.captured");
                let body = Bytes::from(event.to_string());
                Ok((secret().sign(app.now(), &body), body))
            })
        })
    },
};

/// See `about`.
pub static SIGNATURE_COMPARED_BY_ITS_BEGINNING: Defect = Defect {
    id: "signature_compared_by_its_beginning",
    about: "a signature is right as far as it goes: to guess its first digits is enough",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_a_signature_cut_short")],
    wiring: || {
        each_life(|wired| {
            taking(wired, |_, given, body| {
                let right = secret().sign(signed_at(given)?, body);
                right.starts_with(given).then_some(right)
            })
        })
    },
};

/// See `about`.
pub static SIGNATURE_WITH_MORE_BEHIND_IT_ACCEPTED: Defect = Defect {
    id: "signature_with_more_behind_it_accepted",
    about: "only as much of a signature is compared as there should be, whatever follows",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_a_signature_that_goes_on")],
    wiring: || {
        each_life(|wired| {
            taking(wired, |_, given, body| {
                let right = secret().sign(signed_at(given)?, body);
                given.starts_with(&right).then_some(right)
            })
        })
    },
};

/// See `about`.
pub static SIGNATURE_OF_A_TIME_TO_COME_ACCEPTED: Defect = Defect {
    id: "signature_of_a_time_to_come_accepted",
    about: "a signature must not be too old, and may be as young as it likes",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_a_time_to_come")],
    wiring: || {
        each_life(|wired| {
            taking(wired, |app, given, body| {
                let at = signed_at(given).filter(|at| *at > app.now())?;
                (secret().sign(at, body) == given).then(|| secret().sign(app.now(), body))
            })
        })
    },
};

/// See `about`.
pub static LATER_OF_TWO_TIMES_BELIEVED: Defect = Defect {
    id: "later_of_two_times_believed",
    about: "the signature is checked with the first time of its header, and its age is taken from the last",
    caught_by: "webhook-safe",
    hunted_on: &[on("webhooks/forged_with_two_times")],
    wiring: || {
        each_life(|wired| {
            taking(wired, |app, given, body| {
                let (signed, _) = given.rsplit_once(",t=")?;
                (secret().sign(signed_at(signed)?, body) == signed).then(|| secret().sign(app.now(), body))
            })
        })
    },
};

/// When a signature says it was made.
fn signed_at(header: &str) -> Option<Timestamp> {
    let (time, _) = header.strip_prefix("t=")?.split_once(',')?;
    Timestamp::from_second(time.parse().ok()?).ok()
}

/// Takes a delivery for one under another signature, where `instead` has one.
fn taking(wired: Wired, instead: fn(&App, &str, &[u8]) -> Option<String>) -> Wired {
    posting(wired, move |app, given, body| {
        Box::pin(async move {
            let signature = instead(&app, &given, &body).unwrap_or(given);
            app.payment_webhook(Some(&signature), &body).await.http_status()
        })
    })
}

fn posting(
    mut wired: Wired,
    post: impl Fn(Arc<App>, String, Bytes) -> BoxFuture<'static, u16> + Send + Sync + 'static,
) -> Wired {
    wired.post = Some(Arc::new(post));
    wired
}

/// A signature and a body to take in instead, or a status to answer at once.
type Handled = Result<(String, Bytes), u16>;

/// Handles events of a kind that is no concern of a checkout in another way.
fn of_no_concern(wired: Wired, handle: fn(&App, Value) -> Handled) -> Wired {
    posting(wired, move |app, signature, body| {
        Box::pin(async move {
            let event = serde_json::from_slice::<Value>(&body).ok().filter(|event| event["type"] == "payout.paid");
            match event.map_or(Ok((signature, body)), |event| handle(&app, event)) {
                Ok((signature, body)) => app.payment_webhook(Some(&signature), &body).await.http_status(),
                Err(status) => status,
            }
        })
    })
}
