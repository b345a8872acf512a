use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Archive what waits, and see what happens:
    barman archive-wal main

Exit status:
  0  everything that waits is archived, or another process is at it
  1  a file could not be archived; the message names it";

/// Archive the WAL files that arrived in the incoming directory
///
/// Takes what `archive_command` has put there, oldest first: compresses it as configured, files it away, lists it
/// in xlog.db and removes the original once the archived copy is safe on disk. A file that is archived already is
/// dropped when it is the same; another one of the same name, and anything that is no WAL, goes to the directory
/// `errors`. The first file that cannot be archived ends the run, so that no gap arises.
///
/// `cron` does this every minute. By hand it helps to see what stops archiving, since it says so on the terminal.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server whose WAL to archive
    server_name: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        ops::archive_wal::run(&app.server(config))?;
    }
    Ok(())
}
