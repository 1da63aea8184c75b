//! Defects of the keys that providers are sent: without the right one a provider cannot tell a repeat from a new request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use giftgenius::journal::{Batch, Record};
use giftgenius::ports::Request;
use giftgenius::providers::provider_key;
use serde_json::Value;
use smol_str::format_smolstr;

use super::parts::field;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static KEY_NOT_SENT_TO_PROVIDER: Defect = Defect {
    id: "key_not_sent_to_provider",
    about: "the caller's key is honoured, but providers are asked without one",
    caught_by: "key-carried",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, mut request| async move {
                request.idempotency_key = None;
                next.send(request).await
            })
        })
    },
};

/// See `about`.
pub static FRESH_PROVIDER_KEY_ON_EACH_ATTEMPT: Defect = Defect {
    id: "fresh_provider_key_on_each_attempt",
    about: "the key is made where the request is built, so that every retry has a new one",
    caught_by: "key-carried",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            let attempts = AtomicU32::new(0);
            wired.sending(move |next, mut request| {
                let attempt = attempts.fetch_add(1, Ordering::Relaxed);
                request.idempotency_key = request.idempotency_key.map(|key| format_smolstr!("{key}-{attempt}"));
                async move { next.send(request).await }
            })
        })
    },
};

/// See `about`.
pub static ONE_PROVIDER_KEY_FOR_ALL_STEPS: Defect = Defect {
    id: "one_provider_key_for_all_steps",
    about: "the order's id is the key of each of its requests, so that an undo is taken for a repeat",
    caught_by: "key-carried",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, mut request| async move {
                let reference = field(&request, "reference").unwrap_or_default();
                let order = reference.split('/').next().unwrap_or_default();
                request.idempotency_key = request.idempotency_key.map(|_| order.into());
                next.send(request).await
            })
        })
    },
};

/// See `about`.
pub static PROVIDER_KEY_NOT_RENEWED: Defect = Defect {
    id: "provider_key_not_renewed",
    about: "the charge's key is made of the purchase, so that a second try gets the first one's refusal",
    caught_by: "key-carried",
    hunted_on: &[on("retries/payment_is_down_for_the_call")],
    wiring: || each_life(key_by_session),
};

/// See `about`.
pub static REFUND_KEY_NOT_RENEWED: Defect = Defect {
    id: "refund_key_not_renewed",
    about: "a refund that has failed is asked for again under its key, whose saved reply says that it was done",
    caught_by: "parked-minimal",
    hunted_on: &[on("saga/a_refund_that_fails_later")],
    wiring: || {
        each_life(|wired| wired.sending(|next, request| async move { next.send(of_the_first_epoch(request)).await }))
    },
};

fn of_the_first_epoch(mut request: Request) -> Request {
    if request.operation == "payment.refund"
        && let Ok(asked) = serde_json::from_slice::<Value>(&request.body)
        && let (Some(reference), Some(charge)) = (asked["reference"].as_str(), asked["charge"].as_str())
    {
        let step = format!("payment.refund/{charge}/{}", asked["amount"]);
        request.idempotency_key = Some(provider_key(reference, &step, 1));
    }
    request
}

/// Which session an order pays, read off what is journalled.
type Sessions = Arc<Mutex<BTreeMap<String, String>>>;

fn key_by_session(wired: Wired) -> Wired {
    let sessions = Sessions::default();
    let noted = sessions.clone();
    let noting = move |batch: Batch| {
        for write in &batch.writes {
            if let Record::Order(order) = &*write.record {
                let mut noted = noted.lock().expect("no holder of the sessions panics");
                noted.insert(order.id.to_string(), order.session_id.to_string());
            }
        }
        batch
    };
    wired.mapping(|_, stored| Some(stored), noting).sending(move |next, mut request| {
        let order = field(&request, "reference").unwrap_or_default();
        let session = sessions.lock().expect("no holder of the sessions panics").get(&order).cloned();
        if let (Some(session), "payment.charge") = (session, request.operation) {
            request.idempotency_key = Some(provider_key(&session, request.operation, 1));
        }
        async move { next.send(request).await }
    })
}
