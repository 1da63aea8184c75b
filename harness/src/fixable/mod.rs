//! Whether errors can be repaired from: every malformed call of every tool is made, its answer held to what is owed,
//! and mended by the repair agent from the message alone (F12).
//!
//! [`prepare`] knows what each of GiftGenius's tools needs before it can be called well, [`house`] makes calls in
//! simulation, [`judge`] says what came of one malformed call, [`measure`] makes all of them, [`document`] is what is
//! told of it, [`terminal`] how; [`listing`] tells what would be sent, [`shown`] follows one call to its end. [`wire`] sends
//! to the real system what no simulation can: frames.

pub mod document;
mod house;
mod judge;
pub mod listing;
pub mod measure;
pub mod prepare;
pub mod shown;
pub mod terminal;
pub mod wire;

#[cfg(test)]
mod tests;

pub use document::Errors;
pub use measure::{Measuring, measure};
pub use wire::Wire;
