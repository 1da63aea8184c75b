//! The command `misrule`.

use std::process::ExitCode;

use misrule::system::child;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(child::SUBCOMMAND) {
        return child::main();
    }
    ExitCode::SUCCESS
}
