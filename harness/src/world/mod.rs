//! Worlds: where a run happens. [`stage`] is what both share: providers, choices and the record.

pub mod stage;
