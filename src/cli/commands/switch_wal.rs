use super::copy_options::seconds_or;
use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::switch_wal::{self, SwitchOptions};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Prove that WAL arrives:
    barman switch-wal --force --archive main
  Before a risky change, so that the moment before it is in the archive:
    barman switch-wal --archive --archive-timeout 120 main

Exit status:
  0  it was done; on a standby, or without anything to ship, nothing was
  1  PostgreSQL refused, or the file did not arrive in time";

/// Make PostgreSQL finish its current WAL file
///
/// PostgreSQL ships a WAL file when it is full. This makes it ship the current one now, so that everything
/// committed until now can be restored. On an idle server there may be nothing to ship; `--force` sees to it that
/// there is.
///
/// With `--archive` the program also waits until the file has come and is archived: the shortest proof that WAL
/// arrives, after setting up a server or mending it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
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
