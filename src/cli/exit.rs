//! How the program ends: exit codes, and what is said when it cannot even start.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::globals::VERSION;

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
    let _ = writeln!(io::stderr(), "ERROR: {}", chain(error));
}

/// An error with its causes on one line: `cannot read '/x': Permission denied (os error 13)`.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A transparent wrapper repeats what it wraps.
        if !text.ends_with(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}
