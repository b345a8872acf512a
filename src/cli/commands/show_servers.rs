use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::show_server;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman show-servers main
  One setting:
    barman show-servers main | grep retention_policy";

/// Show the settings of servers and what PostgreSQL tells about itself
///
/// Every option with the value in force, wherever it was set, and what PostgreSQL says: version, data directory,
/// WAL position, archiver statistics. A server that does not answer has None there. Passwords are not shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers to show, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    for config in selection::servers(app, &args.server_names, Reaction::ANY) {
        if let Some(answer) = app.keep_going(show_server::run(&app.server(config)))? {
            app.terminal.answer(&answer);
        }
    }
    Ok(())
}
