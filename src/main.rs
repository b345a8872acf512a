//! The `barman` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    barman::cli::main()
}
