//! The system under test as a process of its own: misrule starts itself again with a hidden subcommand and serves
//! GiftGenius over streamable HTTP, wired from production adapters.
//!
//! [`child`] is what runs in there, [`announcing`] the decorator by which its provider requests are decided outside,
//! [`control`] the lines that both sides speak over the child's stdin and stdout, [`process`] the side that starts,
//! watches and stops it.

pub(crate) mod announcing;
pub mod child;
pub mod control;
pub mod entropy;
pub mod process;
pub mod wiring;

pub use control::{Announcement, Decision, Settings, User};
pub use process::Process;
