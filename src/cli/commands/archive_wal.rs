use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops;

/// What can be typed.
#[derive(Debug, clap::Args)]
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
