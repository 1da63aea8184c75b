//! GiftGenius: an MCP tool server that helps people choose and buy gifts.

pub mod adapters;
pub mod app;
pub mod checkout;
pub mod cli;
pub mod config;
pub mod error;
pub mod ids;
pub mod journal;
pub mod mcp;
pub mod money;
pub mod operations;
pub mod policy;
pub mod ports;
pub mod providers;
pub mod serve;
pub mod step_log;
pub mod time;
pub mod users;
pub mod validate;
pub mod workflow;
