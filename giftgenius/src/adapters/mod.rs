//! Production's side of the ports that have no subject of their own: time, chance, background work and the log; and the
//! signals by which a process is told to end.
//!
//! The other adapters stand beside their subject: the network in [`crate::providers::http`], the store in
//! [`crate::journal::sqlite`].

mod entropy;
pub mod json_lines;
mod log_writer;
mod signals;
mod tasks;

use jiff::Timestamp;

pub use entropy::OsEntropy;
pub use json_lines::TracingStepLog;
pub use log_writer::LogWriter;
pub use signals::Signals;
pub use tasks::TokioTasks;

use crate::ports::Clock;

/// The machine's calendar clock.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
