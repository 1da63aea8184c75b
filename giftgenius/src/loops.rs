//! The loop guard (F14): an identical call that keeps failing for good ends in an answer that says what to do instead.
//!
//! What is counted is the call without what its caller chooses freely: another idempotency key makes no other call. A
//! failure that may be retried is never counted, and no answer of an order, saved, pending or final, is ever replaced. Where
//! the key is what was refused, another key is the repair: such failures are counted apart, and do not keep a call with another
//! key from being tried.
//! Kept in memory: a loop that outlives a process is bounded anew by the next, and what it costs is three calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::checkout::entry::SavedReply;
use crate::checkout::idempotency::canonical_hash;
use crate::error::{Code, Effects, Next, ToolError};
use crate::ids::{CorrelationId, UserId};

/// So many identical calls may fail for good; the next one is answered with what to do instead.
pub const FAILURES_MAX: u32 = 3;
/// After so long the call may be tried again: the shop may have changed.
pub const WINDOW: Duration = Duration::from_secs(10 * 60);
/// So many different calls are kept count of, of all users together; beyond it the oldest are forgotten.
const CALLS_MAX: usize = 1_000;

/// A call, without what its caller chooses freely.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Identity {
    user: UserId,
    tool: &'static str,
    arguments: SmolStr,
    /// Whether its failures are those of its keys.
    of_key: bool,
}

impl Identity {
    /// Of a call.
    pub fn of(user: &UserId, tool: &'static str, arguments: &Value) -> Self {
        let arguments = match arguments.as_object().filter(|arguments| arguments.contains_key("idempotency_key")) {
            Some(keyed) => {
                let mut keyless = keyed.clone();
                keyless.remove("idempotency_key");
                canonical_hash(&Value::Object(keyless))
            }
            None => canonical_hash(arguments),
        };
        Self { user: user.clone(), tool, arguments, of_key: false }
    }

    /// The same call, of which the key was refused.
    fn of_key(self) -> Self {
        Self { of_key: true, ..self }
    }
}

/// How often a call has failed for good, since when, and how at last.
#[derive(Clone, Debug)]
struct Failures {
    count: u32,
    since: Instant,
    last: Code,
    /// The whole of the last one's arguments, hashed, where its key was refused.
    refused: Option<SmolStr>,
}

impl Failures {
    /// How the call failed at last, if it has failed too often.
    fn too_many(&self) -> Option<Code> {
        (self.count >= FAILURES_MAX && self.since.elapsed() < WINDOW).then_some(self.last)
    }
}

/// The calls that have failed for good of late.
#[derive(Debug, Default)]
pub struct Loops {
    calls: Mutex<BTreeMap<Identity, Failures>>,
}

