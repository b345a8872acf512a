use clap::ValueEnum;

use super::copy_options::{CopyOptions, seconds_or};
use super::selection::{self, Reaction};
use crate::catalog::is_reserved_name;
use crate::cli::app::App;
use crate::config::{ReuseBackup, ServerConfig};
use crate::ops::backup::{self, BackupOptions};
use crate::output::TakenBackup;
use crate::types::BackupId;

/// What the long help ends with.
const MORE: &str = "\
Examples:
  The nightly backup, done when it can be restored:
    barman backup main --wait --wait-timeout 3600
  Before a release, with a name to find it by:
    barman backup main --name before-release-7 --immediate-checkpoint
  Over a line that is needed for other things, too:
    barman backup main --bwlimit 20000 --jobs 1
  All servers, one after the other:
    barman backup all

Exit status:
  0  every backup was taken; one may still be WAITING_FOR_WALS
  1  a check or a backup failed, or WAL did not arrive within '--wait-timeout'; the other servers are backed up";

/// Take a base backup of a running server
///
/// Makes the checks of `check` first. Then PostgreSQL is told that a backup begins, its files are copied by rsync,
/// and PostgreSQL is told that it ends; users can work all the while. The backup can be restored as soon as the WAL
/// that was written meanwhile is archived: until then it is WAITING_FOR_WALS, afterwards DONE. Without `--wait` the
/// program waits ten seconds for that and leaves the rest to `cron`.
///
/// A backup that fails or is interrupted is kept as FAILED, with the reason; `show-backup` tells it and `delete`
/// removes it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Servers to back up, or 'all'
    #[arg(required = true, value_name = "SERVER_NAME")]
    server_names: Vec<String>,

    /// Ask PostgreSQL for an immediate checkpoint instead of waiting for the next scheduled one
    #[arg(long, overrides_with = "no_immediate_checkpoint")]
    immediate_checkpoint: bool,

    /// Let PostgreSQL spread the checkpoint, over 'immediate_checkpoint' in the configuration
    #[arg(long, overrides_with = "immediate_checkpoint")]
    no_immediate_checkpoint: bool,

    /// Take unchanged files from the previous backup: 'link' shares them, 'copy' duplicates them
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, default_missing_value = "link")]
    reuse_backup: Option<Reuse>,

    /// A name for the backup, to be used in place of its identifier
    #[arg(long, value_parser = parse_name)]
    name: Option<String>,

    /// Wait until all WAL that the backup needs is archived
    #[arg(short, long)]
    wait: bool,

    /// Give up that wait after so many seconds; the backup stays valid
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u64>,

    /// Seconds between signs of life on the connection to PostgreSQL, 0 for none
    #[arg(long, value_name = "SECONDS")]
    keepalive_interval: Option<u64>,

    /// Seconds that the checks before the backup may take, 0 for no limit
    #[arg(long, value_name = "SECONDS")]
    check_timeout: Option<u64>,

    /// List the copied files with their checksums, for verify-backup
    #[arg(long, overrides_with = "no_manifest")]
    manifest: bool,

    /// Make no such list, over 'autogenerate_manifest' in the configuration
    #[arg(long, overrides_with = "manifest")]
    no_manifest: bool,

    #[command(flatten)]
    copy: CopyOptions,
}

/// The values of `--reuse-backup`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reuse {
    Link,
    Copy,
    Off,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    for config in selection::servers(app, &args.server_names, Reaction::WITH_POSTGRES) {
        let Some(taken) = app.keep_going(backup::run(&app.server(config), &options(args, config)))? else {
            continue;
        };
        app.terminal.answer(&TakenBackup(&taken.record));
        app.keep_going(taken.outcome)?;
    }
    Ok(())
}

fn options(args: &Args, config: &ServerConfig) -> BackupOptions {
    BackupOptions {
        immediate_checkpoint: either(
            (args.immediate_checkpoint, args.no_immediate_checkpoint),
            config.immediate_checkpoint(),
        ),
        reuse: match args.reuse_backup {
            Some(Reuse::Link) => ReuseBackup::Link,
            Some(Reuse::Copy) => ReuseBackup::Copy,
            Some(Reuse::Off) => ReuseBackup::Off,
            None => config.reuse_backup(),
        },
        name: args.name.clone(),
        wait: args.wait,
        wait_timeout: seconds_or(args.wait_timeout, None),
        keepalive: seconds_or(args.keepalive_interval, config.keepalive_interval()),
        check_timeout: seconds_or(args.check_timeout, config.check_timeout()),
        manifest: either((args.manifest, args.no_manifest), config.autogenerate_manifest()),
        copy: args.copy.settings(config),
    }
}

/// What was typed, yes or no; otherwise what is configured.
fn either((yes, no): (bool, bool), configured: bool) -> bool {
    yes || configured && !no
}

/// A name must not be mistaken for something else that stands for a backup.
fn parse_name(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("Backup name cannot be empty".into());
    }
    if name.parse::<BackupId>().is_ok() {
        return Err(format!("Backup name '{name}' is not allowed: backup ID"));
    }
    if is_reserved_name(name) {
        return Err(format!("Backup name '{name}' is not allowed: reserved word"));
    }
    if name.contains(['\n', '\r']) {
        return Err("Backup name cannot span lines".into());
    }
    Ok(name.to_owned())
}
