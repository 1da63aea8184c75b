//! The external services, seen from here.

pub mod http;
