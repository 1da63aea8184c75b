//! Deliveries on real sockets, seen from a plain client: no system takes part.

mod announced;
mod deliveries;
mod scene;
