//! The report of an exploration: its own [`document`], a file a writer, and [`merge`], which joins the documents of a
//! space's shards.
//!
//! As with the gate's report, writers see the document and nothing else, and what is measured stands apart in it.

pub mod document;
pub mod junit;
pub mod markdown;
pub mod merge;
pub mod several;
pub mod terminal;
mod untried;

pub use document::Exploration;

/// The document as JSON.
pub fn json(exploration: &Exploration) -> String {
    let mut text = serde_json::to_string_pretty(exploration).expect("the document is plain data");
    text.push('\n');
    text
}

/// The document's JSON Schema (2020-12), as a file.
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Exploration)).expect("a schema is plain data");
    text.push('\n');
    text
}
