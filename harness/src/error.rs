//! Why a run could not be made: nothing is said of the system's behaviour, the harness or the system could not run.
//!
//! Each message says what, where and what to do; all of them end in exit code 4.

use std::any::Any;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

/// A run that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No port could be had.
    #[error(
        "no listener for {role} could be opened on {address}: {source}; end what holds the port, or free some ports"
    )]
    Listen {
        /// What was to listen.
        role: &'static str,
        /// Where.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The system's process could not be started.
    #[error(
        "the system could not be started as `{program}`: {source}; check that the file is there and may be executed"
    )]
    Spawn {
        /// The executable.
        program: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The system's process never said that it listens.
    #[error("the system (`{program}`) did not begin to listen within {waited:?}; it was ended{}", said(last_lines))]
    NeverSpoke {
        /// The executable.
        program: PathBuf,
        /// How long it was given.
        waited: Duration,
        /// The last lines that it wrote to stderr.
        last_lines: Vec<String>,
    },
    /// The system's process ended unasked.
    #[error(
        "the system (`{program}`) ended by itself ({status}); see its own words and start it by hand to reproduce{}",
        said(last_lines)
    )]
    Died {
        /// The executable.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// The last lines that it wrote to stderr.
        last_lines: Vec<String>,
    },
    /// The system's process could not begin, however often it was started again.
    #[error(
        "the system (`{program}`) was started {starts} times after a crash and could not begin: its store failed each time; leave some of the plan's faults at journal reads out"
    )]
    NeverBegan {
        /// The executable.
        program: PathBuf,
        /// How often it was started.
        starts: u32,
    },
    /// misrule has a bug.
    #[error("misrule itself failed: {said}")]
    Panicked {
        /// What the panic said.
        said: String,
    },
    /// The plan has a fault that only simulation can realise.
    #[error(
        "`{planned}` cannot be realised on the wire: which of the tasks that are ready goes first is the operating system's to say there; run the plan in simulation"
    )]
    OnlySimulated {
        /// The fault with its place.
        planned: String,
    },
    /// The system's process did not stop when it was told to.
    #[error(
        "the system (`{program}`) did not stop within {waited:?} of being told to; it was killed{}",
        said(last_lines)
    )]
    WouldNotStop {
        /// The executable.
        program: PathBuf,
        /// How long it was given.
        waited: Duration,
        /// The last lines that it wrote to stderr.
        last_lines: Vec<String>,
    },
    /// The system's process said more than a run keeps.
    #[error(
        "the system (`{program}`) wrote {flood}, and was ended; look for a line that it writes, or a request that it \
         announces, again and again"
    )]
    Flooded {
        /// The executable.
        program: PathBuf,
        /// How.
        flood: Flood,
    },
    /// The system's process took more processor time than any run needs.
    #[error(
        "the system (`{program}`) took {took:?} of processor time, and was ended at {bound:?}; look for a loop that \
         never waits"
    )]
    TooMuchWork {
        /// The executable.
        program: PathBuf,
        /// How much it took.
        took: Duration,
        /// How much it may take.
        bound: Duration,
    },
    /// The system's process held more memory than any run needs.
    #[error(
        "the system (`{program}`) held {held_mib} MiB of memory, and was ended at {bound_mib} MiB; look for something \
         that grows in a loop"
    )]
    TooMuchMemory {
        /// The executable.
        program: PathBuf,
        /// How much it held.
        held_mib: u64,
        /// How much it may hold.
        bound_mib: u64,
    },
    /// A run on the wire took longer than it may.
    #[error(
        "the run on the wire was ended, for it may take {bound:?} at most: {waited_for}; give the scenario shorter waits, or run it in simulation"
    )]
    TooLong {
        /// How long it may take.
        bound: Duration,
        /// What it waited for at the end.
        waited_for: String,
    },
    /// The system's process said something that is no line of the agreed form.
    #[error(
        "the system's process wrote `{line}` on its control channel, which is no control line: {reason}; nothing but misrule may write there"
    )]
    Control {
        /// What it wrote.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A provider's upstream did not answer the relay.
    #[error(
        "the upstream of {operation} at {address} did not answer misrule's relay: {reason}; this is a fault of the harness or the machine, run it again"
    )]
    Upstream {
        /// The operation.
        operation: &'static str,
        /// Where.
        address: std::net::SocketAddr,
        /// What happened.
        reason: String,
    },
    /// No threads could be had.
    #[error("no threads for a run on the wire could be started: {0}; free some resources of the machine")]
    Runtime(io::Error),
    /// An HTTP client could not be set up.
    #[error("misrule's HTTP client could not be set up: {0}")]
    HttpClient(String),
    /// The system does not answer MCP as a server must.
    #[error(
        "the system at {address} did not answer {what}: {reason}; a run needs a server that speaks MCP over streamable HTTP"
    )]
    Mcp {
        /// Where.
        address: String,
        /// Which request.
        what: &'static str,
        /// What came instead.
        reason: String,
    },
    /// The system kept having work left.
    #[error(
        "the system did not come to rest within {waited:?}: {left}; give the scenario's policy shorter times, or look for work that never ends"
    )]
    NoRest {
        /// How long it was given.
        waited: Duration,
        /// What was left.
        left: String,
    },
    /// The system's journal could not be read or written from outside.
    #[error(
        "the system's journal at {path} could not be {act}: {reason}; check the disk behind the folder for temporary files"
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// `opened`, `read` or `written`.
        act: &'static str,
        /// What the journal says.
        reason: String,
    },
    /// The disk of the run's folder is full or broken.
    #[error(
        "the run's files could not be written under {path}: {source}; this says nothing of the system: free some space \
         or set TMPDIR"
    )]
    Disk {
        /// The run's folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// No folder for temporary files could be made.
    #[error("no folder for the run's files could be made under {path}: {source}; free some space or set TMPDIR")]
    Folder {
        /// Under which folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl RunError {
    /// Of a panic of the harness.
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Panicked { said: text.unwrap_or("it did not say why").to_owned() }
    }
}

/// How a process says too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flood {
    /// In lines, within a second.
    Lines {
        /// So many are allowed.
        a_second_max: u32,
    },
    /// In bytes, in its whole life.
    Bytes {
        /// So much is allowed.
        mib_max: usize,
    },
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { a_second_max } => write!(f, "more than {a_second_max} lines within a second"),
            Self::Bytes { mib_max } => write!(f, "more than {mib_max} MiB in one run"),
        }
    }
}

/// What a process wrote last, as an appendix of an error.
fn said(last_lines: &[String]) -> String {
    if last_lines.is_empty() {
        return String::from(" (it wrote nothing to stderr)");
    }
    let mut text = String::from("; it wrote last:");
    for line in last_lines {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}
