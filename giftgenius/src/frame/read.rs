//! Reading JSON strictly: bounded in depth and number of values, with no key twice.
//!
//! A breach of a bound does not end the reading. The rest is gone through without being kept (`serde_json` does that
//! without recursion and without memory), so that the id is found wherever it stands and the answer can carry it.

use std::fmt;

use rmcp::model::RequestId;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

use super::{DEPTH_MAX, ITEMS_MAX, Reason, request_id};

/// What was read of a frame.
pub(super) struct Read {
    /// The value, or what is wrong with it as JSON. Where there is a fault, parts of the value are missing.
    pub(super) value: Result<Value, String>,
    /// The first breach of a bound.
    pub(super) fault: Option<Reason>,
    /// The frame's id, as far as it was read for certain: a frame that breaks off after `"id": 12` may have meant 123.
    pub(super) id: Option<RequestId>,
}

/// Reads one value.
pub(super) fn read(text: &str) -> Read {
    let mut found = Found::default();
    let mut deserializer = Deserializer::from_str(text);
    let value = Node { found: &mut found, depth: 0 }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| error.to_string());
    let id = if found.id_twice { None } else { found.id };
    let fault = found.fault.map(|(_, fault)| fault);
    Read { value, fault, id }
}

#[derive(Default)]
struct Found {
    /// With the depth of the object whose place is told so far.
    fault: Option<(usize, Reason)>,
    items: usize,
    id: Option<RequestId>,
    id_twice: bool,
}

impl Found {
    fn fault(&mut self, depth: usize, fault: Reason) {
        self.fault.get_or_insert((depth, fault));
    }

    /// Counts a value; says whether there was room for it.
    fn room(&mut self, depth: usize) -> bool {
        self.items += 1;
        if self.items > ITEMS_MAX {
            self.fault(depth, Reason::TooMany);
        }
        self.items <= ITEMS_MAX
    }

    /// Completes the place of a key that stands twice, from the inside out.
    fn came_from(&mut self, depth: usize, step: impl fmt::Display) {
        if let Some((inner, Reason::KeyTwice { place, .. })) = &mut self.fault
            && *inner == depth + 1
        {
            *place = format!("/{step}{place}");
            *inner = depth;
        }
    }
}

/// One value to be read, in an object or list at `depth`.
struct Node<'found> {
    found: &'found mut Found,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let depth = self.depth + 1;
        let mut list = Vec::new();
        if depth > DEPTH_MAX {
            self.found.fault(depth, Reason::TooDeep);
        }
        while depth <= DEPTH_MAX && self.found.items < ITEMS_MAX {
            match sequence.next_element_seed(Node { found: self.found, depth })? {
                Some(value) => {
                    self.found.room(depth);
                    self.found.came_from(depth, list.len());
                    list.push(value);
                }
                None => return Ok(Value::Array(list)),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {
            self.found.room(depth);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth = self.depth + 1;
        let mut object = Map::new();
        if depth > DEPTH_MAX {
            // Not entered: every level costs stack.
            self.found.fault(depth, Reason::TooDeep);
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Object(object));
        }
        let mut id = None;
        while let Some(key) = members.next_key::<String>()? {
            // That another key follows shows that the id before it was whole.
            self.found.id = id.take().or(self.found.id.take());
            let is_id = depth == 1 && key == "id";
            // Beyond the bound only what says how the frame is to be answered is still kept.
            let says_how = is_id || (depth == 1 && key == "method");
            if !(self.found.room(depth) || says_how) {
                members.next_value::<IgnoredAny>()?;
                if depth == 1 && (key == "result" || key == "error") {
                    object.insert(key, Value::Null);
                }
                continue;
            }
            let value = members.next_value_seed(Node { found: self.found, depth })?;
            self.found.came_from(depth, key.replace('~', "~0").replace('/', "~1"));
            if is_id {
                id = request_id(&value);
            }
            if object.contains_key(&key) {
                self.found.id_twice |= is_id;
                self.found.fault(depth, Reason::KeyTwice { key: key.clone(), place: String::new() });
            }
            object.insert(key, value);
        }
        self.found.id = id.take().or(self.found.id.take());
        Ok(Value::Object(object))
    }
}

/// Whether a reading failed at a number that a double cannot hold.
pub(super) fn is_out_of_range(error: &str) -> bool {
    error.starts_with("number out of range")
}

/// The text with every number beyond the largest double replaced by that one, sign kept: what is beyond is out of every
/// range that a schema states, and so is this.
pub(super) fn with_bounded_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut within_text) = (text, false);
    while let Some(c) = rest.chars().next() {
        let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let length = match c {
            '\\' if within_text => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '"' => {
                within_text = !within_text;
                1
            }
            '0'..='9' | '-' if !within_text => {
                let end = rest.find(|c| !is_of_number(c)).unwrap_or(rest.len());
                if let Some(bounded) = rest[..end].parse().ok().filter(|number: &f64| number.is_infinite()) {
                    out.push_str(if bounded > 0.0 { MOST } else { LEAST });
                    rest = &rest[end..];
                    continue;
                }
                end
            }
            _ => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The largest double, and the least.
const MOST: &str = "1.7976931348623157e308";
const LEAST: &str = "-1.7976931348623157e308";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_a_double_is_the_largest_double() {
        let long = "9".repeat(400);
        for (text, bounded) in [
            ("[1e400, -1e999, 2]", "[1.7976931348623157e308, -1.7976931348623157e308, 2]"),
            (r#"{"a": "1e400", "b\"1e400": 1e400}"#, r#"{"a": "1e400", "b\"1e400": 1.7976931348623157e308}"#),
            (&format!("[{long}]"), "[1.7976931348623157e308]"),
            ("[1e308, 1e-999, 1e, é]", "[1e308, 1e-999, 1e, é]"),
        ] {
            assert_eq!(with_bounded_numbers(text), bounded);
        }
    }
}
