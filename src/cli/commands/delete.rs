use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::delete;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  The failed one from last night:
    barman delete main last-failed
  A certain one:
    barman delete main 20260131T020000

Exit status:
  0  the backup is gone
  1  it was refused or failed; the message tells why";

/// Delete a backup and the WAL that only it needs
///
/// Removes the data of the backup and, when it is the oldest one, the WAL that no other backup needs. Files that
/// later backups share with it by hard link stay with those. A deletion that is interrupted is finished by the next
/// `cron`.
///
/// It refuses when fewer than `minimum_redundancy` backups would be left, and when the backup is kept. What a
/// `retention_policy` no longer keeps is deleted by `cron`: this command is for single backups, a failed one for
/// example.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::SOUND) {
        let server = app.server(config);
        let mut catalog = server.catalog()?;
        let settings = delete::Settings::of(&server);
        delete::run(&app.context, &mut catalog, &server.archive(), settings, &args.backup.backup_id)?;
    }
    Ok(())
}
