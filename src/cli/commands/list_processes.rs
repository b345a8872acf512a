use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::processes;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman list-processes main";

/// List the processes that work on a server
///
/// A line for each backup, cron, archiving of WAL or synchronisation that runs, with the number of its process,
/// whoever started it: this program or the Python Barman. They are found by the locks that they hold.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server to look at
    server_name: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) {
        app.terminal.answer(&processes::list(&app.server(config))?);
    }
    Ok(())
}
