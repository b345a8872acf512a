use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::rebuild_xlogdb;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman rebuild-xlogdb main";

/// Make the list of the archived WAL anew from the files
///
/// For when xlog.db is damaged or lost. What is in the archive decides; of the old list only the names of compressions
/// are taken over. Archiving may go on meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers whose list of WAL files to make anew, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    for config in selection::servers(app, &args.server_names, Reaction::IN_SERVICE) {
        app.keep_going(rebuild_xlogdb::run(&app.server(config)))?;
    }
    Ok(())
}
