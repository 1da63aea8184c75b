//! Idempotency entries at work (F4): canonical parameters, and the one function that says what a key's entry means for
//! the next call under it.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use sha2::Digest;
use smol_str::SmolStr;

use super::answer;
use super::entry::{Entry, EntryState, SavedReply};
use super::order::Order;
use crate::ids::OrderId;
use crate::providers::hex;

/// The SHA-256 of canonical JSON, in hexadecimal: the order of keys does not matter, the order of arrays does, 1.0 is 1,
/// null is not absent.
pub fn canonical_hash(value: &Value) -> SmolStr {
    let mut text = Vec::with_capacity(256);
    write_canonical(value, &mut text);
    hex(&sha2::Sha256::digest(text))
}

const TAKES_ALL: &str = "a vector takes whatever is written to it";

fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            // Sorted here, whatever the map's own order is; nearly always it is this one.
            if map.keys().is_sorted() {
                write_members(map.iter(), out);
            } else {
                let mut members: Vec<_> = map.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                write_members(members.into_iter(), out);
            }
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        // Every whole number that a double holds exactly is written as an integer.
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
                write!(out, "{float:.0}").expect(TAKES_ALL);
            }
            _ => serde_json::to_writer(out, number).expect(TAKES_ALL),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value).expect(TAKES_ALL);
        }
    }
}

fn write_members<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, member)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name).expect(TAKES_ALL);
        out.push(b':');
        write_canonical(member, out);
    }
    out.push(b'}');
}

/// What a key's entry means for a call under it.
#[derive(Clone, PartialEq, Debug)]
pub enum Claim {
    /// The key is free: it may be bound now.
    Free,
    /// Other parameters are bound to the key.
    Conflict,
    /// Finished: this is the answer.
    Replay(SavedReply),
    /// This order carries it.
    Joined(OrderId),
}

/// What an entry means for a call with these parameters now.
pub fn claim(entry: Option<&Entry>, parameters: &str, now: Timestamp) -> Claim {
    let Some(entry) = entry else { return Claim::Free };
    if entry.drop_after.is_some_and(|at| at <= now) {
        return Claim::Free;
    }
    if entry.parameters != parameters {
        return Claim::Conflict;
    }
    match &entry.state {
        EntryState::Done { reply, .. } | EntryState::FailedFinal { reply, .. } => Claim::Replay(reply.clone()),
        EntryState::InProgress { order } => Claim::Joined(order.clone()),
        EntryState::FailedClean { .. } => Claim::Free,
    }
}

/// The entry with its order's ending taken in; `None` if there is nothing to take in.
pub fn ended(entry: &Entry, order: &Order, now: Timestamp, retention: Duration) -> Option<Entry> {
    let EntryState::InProgress { .. } = entry.state else { return None };
    let state = answer::entry_state(&entry.key, order, now)?;
    let drop_after = Some(crate::time::add(now, retention));
    Some(Entry { key: entry.key.clone(), parameters: entry.parameters.clone(), state, drop_after })
}

#[cfg(test)]
mod tests;
