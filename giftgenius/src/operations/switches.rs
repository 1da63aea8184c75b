//! Operational switches (I5): journalled, so that they survive a restart and reach every replica at once.

use serde::{Deserialize, Serialize};

/// The switches as journalled. Absent means the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Switches {
    /// Whether sales may begin. Off is degraded mode: recommendations only.
    pub checkout: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self { checkout: true }
    }
}
