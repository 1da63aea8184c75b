//! The control channel between misrule and the system's process: JSON lines, from the child on its stdout, to it on its
//! stdin.
//!
//! The first line to the child holds its settings (they hold tokens, which a command line would show to everybody).
//! When the child's stdin ends, misrule is gone: the child ends too and takes the run's folder with it.

use std::net::SocketAddr;
use std::path::PathBuf;

use giftgenius::policy::Policy;
use giftgenius::ports::{Method, Provider};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A line from the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromChild {
    /// It serves now, here.
    Listening(SocketAddr),
    /// It could not begin, because its store failed as it looked for what an earlier life left. It waits to be killed.
    NotBegun(String),
    /// It is about to send a request to a provider, and waits for the decision.
    Announce(Announcement),
    /// It is about to use its journal, and waits for the grant.
    Access {
        /// Counted by the child.
        id: u64,
        /// How.
        access: Access,
    },
    /// What was to be done first and then held is done; whoever did it waits for ever.
    Held,
    /// Its clock has jumped as it was told.
    Jumped,
}

/// A line to the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToChild {
    /// What to be. The first line, once.
    Start(Box<Settings>),
    /// The answer to an announcement.
    Decide {
        /// Of the announcement.
        id: u64,
        /// How to send.
        decision: Decision,
    },
    /// The answer to an access.
    Grant {
        /// Of the access.
        id: u64,
        /// What comes of it.
        grant: Grant,
    },
    /// Let the calendar clock go forward by so many milliseconds at once, and say so.
    Jump(u64),
    /// Take up the orders without a living owner, as production does once a minute.
    KeepHouse,
    /// Stop in good order, and say [`STOPPED`].
    Stop,
}

/// A provider request, before it connects.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// Counted by the child.
    pub id: u64,
    /// To whom.
    pub provider: Provider,
    /// How.
    #[serde(with = "MethodForm")]
    pub method: Method,
    /// Path and query.
    pub path: SmolStr,
    /// `idempotency-key`.
    pub key: Option<SmolStr>,
    /// `x-correlation-id`.
    pub correlation: SmolStr,
    /// The JSON body; empty where there is none.
    pub body: String,
}

/// How an announced request is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// To the provider, saying this number.
    Exchange {
        /// The number.
        number: u32,
        /// Whether the reply goes no further: once it is there the child says [`FromChild::Held`].
        hold: bool,
    },
    /// To the provider, as it is.
    Plain,
    /// To a port without a listener.
    Refuse,
}

/// How the journal is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// One record, or a list, is read.
    Read,
    /// A batch is written.
    Write,
    /// It is tried whether a write would be taken. No site of a run; it fares as the next write would.
    Probe,
}

/// What comes of an announced use of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// What the journal says.
    Go,
    /// What the journal says, but nobody hears it: the child says [`FromChild::Held`] instead.
    GoAndHold,
    /// What the journal says, so many milliseconds later.
    Slow(u64),
    /// What the journal says, after the calendar clock went forward by so many milliseconds at once.
    Jump(u64),
    /// The journal is busy.
    Busy,
    /// The journal's disk is full.
    Full,
    /// What is read cannot be made out.
    Corrupt,
    /// Whoever reads panics.
    Panic,
}

/// What the system is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its numbers.
    pub policy: Policy,
    /// Where payment, catalog and inventory listen.
    pub providers: [SocketAddr; 3],
    /// A port without a listener.
    pub nobody: SocketAddr,
    /// The run's folder; removed by the child if misrule is gone.
    pub folder: PathBuf,
    /// Who may call.
    pub users: Vec<User>,
    /// For identifiers and jitter.
    pub seed: u64,
    /// Which life of the system this is, from 1; each draws identifiers of its own.
    pub incarnation: u32,
    /// The secret of the payment provider's webhooks, where it sends any.
    pub webhook_secret: Option<String>,
    /// How far its calendar clock is off, in milliseconds.
    pub clock_off_ms: i64,
    /// Whether an earlier life may have left something to take up.
    pub recovers: bool,
    /// The planted bug that is wired in, by its name.
    #[serde(default)]
    pub defect: Option<String>,
}

impl Settings {
    /// The journal's file in a run's folder.
    pub fn journal(&self) -> PathBuf {
        self.folder.join(JOURNAL)
    }
}

/// The first part of a path that says which announced exchange a request is; its number follows, then the path itself.
/// In the path, because production's transport writes its own headers.
pub const EXCHANGE_PATH: &str = "/exchange/";

/// What the child writes to stderr, after all its log, once nothing of the system acts any more. The process stays: as
/// long as it lives, the run's folder is removed even if misrule is killed.
pub(super) const STOPPED: &str = "misrule: the system is stopped";

/// The name of the journal's file.
pub const JOURNAL: &str = "journal.sqlite";

/// Everything that is ever in a run's folder: the journal, and what SQLite keeps beside it.
pub(super) const JOURNAL_FILES: [&str; 3] = [JOURNAL, "journal.sqlite-wal", "journal.sqlite-shm"];

/// A user and the token that says so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The bearer token.
    pub token: String,
}

/// How [`Method`] stands in a line.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Method")]
enum MethodForm {
    Get,
    Post,
}
