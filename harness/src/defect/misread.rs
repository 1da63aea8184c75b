//! Defects of reading: what a provider's answer, or its silence, is mistaken for.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::policy::PaymentProfile;
use giftgenius::ports::{Method, Request, Response, TransportError};
use serde_json::{Value, json};
use smol_str::format_smolstr;

use super::parts::{INVALID, Network, Sent, field, made_up};
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static TIMEOUT_TAKEN_FOR_REFUSAL: Defect = Defect {
    id: "timeout_taken_for_refusal",
    about: "no answer is taken for a no, although the request may have been done",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(refuse_at_the_timeout),
};

/// See `about`.
pub static SERVER_ERROR_TAKEN_FOR_REFUSAL: Defect = Defect {
    id: "server_error_taken_for_refusal",
    about: "a 500 is taken for a no, although the request may have been done",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || {
        each_life(|wired| {
            wired
                .sending(|next, request| async move { refused_where(next.send(request).await, |status| status >= 500) })
        })
    },
};

/// See `about`.
pub static FOREIGN_REFUSAL_BELIEVED: Defect = Defect {
    id: "foreign_refusal_believed",
    about: "a 4xx of a proxy in between is taken for the provider's no, although the request may have been done",
    caught_by: "all-or-nothing",
    hunted_on: &[on("unknown/a_proxy_gives_up_on_the_charge")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                refused_where(next.send(request).await, |status| matches!(status, 400..=499))
            })
        })
    },
};

/// See `about`.
pub static CHARGE_IN_ANOTHER_CURRENCY_BELIEVED: Defect = Defect {
    id: "charge_in_another_currency_believed",
    about: "of a charge's reply the figure is compared with the price, and not the currency",
    caught_by: "amount-agreed",
    hunted_on: &[on("unknown/the_charge_is_told_in_another_currency")],
    wiring: || each_life(|wired| with_the_currency_asked_for(wired, "payment.charge")),
};

/// See `about`.
pub static REFUND_IN_ANOTHER_CURRENCY_BELIEVED: Defect = Defect {
    id: "refund_in_another_currency_believed",
    about: "a refund of so many units counts, whatever they are units of",
    caught_by: "amount-agreed",
    hunted_on: &[on("saga/a_refund_in_another_currency")],
    wiring: || each_life(|wired| with_the_currency_asked_for(wired, "payment.refund")),
};

/// See `about`.
pub static LISTING_IN_ANOTHER_CURRENCY_BELIEVED: Defect = Defect {
    id: "listing_in_another_currency_believed",
    about: "of a listed charge the figure is compared with the price, and not the currency",
    caught_by: "amount-agreed",
    hunted_on: &[on("unknown/a_listing_in_another_currency")],
    wiring: || {
        each_life(|wired| {
            listing_read(wired, |charges, currency| {
                for charge in charges {
                    charge["currency"] = json!(currency);
                }
            })
        })
    },
};

/// See `about`.
pub static CHARGE_IN_ANOTHER_CURRENCY_OVERLOOKED: Defect = Defect {
    id: "charge_in_another_currency_overlooked",
    about: "listings are searched for the order's charge by its currency, and a charge in another one is overlooked",
    caught_by: "all-or-nothing",
    hunted_on: &[on("unknown/another_currency_is_listed_again_and_again")],
    wiring: || {
        each_life(|wired| {
            listing_read(wired, |charges, currency| charges.retain(|charge| charge["currency"] == currency))
        })
    },
};

/// Listings are read in the light of the currency in which the last charge was asked for.
fn listing_read(wired: Wired, read: fn(&mut Vec<Value>, &str)) -> Wired {
    let asked: Arc<Mutex<Option<String>>> = Arc::default();
    wired.sending(move |next, request| {
        let asked = asked.clone();
        async move {
            if request.operation == "payment.charge" {
                *asked.lock().expect("no holder panics") = field(&request, "currency");
            }
            let is_listing = matches!(request.operation, "payment.look_up" | "payment.cancel");
            let mut response = next.send(request).await?;
            let currency = asked.lock().expect("no holder panics").clone().filter(|_| is_listing);
            if let Some(currency) = currency
                && let Ok(mut listed) = serde_json::from_slice::<Value>(&response.body)
                && let Some(charges) = listed.get_mut("charges").and_then(Value::as_array_mut)
            {
                read(charges, &currency);
                response.body = listed.to_string().into();
            }
            Ok(response)
        }
    })
}

/// See `about`.
pub static MORE_RESERVED_TAKEN_FOR_WHOLE: Defect = Defect {
    id: "more_reserved_taken_for_whole",
    about: "a reservation of at least what was asked for is a whole one, and what is held beyond it is sold to nobody",
    caught_by: "amount-agreed",
    hunted_on: &[on("unknown/more_is_reserved_than_was_asked_for")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let asked = request.clone();
                let mut sent = next.send(request).await;
                if asked.operation == "inventory.reserve"
                    && let Ok(response) = &mut sent
                    && let Ok(asked) = serde_json::from_slice::<Value>(&asked.body)
                    && let Ok(mut reply) = serde_json::from_slice::<Value>(&response.body)
                    && reply.get("items").is_some()
                {
                    reply["items"] = asked["items"].clone();
                    response.body = reply.to_string().into();
                }
                sent
            })
        })
    },
};

