//! The command `misrule`. On the wire it is also the system's process: one binary is enough.

use std::process::ExitCode;

use misrule::system::{child, stdio};

/// A simulated run is many small allocations; measured, this takes a quarter off it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(child::SUBCOMMAND) => child::main(|id| misrule::defect::by_id(id).map(|defect| (defect.wiring)())),
        Some(stdio::SUBCOMMAND) => stdio::main(),
        _ => misrule::cli::main(),
    }
}
