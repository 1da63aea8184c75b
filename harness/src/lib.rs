//! misrule: a chaos harness for MCP tool servers.
//!
//! The way of the data: scenario file → [`scenario::model::Scenario`] → (plan, seed) → world (providers + fault layer +
//! system) → the host plays the script → trace, ledger, replies → oracles → outcome → report → writers.

pub mod canary;
pub mod choice;
pub mod cli;
pub mod defect;
pub mod durable;
pub mod error;
pub mod expectation;
pub mod explore;
pub mod faces;
pub mod fault;
pub mod fixable;
pub mod host;
pub mod known;
pub mod malform;
pub mod oracle;
pub mod outcome;
pub mod parity;
pub mod prove;
pub mod provider;
pub mod repair;
pub mod report;
pub mod requirement;
pub mod rest;
pub mod run;
pub mod scenario;
pub mod screen;
pub mod stopwatch;
pub mod suggest;
pub mod system;
pub mod trace;
pub mod undivided;
pub mod visible;
pub mod vitals;
pub mod watchdog;
pub mod world;
