//! What operations need: switches, the health page, the work that waits for a person.

pub mod health;
pub mod parked;
pub mod switches;