/// Whatever currency a reply tells is taken for the one that was asked for.
fn with_the_currency_asked_for(wired: Wired, operation: &'static str) -> Wired {
    wired.sending(move |next, request| async move {
        let currency = field(&request, "currency");
        let is_it = request.operation == operation;
        let mut sent = next.send(request).await;
        if is_it
            && let (Ok(response), Some(currency)) = (&mut sent, currency)
            && let Ok(mut reply) = serde_json::from_slice::<Value>(&response.body)
            && reply.get("currency").is_some()
        {
            reply["currency"] = json!(currency);
            response.body = reply.to_string().into();
        }
        sent
    })
}

/// A reply of such a status is taken for a no.
fn refused_where(
    reply: Result<Response, TransportError>,
    is_a_no: fn(u16) -> bool,
) -> Result<Response, TransportError> {
    match reply {
        Ok(response) if is_a_no(response.status) => Ok(made_up(400, INVALID)),
        other => other,
    }
}

/// See `about`.
pub static FOREIGN_SUCCESS_BELIEVED: Defect = Defect {
    id: "foreign_success_believed",
    about: "any 200 is taken for the promised one: a captive page pays for the order",
    caught_by: "all-or-nothing",
    hunted_on: &[on("unknown/a_success_that_nobody_meant")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let promised = (request.operation == "payment.charge").then(|| captured(&request)).flatten();
                let response = next.send(request).await?;
                Ok(match promised {
                    Some(promised) if response.status < 300 => made_up(200, promised),
                    _ => response,
                })
            })
        })
    },
};

/// What a charge is answered when it is captured.
fn captured(request: &Request) -> Option<String> {
    let asked: Value = serde_json::from_slice(&request.body).ok()?;
    let (reference, amount, currency) = (asked.get("reference")?, asked.get("amount")?, asked.get("currency")?);
    let reply =
        json!({"id": "ch_1", "reference": reference, "amount": amount, "currency": currency, "status": "captured"});
    Some(reply.to_string())
}

/// See `about`.
pub static GARBLED_REPLY_TAKEN_FOR_REFUSAL: Defect = Defect {
    id: "garbled_reply_taken_for_refusal",
    about: "a 200 that cannot be read is taken for a request that was never sent",
    caught_by: "all-or-nothing",
    hunted_on: &[on("checkout/happy_path").at("payment.charge")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                match next.send(request).await {
                    Ok(response) if response.status < 300 && !is_json(&response.body) => Err(TransportError::NotSent),
                    other => other,
                }
            })
        })
    },
};

/// See `about`.
pub static STATUS_TAKEN_AT_ITS_WORD: Defect = Defect {
    id: "status_taken_at_its_word",
    about: "a charge that is called refunded is taken for given back, whatever its figures say",
    caught_by: "all-or-nothing",
    hunted_on: &[on("unknown/a_listing_beyond_its_sums")],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                let is_listing = matches!(request.operation, "payment.look_up" | "payment.cancel");
                let response = next.send(request).await?;
                Ok(if is_listing { with_figures_that_fit(response) } else { response })
            })
        })
    },
};

/// See `about`.
pub static LOOK_UP_MISS_TAKEN_FOR_PROOF: Defect = Defect {
    id: "look_up_miss_taken_for_proof",
    about: "a charge that a look-up does not show is taken for one that will never come",
    caught_by: "undo-order",
    hunted_on: &[on("checkout/happy_path").with(PaymentProfile::Keyless)],
    wiring: || {
        each_life(|wired| {
            wired.sending(|next, request| async move {
                match request.operation {
                    "payment.cancel" => looked_up_instead(next, request).await,
                    _ => next.send(request).await,
                }
            })
        })
    },
};

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok()
}

/// A little before the retry layer gives a request up.
pub(super) fn patience(wired: &Wired) -> Duration {
    wired.policy.retry.attempt_timeout.saturating_sub(Duration::from_millis(1))
}

fn refuse_at_the_timeout(wired: Wired) -> Wired {
    let patience = patience(&wired);
    wired.sending(move |next, request| async move {
        tokio::time::timeout(patience, next.send(request)).await.unwrap_or_else(|_| Ok(made_up(400, INVALID)))
    })
}

/// Makes the figures of a listing's charges fit what their status says.
fn with_figures_that_fit(mut response: Response) -> Response {
    if let Ok(mut listed) = serde_json::from_slice::<Value>(&response.body) {
        for charge in listed.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten() {
            if charge["status"] == "refunded" {
                charge["refunded"] = charge["amount"].clone();
            }
        }
        response.body = listed.to_string().into();
    }
    response
}

/// A reference is not closed but looked up, and called closed.
async fn looked_up_instead(next: Network, request: Request) -> Sent {
    let reference = field(&request, "reference").unwrap_or_default();
    let look_up = Request {
        operation: "payment.look_up",
        method: Method::Get,
        path: format_smolstr!("/v1/charges?reference={reference}"),
        idempotency_key: None,
        body: bytes::Bytes::new(),
        ..request
    };
    let mut response = next.send(look_up).await?;
    if let Ok(listed) = serde_json::from_slice::<Value>(&response.body)
        && response.status < 300
    {
        let closed = json!({"reference": reference, "status": "closed", "charges": listed.get("charges")});
        response.body = closed.to_string().into();
    }
    Ok(response)
}
