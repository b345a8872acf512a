//! How the program ends: exit codes, and what is said when it cannot even start.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::globals::VERSION;
use crate::types::with_causes;

/// Wrong words on the command line.
const USAGE: u8 = 2;

/// Prints help and version to standard output with code 0, usage errors to standard error with code 2.
pub fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        // The version is the first word of the line: programs parse it.
        ErrorKind::DisplayVersion => drop(writeln!(io::stdout(), "{VERSION}")),
        _ => drop(error.print()),
    }
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// The command could not be begun: no configuration, wrong user.
pub fn cannot_start(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "ERROR: {}", with_causes(error.as_ref()));
}
