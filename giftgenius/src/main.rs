//! `giftgenius`: reads the command line, runs the command in the library, and turns a failure into a sentence and an
//! exit code.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use giftgenius::adapters::json_lines;
use giftgenius::cli;
use giftgenius::config::Cli;

fn main() -> ExitCode {
    let command = Cli::parse();
    json_lines::init_stderr();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 4),
    };
    let result = runtime.block_on(cli::run(command, &mut io::stdout()));
    // Not dropped: a thread that waits for stdin would keep the process until the next line.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.to_string(), failure.exit_code()),
    }
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(io::stderr(), "giftgenius: {sentence}");
    ExitCode::from(code)
}
