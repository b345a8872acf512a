use super::selection;
use crate::cli::app::App;
use crate::ops::{self, config_update};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  The entry in /etc/cron.d/barman:
    * * * * * barman /usr/bin/barman -q cron
  By hand, with what the background work says:
    barman cron --keep-descriptors

Exit status:
  0  the work on every server was done, was begun in the background, or was under way
  1  something could not be done for a server; failures of background work are in the log and in 'check'";

/// Do the maintenance that is due; runs every minute
///
/// First makes the changes of `config-update` that could not be made before. Then, for each active server: archives the
/// WAL that arrived, settles backups that wait for WAL, deletes what the retention policy no longer keeps, finishes
/// deletions that were interrupted, and marks backups FAILED whose process is gone. WAL is archived and waiting backups
/// are settled in the background, so that a slow server does not hold up the others. Deletions, with their hook scripts,
/// are done before `cron` goes on to the next server; of a server that a first `cron` is still busy with, a second one
/// only has WAL archived.
///
/// On a passive node, instead of archiving, it asks the primary what there is, and starts the copy of one backup and of
/// new WAL in the background.
///
/// It belongs into the crontab of user `barman`, once a minute; the Debian package brings that entry.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Leave standard output and error open for the background work, to see what it says
    #[arg(long)]
    keep_descriptors: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if !selection::refuse_conflicts(app) {
        app.keep_going(config_update::run_queue(&app.context, &app.config.global))?;
        let servers = selection::all(app).map(|config| app.server(config));
        ops::cron::run(servers, args.keep_descriptors)?;
    }
    Ok(())
}
