//! The checkout: a saga over three providers, driven from the journal.
//!
//! [`state`] is the machine (what next, from the record alone), [`outcome`] what an action comes to there, [`saga`] the engine
//! that drives it, [`steps`] and [`settle`] and [`refund`] how each action is carried out (the last two over `listing`, what the
//! payment provider says of an order's charges); [`driving`] begins drivers and waits
//! for them. [`buy`] begins or joins an order under a caller's key, [`cancel`] takes one back, [`recovery`] takes up what an
//! earlier life left; [`answer`] says how a sale is told. [`entry`], [`session`] and [`order`] are the records.

pub mod answer;
pub mod buy;
pub mod cancel;
pub mod cause;
pub mod driving;
pub mod entry;
pub mod idempotency;
pub mod known_paid;
mod listing;
pub mod order;
pub mod outcome;
mod parking;
pub mod recovery;
pub mod refund;
pub mod saga;
pub mod session;
pub mod settle;
pub mod state;
pub mod steps;
pub mod waiters;
