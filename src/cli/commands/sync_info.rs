use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::cli::globals::RELEASE;
use crate::ops::{Error, sync};
use crate::output::json;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  What a passive node would be told:
    barman sync-info main
  On a passive node, what its primary says:
    barman sync-info --primary main

Exit status:
  0  the answer is complete
  1  the WAL file named is not one that this node can go on from; ask without it";

/// Tell another node which backups and WAL there are
///
/// One JSON document: the records of all complete backups, the WAL files after LAST_WAL (without it, those from the begin
/// of the oldest backup on), and the settings of the server, without passwords. `cron` of a passive node runs this on its
/// primary, over ssh.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server to tell of
    server_name: String,

    /// Last WAL file that the other node was told of
    last_wal: Option<String>,

    /// Where the line of that file starts in xlog.db, in bytes: the `last_position` of the answer before
    last_position: Option<u64>,

    /// Ask the primary of this passive node, and print what it answers
    #[arg(long)]
    primary: bool,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let Some(config) = selection::server(app, &args.server_name, Reaction::IN_SERVICE) else { return Ok(()) };
    let server = app.server(config);
    let (last_wal, last_position) = (args.last_wal.as_deref(), args.last_position);
    let mut out = app.terminal.raw_output();
    if args.primary {
        sync::relay(&server, last_wal, last_position, &mut out)?;
        return Ok(());
    }
    let (info, wals) = sync::answer(&server, sync::Request { last_wal, last_position }, RELEASE)?;
    let mut out = std::io::BufWriter::with_capacity(64 << 10, out);
    json::write_sync_info(&mut out, &info, wals.map(|wal| wal.map_err(Interrupted::Wal)))
        .map_err(Interrupted::into_error)?;
    Ok(())
}

/// Why the answer has no end.
enum Interrupted {
    Wal(Error),
    Output(std::io::Error),
}

impl From<std::io::Error> for Interrupted {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl Interrupted {
    fn into_error(self) -> Error {
        match self {
            Self::Wal(error) => error,
            Self::Output(error) => Error::Output(error),
        }
    }
}
