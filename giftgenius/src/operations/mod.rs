//! What operations need: the health page, housekeeping, the work that waits for a person, switches.

pub mod health;
pub mod housekeeping;
pub mod parked;
pub mod switches;

#[cfg(test)]
mod tests;
