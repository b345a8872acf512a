use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::rebuild_xlogdb;

/// What can be typed.
#[derive(Debug, clap::Args)]
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
