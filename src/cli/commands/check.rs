use std::process::ExitCode;

use super::copy_options::seconds_or;
use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::config::ServerConfig;
use crate::ops::check;
use crate::output::console;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  One server, after a change:
    barman check main
  All servers on one line, for Nagios and its kin:
    barman check all --nagios

Exit status:
  0  every check of every active server is OK
  1  a check failed, or a server is unknown
  2  with '--nagios': the same as 1, as Nagios wants it for CRITICAL

The failures of a server with 'active = false' are shown and do not count.";

/// Tell whether backups can be taken and WAL arrives
///
/// One line for each thing that a backup or a restore depends on: OK, or FAILED with what is wrong. It makes
/// directories that are missing and archives WAL that waits; while nothing has ever been archived it also asks
/// PostgreSQL to finish a WAL file, to see whether that arrives. Nothing else is changed.
///
/// Use it after every change of the configuration, and from your monitoring. The manual explains each line and its
/// remedy (`doc/manual/monitoring.md`).
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers to check, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,

    /// Answer on one line for Nagios: exit code 0 when all is well, 2 when not
    #[arg(long)]
    pub(super) nagios: bool,

    /// Seconds that the checks of a server may take, 0 for no limit
    #[arg(long, value_name = "SECONDS")]
    check_timeout: Option<u64>,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<ExitCode> {
    let configs = selection::servers(app, &args.server_names, Reaction::ANY);
    for config in configs.iter().filter(|config| config.is_toml() && !args.nagios) {
        app.context.events.warning(&format!(
            "server '{}' is configured in TOML, where the Python Barman cannot see it",
            config.name()
        ));
    }
    let timeout = |config: &ServerConfig| seconds_or(args.check_timeout, config.check_timeout());
    let servers: Vec<_> = configs.into_iter().map(|config| (app.server(config), timeout(config))).collect();
    let mut reports = Vec::new();
    check::run_all(&servers, |report| {
        if !args.nagios {
            app.terminal.answer(&report);
        }
        reports.push(report);
    })?;
    if args.nagios {
        let (text, code) = console::nagios(&reports, app.terminal.failed());
        app.terminal.print_always(&text);
        return Ok(ExitCode::from(code));
    }
    if reports.iter().any(|report| report.active && !report.passed()) {
        app.terminal.mark_failed();
    }
    Ok(ExitCode::SUCCESS)
}
