use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::{retention, show_backup};

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman show-backup main latest
  Why the last one failed:
    barman show-backup main last-failed";

/// Show all about a backup
///
/// Its status, where it came from, its tablespaces, how large it is and how long it took, the WAL from its begin to
/// its end and the WAL that followed, and what the retention policy makes of it. Of a failed backup it shows the
/// reason.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::ANY) {
        let server = app.server(config);
        let (catalog, archive) = (server.catalog()?, server.archive());
        let rules = retention::Rules::of(config);
        let details = show_backup::run(&app.context, &catalog, &archive, rules, &args.backup.backup_id)?;
        app.terminal.answer(&details);
    }
    Ok(())
}