impl Loops {
    fn calls(&self) -> MutexGuard<'_, BTreeMap<Identity, Failures>> {
        self.calls.lock().expect("no holder of the loop guard panics")
    }

    /// With what a call has failed, if it has so often that it is not to be tried again.
    pub fn exhausted(&self, user: &UserId, tool: &'static str, arguments: &Value) -> Option<Code> {
        let calls = self.calls();
        if calls.is_empty() {
            return None;
        }
        let identity = Identity::of(user, tool, arguments);
        if let Some(code) = calls.get(&identity).and_then(Failures::too_many) {
            return Some(code);
        }
        let keys = calls.get(&identity.of_key())?;
        keys.too_many().filter(|_| keys.refused.as_ref() == Some(&canonical_hash(arguments)))
    }

    /// Takes note of an answer; the one to give instead, where the call has failed for good too often.
    pub fn note(
        &self,
        user: &UserId,
        tool: &'static str,
        arguments: &Value,
        correlation: &CorrelationId,
        reply: &SavedReply,
    ) -> Option<Box<ToolError>> {
        let failure = final_failure(reply);
        let mut calls = self.calls();
        let Some(code) = failure else {
            if !calls.is_empty() {
                let identity = Identity::of(user, tool, arguments);
                calls.remove(&identity);
                calls.remove(&identity.of_key());
            }
            return None;
        };
        if code == Code::RepeatedCall {
            return None;
        }
        let now = Instant::now();
        let refuses_the_key = refuses_the_key(code, reply);
        let identity = Identity::of(user, tool, arguments);
        let identity = if refuses_the_key { identity.of_key() } else { identity };
        let known = calls.get(&identity).filter(|failures| now.duration_since(failures.since) < WINDOW);
        let (count, since) = known.map_or((0, now), |failures| (failures.count, failures.since));
        if known.is_none() {
            make_room(&mut calls, now);
        }
        let refused = refuses_the_key.then(|| canonical_hash(arguments));
        calls.insert(identity, Failures { count: count.saturating_add(1), since, last: code, refused });
        // An order's own answer stays what it is, however often it is asked for.
        let of_an_order = reply.structured.pointer("/error/order_id").is_some();
        (count >= FAILURES_MAX && !of_an_order).then(|| {
            let mut error = instead(code, correlation);
            if let Some(refused) = reply.structured.get("error").and_then(|error| ToolError::deserialize(error).ok()) {
                error.message = format!("{}: {}", error.message, refused.message);
                error.violations = refused.violations;
                error.example = refused.example;
                error.step = refused.step;
                error.allowed_tools = refused.allowed_tools;
            }
            error
        })
    }
}

/// The answer to a call that has failed with `code` too often.
pub fn instead(code: Code, correlation: &CorrelationId) -> Box<ToolError> {
    let message = format!(
        "this identical call has failed {FAILURES_MAX} times with {} and is not tried again as it is; change what was \
         refused, ask the person, or stop",
        code.as_str()
    );
    let mut error = ToolError::new(Code::RepeatedCall, message, correlation);
    let further = [Next::AskPerson, Next::GiveUp];
    error.next = code.next().iter().copied().filter(|next| !further.contains(next)).chain(further).collect();
    error
}

/// The code of a failure that the identical call cannot outlive.
fn final_failure(reply: &SavedReply) -> Option<Code> {
    let error = reply.structured.get("error").filter(|_| reply.is_error)?;
    let is = |field: &str, value: &Value| error.get(field) == Some(value);
    let for_good = is("retryable", &Value::Bool(false)) && is("effects", &serde_json::json!(Effects::None));
    for_good.then(|| error.get("code").and_then(|code| Code::deserialize(code).ok()))?
}

/// Whether a failure is about the key alone, so that another one repairs the call.
fn refuses_the_key(code: Code, reply: &SavedReply) -> bool {
    let violations = || reply.structured.pointer("/error/violations").and_then(Value::as_array).into_iter().flatten();
    let of_key = |violation: &Value| violation.get("field").and_then(Value::as_str) == Some("/idempotency_key");
    match code {
        Code::KeyConflict => true,
        Code::InvalidArguments => violations().next().is_some() && violations().all(of_key),
        _ => false,
    }
}

