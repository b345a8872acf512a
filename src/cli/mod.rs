//! The command line: what was typed becomes settings, a context and one command; errors become exit codes.
//!
//! Start-up does only what the command needs. The order matters: the main configuration file names the user, the
//! user is taken before the log is opened or anything else is touched, and the servers are read as that user.

mod app;
mod commands;
mod exit;
mod globals;
mod logging;

use std::process::ExitCode;

use clap::Parser;

use app::App;
use globals::Cli;

/// Runs the program with the words of the command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(globals::words(crate::sys::env::args())) {
        Ok(cli) => cli,
        Err(usage) => return exit::usage(&usage),
    };
    let app = match App::start(&cli) {
        Ok(app) => app,
        Err(error) => return exit::cannot_start(&error),
    };
    let code = match commands::run(&app, &cli) {
        Ok(code) => app.finish(code),
        Err(error) => app.fail(&error),
    };
    app.terminal.finish();
    code
}
