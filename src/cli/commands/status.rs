use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::status;

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman status main
    barman status all";

/// Show the state of servers in short
///
/// What is backed up and what PostgreSQL is doing: version, size, the WAL it writes and the WAL it shipped last,
/// failures of its archiver, the retention policy, the first and the last backup, whether there are as many as
/// `minimum_redundancy` asks for. It judges nothing: that is what `check` is for.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers to show, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    for config in selection::servers(app, &args.server_names, Reaction::ANY) {
        if let Some(answer) = app.keep_going(status::run(&app.server(config)))? {
            app.terminal.answer(&answer);
        }
    }
    Ok(())
}
