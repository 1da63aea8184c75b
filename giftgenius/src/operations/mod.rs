//! What operations need: alerts, the health page, housekeeping, the work that waits for a person, what is dropped, switches.

pub mod alerts;
pub mod health;
pub mod housekeeping;
pub mod parked;
pub mod policy_page;
pub mod rates;
pub mod retention;
pub mod switches;

#[cfg(test)]
mod tests;
