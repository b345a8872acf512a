use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::check_backup;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Settle the newest backup now instead of within the next minute:
    barman check-backup main latest

Exit status:
  0  the status was looked at; 'barman -d check-backup' tells it, and so does 'show-backup'
  1  WAL is missing, or the backup is unknown or has failed before";

/// Tell whether all WAL that a backup needs is archived, and record it
///
/// Looks whether the archive holds every WAL file from the begin of the backup to its end, and sets its status:
/// DONE when it does, WAITING_FOR_WALS while the last ones are still to come, FAILED when one is missing although
/// later ones are there. `cron` does this for backups that wait.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::IN_SERVICE) {
        let server = app.server(config);
        check_backup::run(&app.context, &mut server.catalog()?, &server.archive(), &args.backup.backup_id)?;
    }
    Ok(())
}
