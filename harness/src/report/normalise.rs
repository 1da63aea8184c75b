//! Renames the identifiers of a run by first appearance (`ord_1`, `cs_1`, `key_1`), so that runs can be compared and
//! reports are stable.
//!
//! First appearance is looked for channel by channel (the host's calls and answers, then the requests, the effects, the
//! log), because between channels the wire has no order.

use std::collections::BTreeMap;

use giftgenius::step_log::LogLine;
use serde_json::Value;

use crate::trace::{EventKind, HostReply, Record};

/// The prefixes of identifiers that the system and the providers make up.
const PREFIXES: [&str; 8] = ["ord", "cs", "wf", "key", "ch", "re", "rsv", "evt"];
/// What a moment in UTC becomes.
const MOMENT: &str = "<time>";

/// The identifiers of a run and what they are called in reports.
#[derive(Clone, Default, Debug)]
pub struct Names {
    renamed: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

impl Names {
    /// Every identifier of a run.
    pub fn of(record: &Record) -> Self {
        let mut names = Self::default();
        for event in &record.trace.events {
            match &event.kind {
                EventKind::CallStarted(call) => {
                    names.key("key", call.key.as_deref());
                    names.learn_json(&call.arguments);
                }
                EventKind::CallEnded { reply, .. } => match reply {
                    HostReply::Tool { structured, .. } => names.learn_json(structured),
                    HostReply::Protocol { message, .. } => names.learn(message),
                    HostReply::Cancelled | HostReply::Broken | HostReply::NoAnswer => {}
                },
                EventKind::Sent(_)
                | EventKind::Delivered { .. }
                | EventKind::Effect(_)
                | EventKind::Answered { .. }
                | EventKind::Log(_)
                | EventKind::Struck { .. }
                | EventKind::Webhook(_)
                | EventKind::Crashed
                | EventKind::Restarted
                | EventKind::Switched { .. } => {}
            }
        }
        for (_, _, sent) in record.trace.sent() {
            names.learn(sent.reference.as_deref().unwrap_or_default());
            names.key("pkey", sent.key.as_deref());
            names.learn(&sent.correlation);
        }
        for effect in &record.ledger.effects {
            names.learn(&effect.reference);
            names.learn(&effect.subject);
        }
        for delivery in record.trace.webhooks() {
            names.learn(&delivery.id);
        }
        for (_, _, line) in record.trace.log() {
            names.learn_json(&log_value(line));
        }
        names
    }

    /// A whole string that is a key, whatever it looks like.
    fn key(&mut self, kind: &'static str, key: Option<&str>) {
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            self.name(kind, key);
        }
    }

    fn name(&mut self, kind: &'static str, id: &str) {
        if self.renamed.contains_key(id) {
            return;
        }
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        self.renamed.insert(id.to_owned(), format!("{kind}_{count}"));
    }

    fn learn(&mut self, text: &str) {
        for token in tokens(text) {
            if let Some(kind) = kind_of(token) {
                self.name(kind, token);
            }
        }
    }

    fn learn_json(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.learn(text),
            Value::Array(elements) => elements.iter().for_each(|element| self.learn_json(element)),
            Value::Object(members) => members.values().for_each(|member| self.learn_json(member)),
        }
    }

    /// A text with every identifier renamed and every moment in UTC left out.
    pub fn rename(&self, text: &str) -> String {
        if let Some(name) = self.renamed.get(text) {
            return name.clone();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_part) {
            let length = rest[start..].find(|letter| !is_part(letter));
            let end = length.map_or(rest.len(), |length| start + length);
            out.push_str(&rest[..start]);
            if let Some(moment) = moment(&rest[start..]) {
                out.push_str(MOMENT);
                rest = &rest[start + moment..];
                continue;
            }
            let token = &rest[start..end];
            out.push_str(self.renamed.get(token).map_or(token, String::as_str));
            rest = &rest[end..];
        }
        out.push_str(rest);
        out
    }

    /// A JSON value with every string renamed.
    pub fn rename_json(&self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
            Value::String(text) => Value::String(self.rename(text)),
            Value::Array(elements) => elements.iter().map(|each| self.rename_json(each)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, member)| (name.clone(), self.rename_json(member))).collect())
            }
        }
    }
}

/// A log line as JSON.
pub fn log_value(line: &LogLine) -> Value {
    serde_json::to_value(line).expect("a log line holds texts and moments only")
}

const fn is_part(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_part(letter)).filter(|token| !token.is_empty())
}

/// The kind of a token that is an identifier: a known prefix and something made up after it, or a UUID.
fn kind_of(token: &str) -> Option<&'static str> {
    if let Some((prefix, rest)) = token.split_once('_')
        && !rest.is_empty()
        && rest.contains(|letter: char| letter.is_ascii_digit())
    {
        return PREFIXES.into_iter().find(|known| *known == prefix);
    }
    let is_uuid = token.len() == 36
        && token.char_indices().all(|(index, letter)| match index {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_hexdigit(),
        });
    is_uuid.then_some("id")
}

/// The length of the RFC 3339 moment that a text begins with.
fn moment(text: &str) -> Option<usize> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits = bytes.len() > SHAPE.len()
        && SHAPE.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => shape == byte,
        });
    if !fits {
        return None;
    }
    let fraction = bytes[SHAPE.len()..].iter().take_while(|byte| **byte == b'.' || byte.is_ascii_digit()).count();
    let end = SHAPE.len() + fraction;
    (bytes.get(end) == Some(&b'Z')).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn identifiers_are_renamed_by_first_appearance_and_the_rest_is_left() {
        let mut names = Names::default();
        names.learn_json(&json!({"a": "ord_9f3a", "b": ["cs_01", "ord_77/2"]}));
        names.key("pkey", Some("deadbeef"));
        let text = "ord_77/1 after ord_9f3a (cs_01), key deadbeef, at 2026-01-01T00:00:01.5Z: order_id";
        assert_eq!(names.rename(text), "ord_2/1 after ord_1 (cs_1), key pkey_1, at <time>: order_id");
    }

    #[test]
    fn a_renamed_text_stays_as_it_is() {
        let mut names = Names::default();
        names.learn("ord_abc1 wf_22 5d3f0f0e-7a51-4b7c-9d0a-3c2b1a0f9e8d");
        let once = names.rename("ord_abc1 wf_22 5d3f0f0e-7a51-4b7c-9d0a-3c2b1a0f9e8d");
        assert_eq!(once, "ord_1 wf_1 id_1");
        assert_eq!(names.rename(&once), once);
    }
}
