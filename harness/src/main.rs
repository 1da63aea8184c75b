//! The command `misrule`. On the wire it is also the system's process: one binary is enough.

use std::process::ExitCode;

use misrule::system::child;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(child::SUBCOMMAND) {
        return child::main();
    }
    misrule::cli::main()
}
