//! The frames of the class `envelope`, sent to the real system: a process over streamable HTTP and one on stdio, on one
//! journal and the same providers. Each is held to what it is owed, and mended from its error where a message can.
//!
//! [`real`] is the system and the two ways to it, [`held`] reads what came back, [`sweep`] sends all frames of all tools,
//! [`told`] joins the results of both transports.

mod held;
mod real;
pub mod sweep;
mod told;

use std::path::PathBuf;
use std::time::Duration;

pub use sweep::{Shown, show};

/// How the real system is reached.
#[derive(Clone, Debug)]
pub struct Wire {
    /// misrule's own executable, which becomes the system's processes.
    pub program: PathBuf,
    /// How long an answer may take.
    pub answer_max: Duration,
}

impl Wire {
    /// With an ordinary patience: far beyond what a loaded machine needs for ten megabytes.
    pub const fn of(program: PathBuf) -> Self {
        Self { program, answer_max: Duration::from_secs(10) }
    }
}

/// A way to the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A line on stdin, a line on stdout.
    Stdio,
    /// A POST, on a connection of its own.
    Http,
}

impl Transport {
    /// Both, in the order in which they are told.
    pub const ALL: [Self; 2] = [Self::Stdio, Self::Http];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "HTTP",
        }
    }
}
