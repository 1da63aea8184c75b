//! GiftGenius: an MCP tool server that helps people choose and buy gifts.
//!
//! [`app`] is the application: ports and policy wired together, with one way in. [`tools`] are what it offers, a file a
//! tool; [`checkout`] is the resilient sale; [`providers`] and [`retry`] speak to the services outside; [`journal`] keeps
//! what must survive; [`webhooks`] take in what the payment provider tells by itself. [`mcp`], [`serve`] and [`cli`] are its faces; [`ports`] is all that touches the world, [`adapters`]
//! what stands behind the ports in production.

pub mod adapters;
pub mod answers;
pub mod app;
pub mod attempts;
pub mod checkout;
pub mod cli;
pub mod config;
mod connections;
pub mod error;
pub mod frame;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod loops;
pub mod mcp;
pub mod money;
pub mod networks;
pub mod operations;
pub mod policy;
pub mod ports;
pub mod printed;
pub mod providers;
mod refusals;
mod resting;
pub mod retry;
pub mod serve;
pub mod step_log;
mod throttle;
pub mod time;
pub mod tools;
pub mod users;
pub mod validate;
pub mod webhooks;
pub mod workflow;
