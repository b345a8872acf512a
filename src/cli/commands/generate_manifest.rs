use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::{backup_archives, generate_manifest};

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman generate-manifest main latest

Exit status:
  0  the manifest is written
  1  there is one already, or the backup cannot have one; the message tells why";

/// List the files of a backup with their checksums, to verify it by
///
/// Reads all files of the backup's data directory and writes `backup_manifest` into it, in the form of PostgreSQL 13
/// and later, with SHA-256. From then on `verify-backup`, and PostgreSQL's `pg_verifybackup`, find every file that is
/// changed, missing or added.
///
/// The manifest tells what the files are now: make it as long as they can be trusted. With `autogenerate_manifest` in
/// the configuration every backup makes its own. Tablespaces that were copied
/// beside the data directory are not in it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::IN_SERVICE) {
        let server = app.server(config);
        let codecs = backup_archives::codecs(&server);
        generate_manifest::run(&app.context, &mut server.catalog()?, &codecs, &args.backup.backup_id)?;
    }
    Ok(())
}
