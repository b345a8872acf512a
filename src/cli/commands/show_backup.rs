use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::{retention, show_backup};

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full
    backup_id: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::ANY) {
        let server = app.server(config);
        let (catalog, archive) = (server.catalog()?, server.archive());
        let rules = retention::Rules::of(config);
        let details = show_backup::run(&app.context, &catalog, &archive, rules, &args.backup_id)?;
        app.terminal.answer(&details);
    }
    Ok(())
}
