use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::delete;

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full
    backup_id: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::SOUND) {
        let server = app.server(config);
        let mut catalog = server.catalog()?;
        let settings = delete::Settings::of(&server);
        delete::run(&app.context, &mut catalog, &server.archive(), settings, &args.backup_id)?;
    }
    Ok(())
}
