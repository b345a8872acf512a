use std::io;

use super::selection::{self, Reaction};
use super::ssh_caller;
use crate::cli::app::App;
use crate::ops::put_wal;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  What barman-wal-archive does on PostgreSQL's host:
    tar --create 000000010000000000000042 SHA256SUMS | ssh barman@backup barman put-wal main
  See whether this server would take WAL:
    barman put-wal --test main

Exit status:
  0  all files of the archive are safe on disk
  1  none of them is; the message says why";

/// Take in WAL files that arrive on standard input
///
/// Reads a tar archive of WAL files and of their checksums (`SHA256SUMS` or `MD5SUMS`), and puts the files into the
/// incoming directory, from where `archive-wal` files them away. Nothing is there before everything has arrived and its
/// checksum is right; what is there then is safe on disk. A file that is there already is left alone when it is the same;
/// another one of its name goes to the directory `errors`.
///
/// Meant for `barman-wal-archive`, which runs it over ssh as PostgreSQL's `archive_command`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server whose WAL arrives
    server_name: String,

    /// Only tell whether this server would take WAL
    #[arg(short, long)]
    test: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let Some(config) = selection::server(app, &args.server_name, Reaction::SOUND) else { return Ok(()) };
    let server = app.server(config);
    if !config.is_active() {
        server.error(format!("Inactive server: {}", server.name()));
    } else if args.test {
        server.info(format!("Ready to accept WAL files for the server {}", server.name()));
    } else if let Err(error) = put_wal::run(&server, io::stdin().lock()) {
        ssh_caller::say_error(app, &error);
    }
    Ok(())
}
