//! Defects of charging: again without having asked, or another amount than was agreed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use giftgenius::policy::PaymentProfile;
use giftgenius::ports::Request;
use serde_json::Value;
use smol_str::format_smolstr;

use super::parts::{Network, Sent, field, made_up, unclear};
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static AMBIGUOUS_CHARGE_CHARGED_AGAIN: Defect = Defect {
    id: "ambiguous_charge_charged_again",
    about: "a charge whose reply was lost is charged again as a new one",
    caught_by: "no-blind-charge",
    hunted_on: &[on("checkout/happy_path")],
    wiring: || each_life(|wired| charge_blindly(wired, true)),
};

/// See `about`.
pub static BLIND_CHARGE_HIDDEN_BY_DEDUPLICATION: Defect = Defect {
    id: "blind_charge_hidden_by_deduplication",
    about: "a charge is repeated without a look-up, and only the provider's luck keeps it from being a second one",
    caught_by: "no-blind-charge",
    hunted_on: &[on("checkout/happy_path").with(PaymentProfile::Acp)],
    wiring: || each_life(|wired| charge_blindly(wired, false)),
};

/// See `about`.
pub static STALE_PRICE_CHARGED: Defect = Defect {
    id: "stale_price_charged",
    about: "the price is asked for anew when it is charged, whatever the person had agreed to",
    caught_by: "amount-agreed",
    hunted_on: &[on("checkout/stale_price")],
    wiring: || each_life(charge_todays_price),
};

/// See `about`.
pub static WRONG_AMOUNT_ACCEPTED: Defect = Defect {
    id: "wrong_amount_accepted",
    about: "what the provider took is not compared with what was agreed",
    caught_by: "amount-agreed",
    hunted_on: &[on("unknown/another_amount_is_taken")],
    wiring: || each_life(believe_the_agreed_amount),
};

/// Where a charge's outcome is not known, look-ups find nothing and the next charge goes out.
fn charge_blindly(wired: Wired, under_another_key: bool) -> Wired {
    let unknown = Arc::new(Mutex::new(BTreeSet::new()));
    wired.sending(move |next, mut request| {
        let unknown = unknown.clone();
        async move {
            let is_unknown = |reference: &str| unknown.lock().expect("no holder panics").contains(reference);
            match request.operation {
                "payment.look_up" if is_unknown(looked_up(&request)) => Ok(made_up(200, r#"{"charges": []}"#)),
                "payment.charge" => {
                    let reference = field(&request, "reference").unwrap_or_default();
                    if under_another_key && is_unknown(&reference) {
                        request.idempotency_key = request.idempotency_key.map(|key| format_smolstr!("{key}-again"));
                    }
                    // Noted before it is sent: who gives the request up does not come back here.
                    unknown.lock().expect("no holder panics").insert(reference.clone());
                    let sent = next.send(request).await;
                    if !unclear(&sent) {
                        unknown.lock().expect("no holder panics").remove(&reference);
                    }
                    sent
                }
                _ => next.send(request).await,
            }
        }
    })
}

/// The reference that a look-up asks for.
fn looked_up(request: &Request) -> &str {
    request.path.split_once("reference=").map_or("", |(_, reference)| reference)
}

fn charge_todays_price(wired: Wired) -> Wired {
    let quoted = Arc::new(Mutex::new(None));
    wired.sending(move |next, request| {
        let quoted = quoted.clone();
        async move {
            match request.operation {
                "catalog.quote" => {
                    *quoted.lock().expect("no holder panics") = Some(request.clone());
                    next.send(request).await
                }
                "payment.charge" => {
                    let quote = quoted.lock().expect("no holder panics").clone();
                    charge_at(next, request, quote).await
                }
                _ => next.send(request).await,
            }
        }
    })
}

/// Asks for the price again, and charges what it is now.
async fn charge_at(next: Network, mut request: Request, quote: Option<Request>) -> Sent {
    if let Some(quote) = quote
        && let Ok(response) = next.send(Request { correlation_id: request.correlation_id.clone(), ..quote }).await
        && let Ok(price) = serde_json::from_slice::<Value>(&response.body)
        && let Ok(mut body) = serde_json::from_slice::<Value>(&request.body)
        && let Some(total) = price.get("total")
    {
        body["amount"] = total.clone();
        request.body = body.to_string().into();
    }
    next.send(request).await
}

/// Whatever a reply tells of a charge's amount is read as the amount that was asked for.
fn believe_the_agreed_amount(wired: Wired) -> Wired {
    let asked: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
    wired.sending(move |next, request| {
        let asked = asked.clone();
        async move {
            let reference = field(&request, "reference").unwrap_or_else(|| looked_up(&request).to_owned());
            if request.operation == "payment.charge"
                && let Ok(body) = serde_json::from_slice::<Value>(&request.body)
            {
                asked.lock().expect("no holder panics").insert(reference.clone(), body["amount"].clone());
            }
            let is_about_charges = matches!(request.operation, "payment.charge" | "payment.look_up" | "payment.cancel");
            let mut response = next.send(request).await?;
            let agreed = asked.lock().expect("no holder panics").get(&reference).cloned();
            if let Some(agreed) = agreed.filter(|_| is_about_charges && response.status < 300)
                && let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
            {
                let listed = body.get_mut("charges").and_then(Value::as_array_mut);
                listed.into_iter().flatten().for_each(|charge| charge["amount"] = agreed.clone());
                if let Some(amount) = body.get_mut("amount") {
                    *amount = agreed;
                }
                response.body = body.to_string().into();
            }
            Ok(response)
        }
    })
}
