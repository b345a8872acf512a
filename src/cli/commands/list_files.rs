use clap::ValueEnum;

use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::ops::list_files::{self, Options, Target};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Copy to tape what a restore of this backup alone needs:
    barman list-files main latest | tar --create --files-from - --file /dev/st0
  The WAL from this backup up to the next one:
    barman list-files main latest --target wal";

/// List the files of a backup
///
/// Prints absolute paths on this host, one on a line, to copy a backup elsewhere by other means. The default,
/// `standalone`, is the smallest set that PostgreSQL can be started from.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,

    /// Which files: those of the base backup, with the WAL that it cannot do without, or with all WAL that follows
    #[arg(long, value_enum, default_value_t = Which::Standalone)]
    target: Which,

    /// List empty directories too
    #[arg(long)]
    list_empty_directories: bool,
}

/// The values of `--target`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    Standalone,
    Data,
    Wal,
    Full,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let target = match args.target {
        Which::Standalone => Target::Standalone,
        Which::Data => Target::Data,
        Which::Wal => Target::Wal,
        Which::Full => Target::Full,
    };
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::ANY) {
        let server = app.server(config);
        let (catalog, archive) = (server.catalog()?, server.archive());
        let options = Options { target, empty_directories: args.list_empty_directories };
        list_files::run(&app.context, &catalog, &archive, &args.backup.backup_id, options, &mut |path| {
            app.terminal.answer_path(path);
            Ok(())
        })?;
    }
    Ok(())
}
