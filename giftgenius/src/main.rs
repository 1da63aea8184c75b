//! `giftgenius`: reads the command line, runs the command in the library, and turns a failure into a sentence and an
//! exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use giftgenius::adapters::LogWriter;
use giftgenius::adapters::json_lines::{self, Sink as _};
use giftgenius::cli;
use giftgenius::config::Cli;

/// How long the process waits at exit for its last log lines to be written. They say why it ends, and on a busy machine the
/// writer thread may be scheduled late.
const LAST_LINES: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let command = Cli::parse();
    let log = match LogWriter::new(io::stderr()) {
        Ok(log) => log,
        Err(error) => {
            // There is no log to say it in, and nowhere left to say that stderr is closed.
            let _ = writeln!(io::stderr(), "giftgenius: cannot start: {error}");
            return ExitCode::from(4);
        }
    };
    json_lines::init(log.clone());
    let code = run(command, &log);
    log.flush(LAST_LINES);
    code
}

fn run(command: Cli, log: &LogWriter) -> ExitCode {
    let fail = |sentence: &str, code: u8| {
        log.take(format!("giftgenius: {sentence}"), true);
        ExitCode::from(code)
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 4),
    };
    let result = runtime.block_on(cli::run(command, &mut io::stdout(), Arc::new(log.clone())));
    // Not dropped: a thread that waits for stdin would keep the process until the next line.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.to_string(), failure.exit_code()),
    }
}
