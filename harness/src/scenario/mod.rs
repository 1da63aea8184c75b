//! Scenarios: a script, a world set-up, a plan and expectations, as a TOML file.
//!
//! [`model`] is what the rest of the harness works with, checked and complete; the file's form and its diagnostics stay
//! in here.

pub mod model;
