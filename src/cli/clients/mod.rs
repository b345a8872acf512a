//! The programs of PostgreSQL's host: this one, called under another name. They read no configuration and write no log.

mod wal_archive;
mod wal_restore;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::exit;
use crate::ops::wal_client::{Error, Remote};
use crate::output::{Format, Terminal, TerminalOptions};
use crate::pg;
use crate::sys::{Cancel, Context, Events};
use crate::types::with_causes;

/// A program under its name.
type Client = fn(&[OsString]) -> ExitCode;

/// The program that is meant when we are called so; `None` for `barman` itself.
pub fn called_as(words: &[OsString]) -> Option<Client> {
    let name = Path::new(words.first()?).file_name()?.to_str()?;
    match name {
        wal_archive::NAME => Some(wal_archive::main),
        wal_restore::NAME => Some(wal_restore::main),
        _ => None,
    }
}

/// The definitions of their command lines.
pub fn commands() -> Vec<clap::Command> {
    vec![wal_archive::Args::command(), wal_restore::Args::command()]
}

/// Where the Barman is; the same for both.
#[derive(Debug, clap::Args)]
struct RemoteArgs {
    /// Host of the Barman that keeps the backups of this server
    barman_host: String,

    /// Name that the server has there
    server_name: String,

    /// User that ssh logs in as
    #[arg(short = 'U', long, default_value = "barman")]
    user: String,

    /// Port of sshd there
    #[arg(long)]
    port: Option<u16>,

    /// Configuration file of that Barman, when it is not where it looks for it
    #[arg(short, long, value_name = "FILE")]
    config: Option<String>,
}

impl RemoteArgs {
    fn remote(&self) -> Remote {
        Remote {
            host: self.barman_host.clone(),
            user: self.user.clone(),
            port: self.port,
            config: self.config.clone(),
            server: self.server_name.clone(),
            channel: None,
        }
    }
}

/// The words of the command line, or how the program ends at once.
fn parse<A: Parser>(words: &[OsString]) -> Result<A, ExitCode> {
    A::try_parse_from(words).map_err(|usage| match usage.kind() {
        ErrorKind::DisplayVersion => {
            drop(usage.print());
            ExitCode::SUCCESS
        }
        _ => exit::usage(&usage),
    })
}

/// The world, with messages on standard error.
fn context() -> io::Result<Context> {
    let color = io::stdout().is_terminal() && io::stderr().is_terminal();
    let options = TerminalOptions {
        format: Format::Console,
        quiet: false,
        debug: false,
        color,
        terminal: false,
        redact: pg::redact,
    };
    Ok(Context::new(Arc::new(Terminal::new(options)), Cancel::on_signals()?))
}

/// Says why the program failed.
fn say_error(events: &dyn Events, error: &Error) {
    let mut text = with_causes(error);
    if let Some(hint) = error.hint() {
        text += &format!("\nHINT: {hint}");
    }
    events.error(&text);
}

/// Prints what the other side has printed.
fn pass_on(stdout: &[u8], stderr: &[u8]) {
    let _ = io::stdout().write_all(stdout);
    let _ = io::stderr().write_all(stderr);
}
