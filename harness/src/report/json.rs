//! `report.json`: the document as it is, and its schema.

use super::document::Report;

/// The document.
pub fn write(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("the document is plain data");
    text.push('\n');
    text
}

/// The document's JSON Schema (2020-12), as a file.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Report);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    text.push('\n');
    text
}
