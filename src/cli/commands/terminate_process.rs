use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::processes;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Stop the backup that runs:
    barman terminate-process main backup

Exit status:
  0  the process has stopped
  1  there is none, it belongs to somebody else, or it still runs ten seconds later";

/// Stop a process that works on a server
///
/// Sends it what Ctrl-C sends, and waits up to ten seconds for it to end. A backup that is stopped in this way is
/// recorded as FAILED, and PostgreSQL leaves backup mode; archiving and cron take up their work again the next time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server that the process works on
    server_name: String,

    /// What it does, as 'list-processes' tells: backup, cron, archive-wal, receive-wal, sync-backup, sync-wal
    task_name: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        processes::terminate(&app.server(config), &args.task_name)?;
    }
    Ok(())
}
