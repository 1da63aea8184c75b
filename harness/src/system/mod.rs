//! The system under test as a process of its own: misrule starts itself again with a hidden subcommand and serves
//! GiftGenius over streamable HTTP, wired from production adapters.
//!
//! [`child`] is what runs in there, with the decorators by which misrule decides from outside: [`announcing`] around the
//! transport, [`store`] around the journal, [`clock`]. [`control`] are the lines that both sides speak over the child's
//! stdin and stdout, [`channel`] is the child's end of them and [`conversation`] misrule's. [`process`] is the side that
//! starts, watches, stops and kills it, [`stderr`] what it has to say, [`lines`] and [`flow`] how that is read within bounds. [`stdio`] is the same system on stdio, with nothing
//! wired from outside.

pub(crate) mod announcing;
pub(crate) mod channel;
pub mod child;
pub(crate) mod clock;
pub mod control;
pub mod conversation;
pub mod entropy;
mod flow;
mod lines;
pub mod process;
mod stderr;
pub mod stdio;
pub(crate) mod store;
pub mod wiring;

pub use control::{Access, Announcement, Decision, Grant, Settings, User};
pub use conversation::{Begun, Decide};
pub use process::{Process, Standby};
