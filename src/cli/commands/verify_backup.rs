use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::{backup_archives, verify_backup};

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman verify-backup main latest
  Every Sunday, from cron; mail comes when it fails:
    0 6 * * 0  barman -q verify-backup main oldest

Exit status:
  0  all files are as the manifest lists them
  1  some are not, which are named; or the backup has no manifest, or a damaged one";

/// Read all files of a backup and compare them with its manifest
///
/// Tells of every file that is missing, added, of another size or of another content than when the manifest was
/// written, by PostgreSQL itself or by `generate-manifest`. All processors take part. PostgreSQL's tools are not
/// needed on this host; the verdict is that of `pg_verifybackup --no-parse-wal`.
///
/// That the WAL is there which the backup needs, `check-backup` tells.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::ANY) {
        let server = app.server(config);
        let codecs = backup_archives::codecs(&server);
        verify_backup::run(&app.context, &server.catalog()?, &codecs, &args.backup.backup_id)?;
    }
    Ok(())
}
