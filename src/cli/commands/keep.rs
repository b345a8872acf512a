use clap::ValueEnum;

use super::selection::{self, BackupArgs, Reaction};
use crate::catalog;
use crate::cli::app::App;
use crate::ops::{Error, keep};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  The last backup before the migration, for as long as anybody may want to go back to it:
    barman keep main 20260131T020000 --target standalone
  Is it kept?
    barman keep main 20260131T020000 --status
  It has served its time:
    barman keep main 20260131T020000 --release

Exit status:
  0  it is as asked for; a backup that was not kept can be released
  1  it was refused: the backup is unknown, not DONE or incremental";

/// Keep a backup whatever the retention policy says
///
/// A backup that is kept is deleted neither by `cron` nor by `delete`, until it is released. Kept in full, the WAL
/// that follows it stays too, so that it can be rolled forward to any later moment; that takes more room every day.
/// Kept standalone, only the WAL stays that it cannot do without.
///
/// With several of the options the first of `--status`, `--release`, `--target` counts.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,

    /// Leave the backup to the retention policy again
    #[arg(short, long)]
    release: bool,

    /// Tell whether the backup is kept, and what for
    #[arg(short, long)]
    status: bool,

    /// Keep it, with all WAL that follows or with that which it needs itself
    #[arg(long, value_enum)]
    target: Option<Target>,
}

/// The values of `--target`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    Full,
    Standalone,
}

impl From<Target> for catalog::Keep {
    fn from(target: Target) -> Self {
        match target {
            Target::Full => Self::Full,
            Target::Standalone => Self::Standalone,
        }
    }
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if !args.status && !args.release && args.target.is_none() {
        let missing = "one of the arguments -r/--release -s/--status --target is required";
        return Err(Error::refused(missing).into());
    }
    let Some(config) = selection::server(app, &args.backup.server_name, Reaction::IN_SERVICE) else {
        return Ok(());
    };
    let (catalog, backup) = (app.server(config).catalog()?, &args.backup.backup_id);
    match args.target {
        _ if args.status => app.terminal.answer(&keep::status(&catalog, backup)?),
        _ if args.release => keep::release(&catalog, backup)?,
        Some(target) => keep::set(&catalog, backup, target.into())?,
        None => {}
    }
    Ok(())
}
