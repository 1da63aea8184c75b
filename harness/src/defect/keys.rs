//! Defects of the caller's keys: what a tool server forgets, confuses or decides too late about calls that are repeated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use giftgenius::app::ToolCall;
use giftgenius::checkout::answer::{Asked, sale_reply};
use giftgenius::checkout::entry::{Entry, EntryKey, EntryState};
use giftgenius::checkout::idempotency::canonical_hash;
use giftgenius::checkout::session::SessionState;
use giftgenius::journal::{Batch, Key, Record, Stored};
use serde_json::Value;
use smol_str::SmolStr;

use super::door::calling;
use super::{Defect, each_life, on};
use crate::system::wiring::Wired;

pub mod in_meta;
pub mod joined;
pub mod memory;
pub mod shared;
pub mod unchecked;
pub mod withheld;

pub use in_meta::QUOTE_KEY_IN_META_IGNORED;
pub use joined::{JOINED_CANCELLATION_BINDS_NO_KEY, JOINED_KEY_KEEPS_THE_FAILURE};
pub use memory::KEY_LOST_AT_RESTART;
pub use shared::KEY_SHARED_BETWEEN_USERS;
pub use unchecked::CHECK_AND_SET_NOT_ATOMIC;
pub use withheld::STORE_WRITTEN_AFTER_THE_EFFECT;

/// See `about`.
pub static NO_IDEMPOTENCY_STORE: Defect = Defect {
    id: "no_idempotency_store",
    about: "nothing is remembered of a purchase: every call buys",
    caught_by: "one-effect",
    hunted_on: &[on("duplicates/the_model_calls_three_times")],
    wiring: || {
        each_life(|wired| {
            wired.mapping(
                |key, stored| (!matches!(key, Key::Entry(_))).then(|| always_open(stored)),
                |batch| without_entries(batch, |_| true),
            )
        })
    },
};

/// See `about`.
pub static KEY_IGNORED_BY_ONE_TOOL: Defect = Defect {
    id: "key_ignored_by_one_tool",
    about: "one tool takes an idempotency_key and does nothing with it",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/another_session_under_the_same_key")],
    wiring: || {
        each_life(|wired| {
            wired.mapping(
                |key, stored| (!matches!(key, Key::Entry(entry) if opens_session(entry))).then_some(stored),
                |batch| without_entries(batch, opens_session),
            )
        })
    },
};

/// See `about`.
pub static PARAMETERS_NOT_COMPARED: Defect = Defect {
    id: "parameters_not_compared",
    about: "a known key answers whatever is asked under it",
    caught_by: "key-conflict",
    hunted_on: &[on("duplicates/one_key_for_two_purchases")],
    wiring: || {
        each_life(|wired| {
            let read =
                |_: &Key, stored| calling(|call| shown(&stored, canonical_hash(&call.arguments))).or(Some(stored));
            wired.known_to_the_journal().reading(read)
        })
    },
};

/// See `about`.
pub static PARAMETERS_COMPARED_AS_TEXT: Defect = Defect {
    id: "parameters_compared_as_text",
    about: "parameters are compared as text, and a map hands its keys on in another order each time",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_model_calls_three_times")],
    wiring: || each_life(compare_as_text),
};

/// See `about`.
pub static KEY_FORGOTTEN_TOO_EARLY: Defect = Defect {
    id: "key_forgotten_too_early",
    about: "a key is kept for as long as a call takes, and its platform repeats the call after that",
    caught_by: "same-answer",
    hunted_on: &[on("duplicates/the_first_key_after_the_cancellation")],
    wiring: || {
        each_life(|mut wired| {
            wired.policy.entry_retention = Duration::ZERO;
            wired
        })
    },
};

