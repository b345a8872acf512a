use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::sync;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman sync-wals main

Exit status:
  0  all WAL that the last cron was told of is here
  1  it could not be copied; what had come is in the archive, and the next run goes on from there";

/// Copy WAL from the primary node
///
/// For a passive node, whose `cron` does this. Copies the WAL files that the primary has since the last time, from the
/// begin of the oldest backup here on. A file appears in the archive when all of it has come.
///
/// What the primary has was learned by the last `cron`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server whose WAL to copy
    server_name: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        sync::sync_wals(&app.server(config))?;
    }
    Ok(())
}
