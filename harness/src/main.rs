//! The command `misrule`.

use std::process::ExitCode;

fn main() -> ExitCode {
    misrule::cli::main()
}
