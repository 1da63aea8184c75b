//! What answers are due for what was sent, told by reading it without any of the guard's code.

use std::collections::{BTreeMap, BTreeSet};

use giftgenius::frame::FRAME_BYTES_MAX;
use rmcp::model::RequestId;
use serde_json::Value;

use crate::LAST;
use crate::sent::Session;

/// What an answer may be longer than the id it repeats.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What JSON-RPC says of a line.
#[derive(Debug)]
enum Due {
    /// Nothing comes.
    Silence,
    /// One answer, with this id.
    Answer(RequestId),
    /// One answer, with whatever id; the request may be the one with this id.
    SomeAnswer(Option<RequestId>),
    /// Either: the plain reader cannot tell.
    Unknown,
}

fn due(line: &[u8]) -> (Due, Option<RequestId>) {
    let whole = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    if line.iter().all(u8::is_ascii_whitespace) {
        return (Due::Silence, None);
    }
    if whole.len() > FRAME_BYTES_MAX {
        return (Due::SomeAnswer(None), None);
    }
    let value: Value = match serde_json::from_slice(whole) {
        Ok(value) => value,
        // A number beyond a double is JSON, which this reader cannot read.
        Err(error) if ["recursion", "out of range"].iter().any(|known| error.to_string().contains(known)) => {
            return (Due::Unknown, None);
        }
        Err(_) => return (Due::SomeAnswer(None), None),
    };
    let Some(object) = value.as_object() else { return (Due::SomeAnswer(None), None) };
    let cancels = value.pointer("/params/requestId").filter(|_| value["method"] == "notifications/cancelled");
    let cancels = cancels.and_then(|id| serde_json::from_value(id.clone()).ok());
    let method = object.get("method");
    let due = match object.get("id") {
        None if method.is_some_and(Value::is_string) => return (Due::Silence, cancels),
        _ if method.is_none() && (object.contains_key("result") || object.contains_key("error")) => Due::Silence,
        Some(id) => match serde_json::from_value(id.clone()).ok() {
            // Which of two ids is meant is not for this reader to say.
            Some(id) if String::from_utf8_lossy(whole).matches("\"id\"").count() == 1 && !whole.contains(&b'\\') => {
                Due::Answer(id)
            }
            id => Due::SomeAnswer(id),
        },
        None => Due::SomeAnswer(None),
    };
    (due, None)
}

/// Holds what was said to what was due.
pub(crate) fn hold(session: &Session, said: &[u8]) -> Result<(), String> {
    let (mut least, mut most) = (0, 0);
    let mut by_id: BTreeMap<String, usize> = BTreeMap::new();
    let (mut cancelled, mut unsure) = (BTreeSet::new(), Vec::new());
    let name = |id: &RequestId| serde_json::to_string(id).expect("an id is JSON");
    let sent = session.frames.join(&b'\n');
    for line in sent.split(|byte| *byte == b'\n') {
        let (due, cancels) = due(line);
        cancelled.extend(cancels.as_ref().map(name));
        match due {
            Due::Silence => {}
            Due::Unknown => most += 1,
            Due::SomeAnswer(id) => {
                (least, most) = (least + 1, most + 1);
                unsure.extend(id.as_ref().map(name));
            }
            Due::Answer(id) => {
                (least, most) = (least + 1, most + 1);
                *by_id.entry(name(&id)).or_default() += 1;
            }
        }
    }
    // A cancelled request may be answered or not.
    for id in &cancelled {
        least -= by_id.remove(id).unwrap_or(0) + unsure.iter().filter(|unsure| *unsure == id).count();
    }
    let mut said_by_id: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = 0;
    for line in said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let answer: Value = serde_json::from_slice(line).map_err(|error| format!("an answer is no JSON: {error}"))?;
        let text = String::from_utf8_lossy(&line[..line.len().min(2000)]).into_owned();
        let error = &answer["error"];
        let shaped = answer["jsonrpc"] == "2.0"
            && answer.get("id").is_some()
            && (answer.get("result").is_some() != answer.get("error").is_some())
            && (error.is_null()
                || error["code"].is_i64() && error["message"].as_str().is_some_and(|text| !text.is_empty()))
            && line.len() < ANSWER_BYTES_MAX + answer["id"].as_str().map_or(0, |id| 6 * id.len());
        if !shaped || answer["result"]["structuredContent"]["error"]["code"] == "INTERNAL" {
            return Err(format!("not an answer to be given: {text}"));
        }
        if answer["id"] == LAST {
            if answer["result"]["tools"].as_array().is_none_or(Vec::is_empty) {
                return Err(format!("a valid request did not work any more: {text}"));
            }
        } else {
            count += 1;
            *said_by_id.entry(answer["id"].to_string()).or_default() += 1;
        }
    }
    if count < least || count > most {
        return Err(format!("{count} answers, where {least} to {most} were due: {}", String::from_utf8_lossy(said)));
    }
    for (id, due) in by_id {
        if said_by_id.get(&id).copied().unwrap_or(0) < due {
            return Err(format!("not every request with the id {id} was answered: {said_by_id:?}"));
        }
    }
    Ok(())
}
