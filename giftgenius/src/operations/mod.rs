//! What operations need: switches.

pub mod switches;
