//! Errors that are sentences: what stands in backticks or quotes is taken for a name. Modest on purpose; a server that
//! wants its errors to be repaired from tells them structured.

use serde_json::Value;

use crate::malform::{pointer, schema};

/// The words of a text that stand in backticks or quotes, in order.
fn named(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['`', '"', '\'']) {
        let mark = &rest[start..=start];
        let after = &rest[start + 1..];
        let Some(end) = after.find(mark) else { break };
        found.push(&after[..end]);
        rest = &after[end + 1..];
    }
    found
}

/// The tool that an error of the protocol proposes instead of the one that was called.
pub(super) fn tool_meant(message: &str, called: &str) -> Option<String> {
    let names = named(message);
    let proposed =
        if message.contains("did you mean") || message.contains("Did you mean") { names.last() } else { None };
    proposed.filter(|name| !name.is_empty() && (**name == called || names.len() > 1)).map(|name| (*name).to_owned())
}

/// The arguments, mended from a sentence: a named field that the schema does not have goes, a named one that is missing
/// comes with what the schema offers.
pub(super) fn mended(root: &Value, sent: &Value, text: &str) -> Value {
    let mut arguments = sent.clone();
    for name in named(text) {
        let at = if name.starts_with('/') { name.to_owned() } else { pointer::below("", name) };
        match (schema::at(root, &at), arguments.pointer(&at).is_some()) {
            (None, true) => _ = pointer::remove(&mut arguments, &at),
            (Some(rule), false) => {
                if let Some(value) = schema::offered(rule) {
                    pointer::put(&mut arguments, &at, value.clone());
                }
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    arguments
}
