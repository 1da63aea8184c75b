//! Defects of promises: tools that are not what they are published as, and alerts that are not what they are for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use giftgenius::app::App;
use giftgenius::error::Code;
use giftgenius::ids::CorrelationId;
use giftgenius::ports::{Method, Provider, Request};
use giftgenius::step_log::{Alert, AlertKind, LogLine};
use serde_json::{Value, json};
use smol_str::{SmolStr, format_smolstr};

use super::steps::rewritten;
use super::{Defect, each_life, on, one_replica};
use crate::system::wiring::Wired;

/// See `about`.
pub static READ_ONLY_TOOL_THAT_RESERVES: Defect = Defect {
    id: "read_only_tool_that_reserves",
    about: "whatever is looked at is held for the person for a while",
    caught_by: "hints-true",
    hunted_on: &[on("checkout/browse_choose_pay")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let (name, correlation) = (call.name.clone(), call.correlation_id.clone());
                let reply = app.call_tool(call).await?;
                if name == "search_products" {
                    hold(&app, "looked-at", correlation).await;
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static READ_ONLY_TOOL_THAT_WRITES: Defect = Defect {
    id: "read_only_tool_that_writes",
    about: "asking where a conversation is notes that somebody asked",
    caught_by: "hints-true",
    hunted_on: &[on("steps/out_of_step")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let reply = app.call_tool(call.clone()).await?;
                if call.name == "get_workflow" {
                    rewritten(&app, &call, |workflow| workflow).await;
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static IDEMPOTENT_TOOL_THAT_IS_NOT: Defect = Defect {
    id: "idempotent_tool_that_is_not",
    about: "a payment that is asked for again is given a reservation again, to be on the safe side",
    caught_by: "hints-true",
    hunted_on: &[on("steps/calls_made_again")],
    wiring: || {
        each_life(|wired| {
            let keys: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            wired.taking(move |app, call| {
                let keys = keys.clone();
                async move {
                    let key =
                        call.arguments.get("idempotency_key").and_then(Value::as_str).unwrap_or_default().to_owned();
                    let (name, correlation) = (call.name.clone(), call.correlation_id.clone());
                    let reply = app.call_tool(call).await?;
                    if name == "create_order" && !keys.lock().expect("nobody panics").insert(key) {
                        hold(&app, "asked-again", correlation).await;
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static LOST_PROVIDER_WITHOUT_AN_ALERT: Defect = Defect {
    id: "lost_provider_without_an_alert",
    about: "a provider is gone, every call fails, and nobody is woken",
    caught_by: "alert-fits",
    hunted_on: &[on("loops/a_provider_that_stays_down")],
    wiring: || each_life(without_alerts_of_a_lost_provider),
};

/// See `about`.
pub static LOST_PROVIDER_WITHOUT_AN_ALERT_IN_ONE_REPLICA: Defect = Defect {
    id: "lost_provider_without_an_alert_in_one_replica",
    about: "one of two replicas has nowhere to send its alerts to",
    caught_by: "alert-fits",
    hunted_on: &[on("replicas/both_get_the_same_call").at("provider.inventory")],
    wiring: || one_replica(without_alerts_of_a_lost_provider),
};

fn without_alerts_of_a_lost_provider(wired: Wired) -> Wired {
    wired.logging(|line| match &line {
        LogLine::Alert(alert) if alert.kind == AlertKind::ProviderDown => None,
        _ => Some(line),
    })
}

/// See `about`.
pub static ALERT_FOR_A_DECLINED_CARD: Defect = Defect {
    id: "alert_for_a_declined_card",
    about: "every failed payment wakes somebody, also a card that is declined",
    caught_by: "alert-fits",
    hunted_on: &[on("steps/another_card_after_a_decline")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let reply = app.call_tool(call).await?;
                let code = reply.structured.pointer("/error/code").and_then(Value::as_str);
                if code == Some(Code::PaymentDeclined.as_str()) {
                    let about = (AlertKind::ProviderDown, "payment");
                    let alert = Alert::new(about.0, about.1, "a payment failed", &reply.correlation_id, app.now());
                    app.ports().log.record(LogLine::Alert(alert));
                }
                Ok(reply)
            })
        })
    },
};

/// Reserves one of what the shop has, whatever becomes of it.
async fn hold(app: &App, reference: &str, correlation: Option<CorrelationId>) {
    let body =
        json!({"reference": reference, "items": [{"sku": "tea-set", "quantity": 1}], "ttl_s": 60, "expires_in_s": 60});
    let request = Request {
        provider: Provider::Inventory,
        operation: "inventory.reserve",
        method: Method::Post,
        path: SmolStr::new_static("/v1/reservations"),
        idempotency_key: Some(format_smolstr!("hold-{reference}")),
        correlation_id: correlation.unwrap_or_else(|| CorrelationId::from("nobody")),
        body: body.to_string().into(),
    };
    // Its result is not read.
    let _ = app.ports().transport.send(request).await;
}
