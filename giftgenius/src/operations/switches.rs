//! Operational switches (I5): journalled, so that they survive a restart and reach every replica at once.

use serde::{Deserialize, Serialize};

use crate::journal::{Batch, CommitError, Journal, JournalError, Key, Record, Version};

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

/// How often a write is tried again because somebody else wrote first.
const CONFLICTS_MAX: u32 = 16;

/// The switches as they stand.
pub async fn read(journal: &dyn Journal) -> Result<Switches, JournalError> {
    read_versioned(journal).await.map(|(_, switches)| switches)
}

/// Sets whether sales may begin; answers whether that changed anything.
pub async fn set_checkout(journal: &dyn Journal, on: bool) -> Result<bool, CommitError> {
    let mut conflicts = 0;
    loop {
        let (version, switches) = read_versioned(journal).await?;
        if switches.checkout == on {
            return Ok(false);
        }
        let batch = Batch::default().put(version, Record::Switches(Switches { checkout: on }));
        match journal.commit(batch).await {
            Ok(()) => return Ok(true),
            Err(CommitError::Conflict(_)) if conflicts < CONFLICTS_MAX => conflicts += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn read_versioned(journal: &dyn Journal) -> Result<(Option<Version>, Switches), JournalError> {
    let Some(stored) = journal.get(&Key::Switches).await? else { return Ok((None, Switches::default())) };
    match &*stored.record {
        Record::Switches(switches) => Ok((Some(stored.version), switches.clone())),
        Record::Session(_) | Record::Order(_) | Record::Entry(_) | Record::Workflow(_) => {
            Err(JournalError::Corrupt(Key::Switches.to_string()))
        }
    }
}
