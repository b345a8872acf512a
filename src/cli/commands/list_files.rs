use clap::ValueEnum;

use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::list_files::{self, Options, Target};

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full
    backup_id: String,

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
    if let Some(config) = selection::server(app, &args.server_name, Reaction::ANY) {
        let server = app.server(config);
        let (catalog, archive) = (server.catalog()?, server.archive());
        let options = Options { target, empty_directories: args.list_empty_directories };
        list_files::run(&app.context, &catalog, &archive, &args.backup_id, options, &mut |path| {
            app.terminal.answer_path(path);
            Ok(())
        })?;
    }
    Ok(())
}
