//! Scenarios: a script, a world set-up, a plan and expectations, as a TOML file.
//!
//! [`model`] is what the rest of the harness works with, checked and complete; [`parse`](parse::parse) makes it from a
//! file's text and tells every mistake at once ([`mistake`]), [`write`](write::write) makes a file of it again,
//! [`find`] discovers files, [`schema`] describes the format for editors.

mod answer;
mod expect;
pub mod explore;
pub mod faults;
mod fields;
pub mod find;
mod manner;
pub mod mistake;
pub mod model;
pub mod parse;
pub mod policy;
pub mod schema;
pub mod script;
mod shop;
pub mod template;
pub mod write;

pub use mistake::ScenarioError;
pub use parse::{Known, parse};

#[cfg(test)]
mod tests;
