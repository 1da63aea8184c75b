//! The checkout: a saga over three providers, driven from the journal.
//!
//! [`state`] is the machine (what next, from the record alone); [`entry`], [`session`] and [`order`] are the records.

pub mod entry;
pub mod order;
pub mod session;
pub mod state;