/// See `about`.
pub static FAILURE_CACHED_FOR_EVER: Defect = Defect {
    id: "failure_cached_for_ever",
    about: "a failure that may be retried is saved under the key, so that the key fails for ever",
    caught_by: "error-honest",
    hunted_on: &[on("retries/payment_is_down_for_the_call")],
    wiring: || each_life(|wired| wired.mapping(|_, stored| Some(stored), save_clean_failures)),
};

/// Sessions look as if they had never been paid.
pub(super) fn always_open(stored: Stored) -> Stored {
    match &*stored.record {
        Record::Session(session) => {
            let mut session = session.clone();
            session.state = SessionState::Open;
            Stored { record: Arc::new(Record::Session(session)), ..stored }
        }
        Record::Order(_)
        | Record::Entry(_)
        | Record::Workflow(_)
        | Record::Switches(_)
        | Record::Event(_)
        | Record::Payment(_) => stored,
    }
}

fn opens_session(entry: &EntryKey) -> bool {
    entry.tool == "create_checkout_session"
}

fn without_entries(mut batch: Batch, dropped: fn(&EntryKey) -> bool) -> Batch {
    batch.writes.retain(|write| !matches!(&write.key, Key::Entry(entry) if dropped(entry)));
    batch
}

/// An entry with other parameters.
fn shown(stored: &Stored, parameters: SmolStr) -> Stored {
    match &*stored.record {
        Record::Entry(entry) => {
            let entry = Entry { parameters, ..entry.clone() };
            Stored { version: stored.version, record: Arc::new(Record::Entry(entry)) }
        }
        Record::Order(_)
        | Record::Session(_)
        | Record::Workflow(_)
        | Record::Switches(_)
        | Record::Event(_)
        | Record::Payment(_) => stored.clone(),
    }
}

fn compare_as_text(wired: Wired) -> Wired {
    // Of each call the order in which its keys came: the first call under a key has the first order, and so on.
    let orders: Mutex<BTreeMap<EntryKey, Vec<Option<String>>>> = Mutex::default();
    wired.known_to_the_journal().reading(move |key, stored| {
        let Key::Entry(entry) = key else { return Some(stored) };
        let text = calling(|call| {
            let mut orders = orders.lock().expect("no holder of the orders panics");
            let known = orders.entry(entry.clone()).or_default();
            let correlation = call.correlation_id.as_ref().map(ToString::to_string);
            let order = known.iter().position(|earlier| *earlier == correlation).unwrap_or_else(|| {
                known.push(correlation);
                known.len()
            });
            as_text(call, order)
        });
        match text {
            Some(Some(text)) => Some(shown(&stored, text.into())),
            Some(None) | None => Some(stored),
        }
    })
}

/// The parameters as text, their keys turned by so many places; `None` if that is the order in which they were claimed.
fn as_text(call: &ToolCall, order: usize) -> Option<String> {
    let Value::Object(arguments) = &*call.arguments else { return None };
    let turned = order % arguments.len().max(1);
    let members = arguments.iter().cycle().skip(turned).take(arguments.len());
    let text: Vec<_> = members.map(|(name, value)| format!("{name}={value}")).collect();
    (turned > 0).then(|| text.join("&"))
}

fn save_clean_failures(mut batch: Batch) -> Batch {
    let order = batch.writes.iter().find_map(|write| match &*write.record {
        Record::Order(order) => Some(order.clone()),
        Record::Session(_)
        | Record::Entry(_)
        | Record::Workflow(_)
        | Record::Switches(_)
        | Record::Event(_)
        | Record::Payment(_) => None,
    });
    let Some(order) = order else { return batch };
    for write in &mut batch.writes {
        if let Record::Entry(entry) = &*write.record
            && let EntryState::FailedClean { ended_at } = entry.state
        {
            let asked = Asked { at: ended_at, lease: Duration::ZERO };
            let state = EntryState::FailedFinal { reply: sale_reply(&order, asked), ended_at };
            write.record = Arc::new(Record::Entry(Entry { state, ..entry.clone() }));
        }
    }
    batch
}
