//! Defects of discretion: secrets in a provider's answer or a caller's arguments show up in an error or in the log.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use giftgenius::app::{ToolCall, UnknownTool};
use giftgenius::step_log::LogLine;
use serde_json::Value;
use smol_str::SmolStr;

use super::door::calling;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static STACK_TRACE_IN_THE_ERROR: Defect = Defect {
    id: "stack_trace_in_the_error",
    about: "the provider's own words are passed on to the model, its stack trace among them",
    caught_by: "nothing-leaked",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || each_life(tell_the_trace),
};

/// See `about`.
pub static SECRET_IN_THE_LOG: Defect = Defect {
    id: "secret_in_the_log",
    about: "a failed request is logged whole, with the secret that it was authorised by",
    caught_by: "nothing-leaked",
    hunted_on: &[on("checkout/bank_declines_once")],
    wiring: || each_life(log_the_secret),
};

/// See `about`.
pub static CARD_NUMBER_TOLD_BACK: Defect = Defect {
    id: "card_number_told_back",
    about: "an error names the payment method that is not on file, and it is the card's number",
    caught_by: "nothing-leaked",
    hunted_on: &[on("errors/a_card_number_as_the_payment_method")],
    wiring: || {
        each_life(|wired| {
            wired.answering(|call, reply| {
                if let Some(Value::String(message)) = reply.structured.pointer_mut("/error/message")
                    && let Some(method) = call.arguments.get("payment_method_id").and_then(Value::as_str)
                {
                    *message = format!("{method}: {message}");
                }
            })
        })
    },
};

/// See `about`.
pub static CARD_NUMBER_KEPT_AS_KEY: Defect = Defect {
    id: "card_number_kept_as_key",
    about: "whatever comes as a key stands in the log, a card's number as well",
    caught_by: "nothing-leaked",
    hunted_on: &[on("errors/a_card_number_as_the_key")],
    wiring: || {
        each_life(|wired| {
            wired.known_to_the_journal().logging(|mut line| {
                match &mut line {
                    LogLine::Step(step) if step.idempotency_key.is_none() => {
                        step.idempotency_key = calling(key).flatten();
                    }
                    LogLine::Call(call) if call.idempotency_key.is_none() => {
                        call.idempotency_key = calling(key).flatten();
                    }
                    _ => {}
                }
                Some(line)
            })
        })
    },
};

fn key(call: &ToolCall) -> Option<SmolStr> {
    call.arguments.get("idempotency_key").and_then(Value::as_str).map(SmolStr::from)
}

/// See `about`.
pub static CARD_NUMBER_IN_A_TOOLS_NAME: Defect = Defect {
    id: "card_number_in_a_tools_name",
    about: "the name of a tool that there is not is repeated as it came, a card's number within it",
    caught_by: "nothing-leaked",
    hunted_on: &[on("errors/a_card_number_wherever_text_goes")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let name = call.name.clone();
                app.call_tool(call).await.map_err(|unknown| UnknownTool { name, ..unknown })
            })
        })
    },
};

/// What the last refusal let slip.
type Slipped = Arc<Mutex<Option<String>>>;

/// Notes a field of what providers' error bodies hold for themselves.
fn noting(wired: Wired, field: &'static str) -> (Wired, Slipped) {
    let slipped = Slipped::default();
    let noted = slipped.clone();
    let wired = wired.sending(move |next, request| {
        let noted = noted.clone();
        async move {
            let sent = next.send(request).await;
            if let Ok(response) = &sent
                && let Ok(body) = serde_json::from_slice::<Value>(&response.body)
                && let Some(text) = body.pointer("/error/internal").and_then(|internal| internal.get(field)?.as_str())
            {
                *noted.lock().expect("no holder panics") = Some(text.to_owned());
            }
            sent
        }
    });
    (wired, slipped)
}

fn tell_the_trace(wired: Wired) -> Wired {
    let (wired, slipped) = noting(wired, "trace");
    wired.taking(move |app, call| {
        let slipped = slipped.clone();
        async move {
            let mut reply = app.call_tool(call).await?;
            if let Some(message) = reply.structured.pointer_mut("/error/message")
                && let Some(trace) = &*slipped.lock().expect("no holder panics")
            {
                *message = Value::from(format!("{} {trace}", message.as_str().unwrap_or_default()));
            }
            Ok(reply)
        }
    })
}

fn log_the_secret(wired: Wired) -> Wired {
    let (wired, slipped) = noting(wired, "authorization");
    wired.logging(move |mut line| {
        if let LogLine::Step(step) = &mut line
            && let Some(secret) = &*slipped.lock().expect("no holder panics")
        {
            step.event = Cow::Owned(format!("{} authorization={secret}", step.event));
        }
        Some(line)
    })
}
