use super::selection;
use crate::cli::app::App;
use crate::ops;

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave standard output and error open for the background work, to see what it says
    #[arg(long)]
    keep_descriptors: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if !selection::refuse_conflicts(app) {
        let servers = app.config.servers.values().map(|config| app.server(config));
        ops::cron::run(servers, args.keep_descriptors)?;
    }
    Ok(())
}
