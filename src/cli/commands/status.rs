use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::status;

/// What can be typed.
#[derive(Debug, clap::Args)]
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
