use std::path::PathBuf;

use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::exchange;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman import-backup main /mnt/vault/backup-export-main-20260131T020000-20260201T093000-5b280817.tar.gz
  And when it is needed no more:
    barman keep main 20260131T020000 --release

Exit status:
  0  the backup is in the catalogue
  1  it was refused or failed; nothing is changed";

/// Take a backup into the catalogue that export-backup has written
///
/// The file must have the name that it got, and a server of that name with the same database cluster must be
/// configured here and must have had a backup. The WAL of the backup goes into the archive of the server; where the
/// archive has other WAL under the same names the backup is refused.
///
/// The imported backup is kept standalone, so that no retention policy removes it. It can be restored to its own end.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server to take the backup in for
    server_name: String,

    /// File that export-backup has written
    tarball: PathBuf,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::SOUND) {
        exchange::import(&app.server(config), &args.tarball)?;
    }
    Ok(())
}
