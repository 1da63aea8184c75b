//! The whole application in one process: scripted providers, a journal in memory that can fail, virtual time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod cancelling;
mod crashes;
mod fuse;
mod keys;
mod operations;
mod provider_acts;
mod refunds;
mod repairs;
mod sales;
mod shop;
mod store;
mod stores;
mod webhooks;
mod workflow;
mod world;
