use crate::cli::app::App;
use crate::ops::{config_update, processes};

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman config-update '[{\"scope\": \"server\", \"server_name\": \"main\", \"parallel_jobs\": \"4\"}]'
  A new model:
    barman config-update '[{\"scope\": \"model\", \"model_name\": \"berlin\", \"cluster\": \"main\", \"conninfo\": \"host=b\"}]'

Exit status:
  0  all changes were made
  1  one makes no sense, and none was made; or a file could not be written, and the change waits for the next 'cron'";

/// Change options in the configuration files
///
/// Takes a JSON list with an object for each section: its `scope` (`server` or `model`), its `server_name` or
/// `model_name`, and the options with their new values, as text. An option is changed in the file that sets it now; one
/// that no file sets, or that is set in a TOML file, goes to `.barman.auto.conf` in `barman_home`, which is read last.
/// Nothing else in the files changes. A section that does not exist is made; a new model needs its `cluster`.
///
/// It is made for programs that manage many servers. Changes go through the queue in `config_changes_queue`: should a file
/// not be writable at the moment, `cron` makes them later.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// The changes, as JSON
    json_changes: String,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let changed = config_update::run(&app.context, &app.config.global, &args.json_changes)?;
    let servers = changed.iter().filter_map(|section| app.config.servers.get(section));
    for config in servers.filter(|config| config.is_active() && !config.is_disabled()) {
        app.tell_notices_of(config);
        app.keep_going(processes::stop_receiving(&app.server(config)))?;
    }
    Ok(())
}
