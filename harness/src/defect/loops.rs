//! Defects of the loop guard: a door that counts in its own way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use giftgenius::app::{ToolCall, ToolReply};
use giftgenius::error::Code;
use giftgenius::journal::{Batch, CommitError, Journal, JournalError, Key, Overview, RecordState, Stored};
use giftgenius::loops::{FAILURES_MAX, instead};
use giftgenius::ports::BoxFuture;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::door::calling;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

/// See `about`.
pub static LOOP_THAT_NEVER_ENDS: Defect = Defect {
    id: "loop_that_never_ends",
    about: "the same mistake is answered in the same way, as often as it is made",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/an_old_price")],
    wiring: || each_life(|wired| answering_as_before(wired, |_| true)),
};

/// See `about`.
pub static LOOP_GUARD_DODGED_BY_A_FRESH_KEY: Defect = Defect {
    id: "loop_guard_dodged_by_a_fresh_key",
    about: "calls are told apart by their idempotency key, so that a model that makes a new one each time goes round for ever",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/an_invalid_call")],
    wiring: || each_life(|wired| answering_as_before(wired, |call| call.arguments.get(KEY).is_some())),
};

/// See `about`.
pub static LOOP_GUARD_SWALLOWS_A_SAVED_RESULT: Defect = Defect {
    id: "loop_guard_swallows_a_saved_result",
    about: "once a call counts as a loop nobody is told any more what became of the earlier ones",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/a_declined_card")],
    wiring: || {
        each_life(|wired| {
            let ended: Arc<Mutex<BTreeMap<String, ToolReply>>> = Arc::default();
            wired.taking(move |app, call| {
                let ended = ended.clone();
                async move {
                    let identity = keyless(&call);
                    if let Some(reply) = ended.lock().expect("nobody panics").get(&identity) {
                        return Ok(reply.clone());
                    }
                    let reply = app.call_tool(call).await?;
                    if is_ended(&reply) {
                        ended.lock().expect("nobody panics").insert(identity, reply.clone());
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static ENDING_FORGETS_THE_WAY_OUT: Defect = Defect {
    id: "ending_forgets_the_way_out",
    about: "a loop is ended without a word of what its failures had said could be done, so that the model gives up",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/an_invalid_call")],
    wiring: || {
        each_life(|wired| {
            wired.taking(|app, call| async move {
                let mut reply = app.call_tool(call).await?;
                if is_ended(&reply) {
                    reply.structured["error"]["next"] = json!(["ask_person", "give_up"]);
                }
                Ok(reply)
            })
        })
    },
};

/// See `about`.
pub static RETRYABLE_ENDED_AS_A_LOOP: Defect = Defect {
    id: "retryable_ended_as_a_loop",
    about: "the loop guard counts every failure, also those that may be retried",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/a_provider_that_stays_down")],
    wiring: || {
        each_life(|wired| {
            let failures: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
            wired.taking(move |app, call| {
                let failures = failures.clone();
                async move {
                    let identity = keyless(&call);
                    let mut reply = app.call_tool(call).await?;
                    let mut failures = failures.lock().expect("nobody panics");
                    let count = failures.entry(identity).or_insert(0);
                    *count = if reply.is_error { *count + 1 } else { 0 };
                    let code = reply.structured.pointer("/error/code").and_then(|code| Code::deserialize(code).ok());
                    if let Some(code) = code.filter(|_| *count > FAILURES_MAX) {
                        reply.structured = json!({ "error": instead(code, &reply.correlation_id) });
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static LOOP_GUARD_REFUSES_A_REPAIRED_KEY: Defect = Defect {
    id: "loop_guard_refuses_a_repaired_key",
    about: "the loop guard tells calls apart by all but their key, also where the key is what was wrong with them",
    caught_by: "loop-ends",
    hunted_on: &[on("loops/a_key_that_is_too_short")],
    wiring: || {
        each_life(|wired| {
            let failures: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
            wired.taking(move |app, call| {
                let failures = failures.clone();
                async move {
                    let identity = keyless(&call);
                    let correlation = call.correlation_id.clone().unwrap_or_else(|| "cor_1".into());
                    if failures.lock().expect("nobody panics").get(&identity) >= Some(&FAILURES_MAX) {
                        let structured = json!({ "error": instead(Code::InvalidArguments, &correlation) });
                        let key = call.arguments.get(KEY).and_then(Value::as_str).map(Into::into);
                        return Ok(ToolReply {
                            structured,
                            is_error: true,
                            correlation_id: correlation,
                            idempotency_key: key,
                        });
                    }
                    let reply = app.call_tool(call).await?;
                    if reply.structured.pointer("/error/retryable") == Some(&Value::Bool(false)) {
                        *failures.lock().expect("nobody panics").entry(identity).or_insert(0) += 1;
                    }
                    Ok(reply)
                }
            })
        })
    },
};

/// See `about`.
pub static READS_WITHOUT_A_PAUSE: Defect = Defect {
    id: "reads_without_a_pause",
    about: "who asks after an order reads it again and again until it has changed, without waiting in between",
    caught_by: "runs-away",
    hunted_on: &[on("unknown/another_amount_is_taken")],
    wiring: || {
        each_life(|wired| {
            let mut wired = wired.known_to_the_journal();
            wired.ports.journal = Arc::new(Circling { next: wired.ports.journal });
            wired
        })
    },
};

/// A journal out of whose records `get_order` never finds one that has changed.
struct Circling {
    next: Arc<dyn Journal>,
}

impl Journal for Circling {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
        let circles = matches!(key, Key::Order(_)) && calling(|call| call.name == "get_order") == Some(true);
        Box::pin(async move {
            loop {
                let stored = self.next.get(key).await;
                if !circles || stored.is_err() {
                    return stored;
                }
            }
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
        self.next.commit(batch)
    }

    fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
        self.next.list(state)
    }

    fn overview(&self) -> BoxFuture<'_, Result<Overview, JournalError>> {
        self.next.overview()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        self.next.probe()
    }

    fn drop_expired(&self, now: Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
        self.next.drop_expired(now)
    }
}

const KEY: &str = "idempotency_key";

/// A call, its key apart.
fn keyless(call: &ToolCall) -> String {
    let mut arguments = Value::clone(&call.arguments);
    if let Some(arguments) = arguments.as_object_mut() {
        arguments.remove(KEY);
    }
    format!("{} {} {arguments}", call.user, call.name)
}

fn is_ended(reply: &ToolReply) -> bool {
    reply.structured.pointer("/error/code").and_then(Value::as_str) == Some(Code::RepeatedCall.as_str())
}

/// A door that says what it said before instead of what to do, for some calls.
fn answering_as_before(wired: Wired, concerns: fn(&ToolCall) -> bool) -> Wired {
    let said: Arc<Mutex<BTreeMap<String, ToolReply>>> = Arc::default();
    wired.taking(move |app, call| {
        let said = said.clone();
        async move {
            let identity = keyless(&call);
            let concerned = concerns(&call);
            let reply = app.call_tool(call).await?;
            let mut said = said.lock().expect("nobody panics");
            if !is_ended(&reply) {
                said.insert(identity, reply.clone());
                return Ok(reply);
            }
            let before = said.get(&identity).filter(|_| concerned);
            Ok(before
                .map_or(reply.clone(), |before| ToolReply { correlation_id: reply.correlation_id, ..before.clone() }))
        }
    })
}