/// Forgets what is over, and the oldest where that is not enough.
fn make_room(calls: &mut BTreeMap<Identity, Failures>, now: Instant) {
    if calls.len() < CALLS_MAX {
        return;
    }
    calls.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
    while calls.len() >= CALLS_MAX {
        let oldest = calls.iter().min_by_key(|(_, failures)| failures.since).map(|(identity, _)| identity.clone());
        let Some(oldest) = oldest else { return };
        calls.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checkout::answer::failed_reply;

    fn failing(loops: &Loops, code: Code, arguments: &Value) -> Option<Box<ToolError>> {
        let reply = failed_reply(&ToolError::new(code, "as it is", &"c".into()));
        loops.note(&"ann".into(), "search_products", arguments, &"c".into(), &reply)
    }

    #[tokio::test(start_paused = true)]
    async fn the_fourth_identical_failure_is_answered_with_what_to_do_instead() {
        let loops = Loops::default();
        let call = json!({"query": "tea", "idempotency_key": "key-1"});
        for _ in 0..FAILURES_MAX {
            assert_eq!(failing(&loops, Code::InvalidArguments, &call), None);
        }
        let dodging = json!({"idempotency_key": "key-2", "query": "tea"});
        let error = failing(&loops, Code::InvalidArguments, &dodging).expect("another key makes no other call");
        assert_eq!(error.code, Code::RepeatedCall);
        assert!(error.message.contains("INVALID_ARGUMENTS") && error.message.contains("as it is"), "{}", error.message);
        assert!(!error.retryable && error.next.contains(&Next::FixArguments) && error.next.contains(&Next::GiveUp));
        assert_eq!(failing(&loops, Code::InvalidArguments, &json!({"query": "tea set"})), None, "another call");
        tokio::time::advance(WINDOW).await;
        assert_eq!(failing(&loops, Code::InvalidArguments, &call), None, "the shop may have changed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_retried_is_never_counted_and_a_success_begins_anew() {
        let loops = Loops::default();
        let call = json!({"query": "tea"});
        for _ in 0..10 {
            assert_eq!(failing(&loops, Code::CatalogUnavailable, &call), None);
        }
        for _ in 0..FAILURES_MAX {
            assert_eq!(failing(&loops, Code::CatalogRefused, &call), None);
        }
        assert_eq!(loops.exhausted(&"ann".into(), "search_products", &call), Some(Code::CatalogRefused));
        assert_eq!(loops.exhausted(&"ben".into(), "search_products", &call), None, "somebody else's call");
        let success = SavedReply { structured: json!({}), is_error: false };
        assert_eq!(loops.note(&"ann".into(), "search_products", &call, &"c".into(), &success), None);
        assert_eq!(loops.exhausted(&"ann".into(), "search_products", &call), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_key_repairs_a_call_whose_key_was_refused_and_no_other() {
        let keyed = |key: &str| json!({"checkout_session_id": "cs_1", "idempotency_key": key});
        let refused = |code: Code, fields: &[&str]| {
            let mut error = ToolError::new(code, "as it is", &"c".into());
            error.violations =
                fields.iter().map(|field| crate::validate::Violation::new(*field, "length", "8 to 128")).collect();
            failed_reply(&error)
        };
        let key = "/idempotency_key";
        for (reply, is_repaired) in [
            (refused(Code::KeyConflict, &[]), true),
            (refused(Code::InvalidArguments, &[key]), true),
            (refused(Code::InvalidArguments, &[key, "/payment_method_id"]), false),
            (refused(Code::InvalidArguments, &[]), false),
            (refused(Code::SessionExpired, &[]), false),
        ] {
            let loops = Loops::default();
            let note = |key: &str| loops.note(&"ann".into(), "create_order", &keyed(key), &"c".into(), &reply);
            for _ in 0..FAILURES_MAX {
                assert_eq!(note("old"), None);
            }
            let exhausted = |key: &str| loops.exhausted(&"ann".into(), "create_order", &keyed(key)).is_some();
            assert!(exhausted("old"), "{reply:?}");
            assert_eq!(exhausted("new"), !is_repaired, "{reply:?}");
            // A loop that makes up keys and is refused for each of them ends all the same.
            assert_eq!(note("newer").map(|error| error.code), Some(Code::RepeatedCall), "{reply:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_orders_own_answer_is_never_replaced() {
        let loops = Loops::default();
        let error =
            ToolError::new(Code::PaymentDeclined, "declined", &"c".into()).about(&"ord_1".into(), Effects::None);
        let reply = failed_reply(&error);
        for _ in 0..10 {
            assert_eq!(loops.note(&"ann".into(), "create_order", &json!({}), &"c".into(), &reply), None);
        }
        assert_eq!(loops.exhausted(&"ann".into(), "create_order", &json!({})), Some(Code::PaymentDeclined));
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_of_calls_makes_it_grow() {
        let loops = Loops::default();
        for number in 0..CALLS_MAX * 2 {
            failing(&loops, Code::InvalidArguments, &json!({ "query": number }));
        }
        assert_eq!(loops.calls().len(), CALLS_MAX);
    }
}
