use std::path::PathBuf;

use clap::ValueEnum;

use super::selection::{self, BackupArgs, Reaction};
use crate::cli::app::App;
use crate::cli::globals::{IMPLEMENTATION, RELEASE};
use crate::codec::{Compression, Format};
use crate::ops::exchange::{self, ExportOptions, Packing};
use crate::ops::{Error, diagnose};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  A backup for the vault, as small as a quick compression makes it:
    barman export-backup main latest /mnt/vault --compression gzip --compression-level 1

Exit status:
  0  the archive is written, and on disk; the last line tells its name
  1  it was refused or failed; no archive is left";

/// Write a backup and the WAL that it needs into one file
///
/// The file can be put away, or carried to another Barman and taken in there with `import-backup`: it is all that a
/// restore needs. It holds the data of the database, so only its owner may read it. Its name tells server, backup,
/// time, and the first digits of its SHA-256 checksum.
///
/// Only full backups that are DONE can be exported.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    #[command(flatten)]
    backup: BackupArgs,

    /// Directory to put the file in
    output_directory: PathBuf,

    /// Compress the file
    #[arg(long, value_enum)]
    compression: Option<How>,

    /// How hard to compress: 1 is fast, 9 is small; 6, 5 and 3 are the defaults of gzip, bzip2 and xz
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    compression_level: Option<i64>,
}

/// The values of `--compression`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    Gzip,
    Bzip2,
    Xz,
}

impl How {
    fn meaning(self) -> (Compression, Format) {
        match self {
            Self::Gzip => (Compression::Gzip, Format::Gzip),
            Self::Bzip2 => (Compression::Bzip2, Format::Bzip2),
            Self::Xz => (Compression::Xz, Format::Xz),
        }
    }
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    let packing = packing(args).map_err(Error::Refused)?;
    let options = ExportOptions { directory: args.output_directory.clone(), packing };
    if let Some(config) = selection::server(app, &args.backup.server_name, Reaction::SOUND) {
        let about = diagnose::Options {
            config_source: false,
            barman_version: RELEASE,
            implementation: IMPLEMENTATION,
        };
        let barman = || diagnose::describe_host(&app.context, about);
        exchange::export(&app.server(config), &args.backup.backup_id, &options, barman)?;
    }
    Ok(())
}

fn packing(args: &Args) -> Result<Option<Packing>, String> {
    let Some(how) = args.compression else {
        return match args.compression_level {
            Some(_) => Err("--compression-level requires --compression to be set".to_owned()),
            None => Ok(None),
        };
    };
    let (compression, format) = how.meaning();
    let lowest = if format == Format::Xz { 0 } else { 1 };
    if let Some(level) = args.compression_level.filter(|level| !(lowest..=9).contains(level)) {
        let levels: Vec<String> = (lowest..=9).map(|level| level.to_string()).collect();
        return Err(format!(
            "Invalid compression level '{level}' for algorithm '{compression}'. Valid levels are: {}",
            levels.join(", ")
        ));
    }
    Ok(Some(Packing { compression, format, level: args.compression_level }))
}
