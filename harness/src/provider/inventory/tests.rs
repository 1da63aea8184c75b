//! What the machine keeps to.
