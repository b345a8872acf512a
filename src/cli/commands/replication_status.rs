use clap::ValueEnum;

use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::replication_status::{self, Source};
use crate::view::{ClientKind, ReplicationStatus};

/// What the long help ends with.
const MORE: &str = "\
Examples:
    barman replication-status main
  The standbys, each on a line:
    barman replication-status --minimal --target hot-standby main

Exit status:
  0  PostgreSQL was asked, whether or not there is anybody
  1  a server could not be asked";

/// Show who receives the WAL of servers by streaming
///
/// Of every standby and every program like `pg_receivewal`: who it is, where it comes from, and how far behind the server
/// it is, in what was sent, written, flushed and replayed. The role `pg_monitor` is enough to see it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers to ask, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,

    /// Print one line for each client
    #[arg(long)]
    minimal: bool,

    /// Which clients: those that replay WAL, those that keep it only, or all
    #[arg(long, value_enum, default_value_t = Target::All)]
    target: Target,

    /// Which server to ask: the one that is backed up, or the one of `wal_conninfo`
    #[arg(long, value_enum, default_value_t = Host::BackupHost)]
    source: Host,
}

/// The values of `--target`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    All,
    HotStandby,
    WalStreamer,
}

/// The values of `--source`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Host {
    BackupHost,
    WalHost,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let clients_of = match args.target {
        Target::All => ClientKind::All,
        Target::HotStandby => ClientKind::HotStandby,
        Target::WalStreamer => ClientKind::WalStreamer,
    };
    let source = match args.source {
        Host::BackupHost => Source::BackupHost,
        Host::WalHost => Source::WalHost,
    };
    for config in selection::servers(app, &args.server_names, Reaction::WITH_POSTGRES) {
        let found = app.keep_going(replication_status::run(&app.server(config), source, clients_of))?;
        let server = config.name().to_owned();
        app.terminal.answer(&ReplicationStatus { server, clients_of, minimal: args.minimal, found });
    }
    Ok(())
}
