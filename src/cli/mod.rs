//! The command line: what was typed becomes settings, a context and one command; errors become exit codes.
//!
//! Start-up does only what the command needs. The order matters: the main configuration file names the user, the
//! user is taken before the log is opened or anything else is touched, and the servers are read as that user.

mod app;
mod clients;
mod commands;
mod completion;
mod exit;
mod globals;
pub mod help_text;
mod logging;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use app::App;
pub use completion::VARIABLE as COMPLETION_VARIABLE;
use globals::Cli;

use crate::sys::env;

/// Runs the program with the words of the command line.
pub fn main() -> ExitCode {
    let words = env::args();
    if let Some(client) = clients::called_as(&words) {
        return client(&words);
    }
    if completion::answer(&words) {
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse_from(globals::words(words)) {
        Ok(cli) => cli,
        Err(usage) => return exit::usage(&usage),
    };
    let app = match App::start(&cli) {
        Ok(app) => app,
        Err(error) => {
            exit::cannot_start(&error);
            return commands::failure(&cli);
        }
    };
    let code = match commands::run(&app, &cli) {
        Ok(code) => app.finish(code),
        Err(error) => app.fail(&error),
    };
    app.terminal.finish();
    code
}

/// The definitions of `barman-wal-archive` and `barman-wal-restore`, which are this program under other names.
pub fn client_commands() -> Vec<clap::Command> {
    clients::commands()
}

/// The definition of the command line, from which the reference and the man pages are made.
pub fn command() -> clap::Command {
    Cli::command()
}
