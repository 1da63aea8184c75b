//! Reports: one [`document::Report`] built from outcomes, and a writer a file.
//!
//! Writers see the document and nothing else. [`snapshot`] alone reads an outcome directly: it is the whole of one run.
//! What is measured stands apart in the document and in no snapshot.

pub mod build;
pub mod columns;
pub mod document;
pub mod exploration;
pub mod files;
pub mod json;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod money;
pub mod normalise;
pub mod snapshot;
pub mod terminal;
pub mod timeline;
pub mod told;
pub mod units;

pub use build::{Ran, build};
pub use document::Report;

#[cfg(test)]
mod tests;
