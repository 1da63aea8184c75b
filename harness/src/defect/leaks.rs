//! Defects of discretion: secrets in a provider's answer show up in an error or in the log.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use giftgenius::step_log::LogLine;
use serde_json::Value;

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
