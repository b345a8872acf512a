use super::copy_options::seconds_or;
use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::switch_wal::{self, SwitchOptions};

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Servers to act on, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,

    /// Ask for a checkpoint first, so that there is something to switch even on an idle server
    #[arg(long)]
    force: bool,

    /// Wait until the finished file is in the archive
    #[arg(long)]
    archive: bool,

    /// Give up that wait after so many seconds, 0 for no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    archive_timeout: u64,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let reaction = Reaction { skip_passive: true, ..Reaction::IN_SERVICE };
    let options = SwitchOptions {
        checkpoint: args.force,
        archive: args.archive,
        timeout: seconds_or(Some(args.archive_timeout), None),
    };
    for config in selection::servers(app, &args.server_names, reaction) {
        app.keep_going(switch_wal::run(&app.server(config), &options))?;
    }
    Ok(())
}
