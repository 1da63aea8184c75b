//! The system on stdio: GiftGenius's own command line, nothing around it, in a process of misrule's executable.
//!
//! Its stdin and stdout carry MCP, so there is no control channel: it is set up by its environment, as in production,
//! sends to its providers unannounced, and ends when its stdin does. It stands beside a system over HTTP, whose journal
//! it shares and which sees to the run's folder.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use giftgenius::adapters::LogWriter;
use giftgenius::adapters::json_lines::{self, Sink as _};
use giftgenius::cli;
use giftgenius::config::Cli;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::flow::Flow;
use super::lines::{self, Came, LINE_MAX};
use super::process::Leash;
use super::stderr::Stderr;
use crate::error::RunError;
use crate::trace::Recorder;

/// The subcommand that makes misrule GiftGenius's command line. No user's business, so in no help text.
pub const SUBCOMMAND: &str = "__giftgenius";

/// How long the end of a process whose output has ended may take.
const END_MAX: Duration = Duration::from_secs(5);

/// How long the process waits at exit for its last log lines to be written. They say why it ends, and on a busy machine the
/// writer thread may be scheduled late.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The exit code where the system could not run.
const COULD_NOT_RUN: u8 = 4;

/// GiftGenius's command line, as its own executable has it; the words follow the subcommand.
pub fn main() -> ExitCode {
    let command = Cli::parse_from(std::env::args_os().skip(1));
    let log = match LogWriter::new(std::io::stderr()) {
        Ok(log) => log,
        Err(error) => {
            // There is nowhere left to say that stderr is closed.
            let _ = writeln!(std::io::stderr(), "giftgenius: cannot start: {error}");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    json_lines::init(log.clone());
    let code = run(command, &log);
    log.flush(LAST_LINES);
    code
}

fn run(command: Cli, log: &LogWriter) -> ExitCode {
    let fail = |sentence: &str, code| {
        log.take(format!("giftgenius: {sentence}"), true);
        ExitCode::from(code)
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), COULD_NOT_RUN),
    };
    let result = runtime.block_on(cli::run(command, &mut std::io::stdout(), Arc::new(log.clone())));
    // Not dropped: a thread that waits for stdin would keep the process until the next line.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.to_string(), failure.exit_code()),
    }
}

/// What a system on stdio stands on.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Its journal's file.
    pub journal: PathBuf,
    /// Where payment, catalog and inventory listen.
    pub providers: [SocketAddr; 3],
}

/// A running system on stdio; killed when dropped.
pub struct StdioSystem {
    child: Leash,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What was read of a line that has not ended.
    line: Vec<u8>,
    stderr: Stderr,
}

/// What was heard of a system on stdio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Nothing, for as long as was waited.
    Nothing,
    /// The process is gone, in these words.
    Ended(String),
}

impl StdioSystem {
    /// Starts misrule's executable `program` as GiftGenius on stdio, for one user.
    pub fn start(program: &Path, ground: &Ground, user: &str) -> Result<Self, RunError> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIFTGENIUS_")) {
            command.env_remove(name);
        }
        let [payment, catalog, inventory] = ground.providers.map(|address| format!("http://{address}"));
        command
            .args([SUBCOMMAND, "serve", "--stdio"])
            .env("GIFTGENIUS_JOURNAL", &ground.journal)
            .env("GIFTGENIUS_PAYMENT_URL", payment)
            .env("GIFTGENIUS_CATALOG_URL", catalog)
            .env("GIFTGENIUS_INVENTORY_URL", inventory)
            .env("GIFTGENIUS_CALLS_PER_MINUTE", u32::MAX.to_string())
            .env("GIFTGENIUS_OPEN_SESSIONS", u32::MAX.to_string())
            .env("GIFTGENIUS_USER", user);
        let mut child = Leash::start(program, command)?;
        let (stdin, stdout, stderr) = child.pipes();
        // A record of its own: its log is no evidence.
        let stderr = Stderr::listen(stderr, Recorder::start(), 1, Arc::new(Flow::begin()));
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), line: Vec::new(), stderr })
    }

    /// Writes bytes to its stdin; false if it does not take them in time, or is gone.
    pub async fn say(&mut self, bytes: &[u8], within: Duration) -> bool {
        let said = async {
            self.stdin.write_all(bytes).await?;
            self.stdin.flush().await
        };
        matches!(timeout(within, said).await, Ok(Ok(())))
    }

    /// Waits for its next line. What was read of one that has not ended is kept.
    pub async fn hear(&mut self, within: Duration) -> Heard {
        match timeout(within, lines::next(&mut self.stdout, &mut self.line, LINE_MAX)).await {
            Err(_) => Heard::Nothing,
            Ok(Ok(Came::Line)) => Heard::Line(std::mem::take(&mut self.line)),
            Ok(Ok(Came::TooLong)) => Heard::Ended(format!("it wrote a line of more than {} MiB", LINE_MAX >> 20)),
            Ok(_) => Heard::Ended(self.end().await),
        }
    }

    /// How it ended, and the last that it said.
    async fn end(&mut self) -> String {
        let status = match timeout(END_MAX, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => return String::from("it closed its output and did not end"),
        };
        let last_line = self.stderr.last_lines().await.pop();
        last_line.map_or_else(|| status.clone(), |line| format!("{status}; its last words: {line}"))
    }
}
