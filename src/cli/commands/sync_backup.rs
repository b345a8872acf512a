use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::sync;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Copy a backup now instead of with the next cron:
    barman sync-backup main 20260101T100000

Exit status:
  0  the backup is here, or the retention policy of this node does not want it
  1  it could not be copied, and is FAILED; the next try goes on from what is here";

/// Copy a backup from the primary node
///
/// For a passive node, whose `cron` does this for each backup that is not here, one after the other. Files that another
/// backup here has too are not sent (with `reuse_backup`), nor what an interrupted copy has brought. The backup is DONE
/// when its WAL is here as well, which is copied at the end.
///
/// What the primary has was learned by the last `cron`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Identifier of the backup
    backup_id: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        sync::sync_backup(&app.server(config), &args.backup_id)?;
    }
    Ok(())
}
