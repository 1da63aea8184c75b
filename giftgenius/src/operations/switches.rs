//! Operational switches (I5): journalled, so that they survive a restart and reach every replica at once.

use serde::{Deserialize, Serialize};

use crate::journal::{Batch, CommitError, Journal, JournalError, Key, Record, Stored, Version};

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

/// How often a write is tried again because another writer was first.
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
    let stored = journal.get(&Key::Switches).await?;
    Ok((stored.as_ref().map(|stored| stored.version), of_record(stored.as_ref())?))
}

/// The switches of their record, where there is one.
pub fn of_record(stored: Option<&Stored>) -> Result<Switches, JournalError> {
    let Some(stored) = stored else { return Ok(Switches::default()) };
    match &*stored.record {
        Record::Switches(switches) => Ok(switches.clone()),
        Record::Session(_)
        | Record::Order(_)
        | Record::Entry(_)
        | Record::Workflow(_)
        | Record::Event(_)
        | Record::Payment(_) => Err(JournalError::Corrupt(Key::Switches.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::journal::memory::MemoryJournal;
    use crate::journal::{RecordState, Stored};
    use crate::ports::BoxFuture;

    #[tokio::test]
    async fn checkout_is_on_until_it_is_switched_off() {
        let journal = MemoryJournal::new();
        assert!(read(&journal).await.unwrap().checkout);
        assert!(set_checkout(&journal, false).await.unwrap());
        assert!(!read(&journal).await.unwrap().checkout);
        assert!(!set_checkout(&journal, false).await.unwrap(), "nothing to change");
        assert!(set_checkout(&journal, true).await.unwrap());
        assert!(read(&journal).await.unwrap().checkout);
    }

    /// A journal in which another writer changes the switches before each of the first `rivals` commits.
    struct Contended {
        journal: MemoryJournal,
        rivals: AtomicU32,
    }

    impl Journal for Contended {
        fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Stored>, JournalError>> {
            self.journal.get(key)
        }

        fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), CommitError>> {
            Box::pin(async move {
                if self.rivals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    let version = self.journal.get(&Key::Switches).await?.map(|stored| stored.version);
                    self.journal.commit(Batch::default().put(version, Record::Switches(Switches::default()))).await?;
                }
                self.journal.commit(batch).await
            })
        }

        fn list(&self, state: RecordState) -> BoxFuture<'_, Result<Vec<Stored>, JournalError>> {
            self.journal.list(state)
        }

        fn drop_expired(&self, now: jiff::Timestamp) -> BoxFuture<'_, Result<usize, JournalError>> {
            self.journal.drop_expired(now)
        }
    }

    #[tokio::test]
    async fn a_switch_wins_over_others_who_write_meanwhile_but_not_for_ever() {
        let contended = |rivals| Contended { journal: MemoryJournal::new(), rivals: AtomicU32::new(rivals) };
        assert_eq!(set_checkout(&contended(3), false).await, Ok(true));
        assert!(matches!(set_checkout(&contended(u32::MAX), false).await, Err(CommitError::Conflict(_))));
    }
}
