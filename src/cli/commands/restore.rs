use std::path::PathBuf;

use clap::ValueEnum;

use super::copy_options::CopyOptions;
use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::config::{ServerConfig, StagingLocation};
use crate::ops::restore::{self, RestoreRequest, TypedStaging, TypedTarget, WalOptions};
use crate::ops::{self, CopySettings};
use crate::types::{Lsn, TargetAction, TargetTimeline, Timeline};

/// What the long help ends with.
const MORE: &str = "\
Examples:
  Everything up to the last WAL that was archived, then on with a timeline of its own:
    barman restore main latest /srv/pg/restored --target-tli latest
  To the moment before a mistake, and then on as a server of its own:
    barman restore main latest /srv/pg/restored --target-time '2026-01-31 10:00:00+01:00' --target-action promote
  To a restore point, with a tablespace in another place:
    barman restore main 20260131T020000 /srv/pg/restored --target-name before-release --tablespace fast:/srv/fast
  On another host, whose account postgres this one can reach:
    barman restore main latest /srv/pg/restored --remote-ssh-command 'ssh postgres@db2'
  The newest backup that reaches a moment, whichever that is:
    barman restore main auto /srv/pg/restored --target-time '2026-01-31 10:00:00+01:00'
  A new standby there, which takes the WAL that its primary has no more from this host:
    barman restore main latest /srv/pg/data --standby-mode --get-wal --remote-ssh-command 'ssh postgres@db2'
  Back over a stopped server's directory, copying what has changed:
    barman restore main latest /srv/pg/data --delta-restore --remote-ssh-command 'ssh postgres@db2'

Exit status:
  0  the directory is ready; look at what the output lists before PostgreSQL is started on it
  1  it was refused before anything was written, or failed; the message tells which";

/// Restore a backup, to its end or to a moment after it
///
/// Writes a data directory that PostgreSQL can be started on. Without a target PostgreSQL replays all WAL that is
/// archived and goes on with the timeline of the backup; with one it stops there and begins a new timeline, and so
/// it does at the end of the WAL with `--target-tli latest`. Only a server with a new timeline may archive WAL
/// beside the original. The backup must have ended before the target: take the newest one that did.
///
/// With `--get-wal` PostgreSQL fetches the WAL from here while it recovers, instead of having it copied; with
/// `--standby-mode` it stays a standby, of the server that `primary_conninfo` in its configuration names.
///
/// Everything is looked at first: that the destination is empty and large enough, that each WAL file up to the
/// target is archived, that the tablespaces have a place. Then the files are copied, and settings that would harm
/// are switched off, `archive_command` above all; the end of the output lists them. PostgreSQL refuses to start on
/// a restore that did not finish; after an interruption the same command may be repeated.
///
/// The destination is never the directory of a running server. The page to read in an emergency is
/// `doc/manual/recovery.md`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full; auto is the newest one that
    /// reaches the target, a time or an LSN
    backup_id: String,

    /// Directory that becomes the data directory; it must be empty or not exist, but for --delta-restore
    destination_directory: PathBuf,

    /// Timeline to follow: a number, 'current' (that of the backup) or 'latest'
    #[arg(long, value_name = "TLI", value_parser = parse_timeline)]
    target_tli: Option<TargetTimeline>,

    /// Moment to restore to, like '2026-01-31 10:00:00+01:00'
    #[arg(long, value_name = "TIME")]
    target_time: Option<String>,

    /// Transaction to restore to
    #[arg(long, value_name = "XID")]
    target_xid: Option<String>,

    /// WAL position to restore to, like 0/3000138
    #[arg(long, value_name = "LSN")]
    target_lsn: Option<Lsn>,

    /// Restore point to restore to, made with pg_create_restore_point()
    #[arg(long, value_name = "NAME")]
    target_name: Option<String>,

    /// Stop as soon as the backup is consistent
    #[arg(long)]
    target_immediate: bool,

    /// Stop just before the target (time, transaction or position) instead of just after it
    #[arg(long)]
    exclusive: bool,

    /// What PostgreSQL does when it has reached the target
    #[arg(long, value_enum, value_name = "ACTION")]
    target_action: Option<Action>,

    /// Have the restored server stay a standby
    #[arg(long)]
    standby_mode: bool,

    /// Have PostgreSQL fetch the WAL from this host, by `barman get-wal` or barman-wal-restore
    #[arg(long, overrides_with = "no_get_wal")]
    get_wal: bool,

    /// Copy the WAL, although the configuration says get-wal
    #[arg(long, overrides_with = "get_wal")]
    no_get_wal: bool,

    /// Copy what has arrived of the newest WAL segment, too
    #[arg(long)]
    partial_wal: bool,

    /// With a target: directory for the WAL, instead of barman_wal in the destination; PostgreSQL removes it in the end
    #[arg(long, value_name = "DIRECTORY")]
    staging_wal_directory: Option<PathBuf>,

    /// File of the data directory for the settings of recovery, instead of postgresql.auto.conf
    #[arg(long, value_name = "NAME")]
    recovery_conf_filename: Option<String>,

    /// With --get-wal: the restore_command, instead of the one made by Barman
    #[arg(long, value_name = "COMMAND")]
    restore_command: Option<String>,

    /// With --get-wal on another host: the port of this host's SSH server
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    recovery_option_port: Option<u16>,

    /// Restore over the files of a stopped server of the same cluster: those that are the backup's stay, others go
    #[arg(long, overrides_with = "no_delta_restore")]
    delta_restore: bool,

    /// Want an empty destination, although the configuration says delta-restore
    #[arg(long, overrides_with = "delta_restore")]
    no_delta_restore: bool,

    /// Put a tablespace into another directory
    #[arg(long, value_name = "NAME:LOCATION")]
    tablespace: Vec<String>,

    /// Restore on another host: the command that reaches it, like 'ssh postgres@db2'
    #[arg(long, value_name = "SSH_COMMAND")]
    remote_ssh_command: Option<String>,

    /// Compress what is sent to the other host
    #[arg(long, overrides_with = "no_network_compression")]
    network_compression: bool,

    /// Do not compress it, although the configuration says so
    #[arg(long, overrides_with = "network_compression")]
    no_network_compression: bool,

    /// Directory of this host in which archives are unpacked before their files are copied to another host
    #[arg(long, value_name = "PATH")]
    staging_path: Option<PathBuf>,

    /// Host of the staging path; with 'remote' archives are unpacked on their way, and nothing is staged
    #[arg(long, value_enum, value_name = "LOCATION")]
    staging_location: Option<Location>,

    /// Deprecated: the same as --staging-path, for archives
    #[arg(long, value_name = "PATH")]
    recovery_staging_path: Option<PathBuf>,

    /// Deprecated: the same as --staging-path, for encrypted and incremental backups
    #[arg(long, value_name = "PATH")]
    local_staging_path: Option<PathBuf>,

    #[command(flatten)]
    copy: CopyOptions,
}

/// The values of `--staging-location`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Location {
    Local,
    Remote,
}

/// The values of `--target-action`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Pause,
    Shutdown,
    Promote,
}

pub fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(config) = selection::server(app, &args.server_name, Reaction::SOUND) {
        let restored = restore::run(&app.server(config), &request(args, config)?)?;
        app.terminal.answer(&restored);
    }
    Ok(())
}

fn staging(args: &Args) -> TypedStaging {
    TypedStaging {
        path: args.staging_path.clone(),
        location: args.staging_location.map(|location| match location {
            Location::Local => StagingLocation::Local,
            Location::Remote => StagingLocation::Remote,
        }),
        unpack_path: args.recovery_staging_path.clone(),
        combine_path: args.local_staging_path.clone(),
    }
}

/// What was typed over what is configured.
fn request(args: &Args, config: &ServerConfig) -> Result<RestoreRequest, ops::Error> {
    let defaults = config.recovery_options();
    Ok(RestoreRequest {
        backup: args.backup_id.clone(),
        destination: args.destination_directory.clone(),
        targets: targets(args),
        timeline: args.target_tli,
        exclusive: args.exclusive,
        action: args.target_action.map(Action::meaning),
        tablespaces: args.tablespace.clone(),
        remote_ssh_command: args.remote_ssh_command.clone(),
        standby: args.standby_mode,
        wal: WalOptions {
            get_wal: args.get_wal || defaults.get_wal && !args.no_get_wal,
            partial: args.partial_wal,
            staging_directory: args.staging_wal_directory.clone(),
            restore_command: args.restore_command.clone(),
            port: args.recovery_option_port,
        },
        staging: staging(args),
        settings_file: args.recovery_conf_filename.clone(),
        delta: args.delta_restore || defaults.delta_restore && !args.no_delta_restore,
        copy: copy_settings(args, config)?,
    })
}

fn copy_settings(args: &Args, config: &ServerConfig) -> Result<CopySettings, ops::Error> {
    if args.network_compression && args.remote_ssh_command.is_none() {
        return Err(ops::Error::refused(
            "Network compression can only be used with remote recovery.\n\
             HINT: If you want to do a remote recovery you have to use the --remote-ssh-command option",
        ));
    }
    let mut settings = args.copy.settings(config);
    settings.network_compression |= args.network_compression;
    settings.network_compression &= !args.no_network_compression;
    Ok(settings)
}

fn targets(args: &Args) -> Vec<TypedTarget> {
    let mut targets = Vec::new();
    targets.extend(args.target_time.clone().map(TypedTarget::Time));
    targets.extend(args.target_xid.clone().map(TypedTarget::Xid));
    targets.extend(args.target_lsn.map(TypedTarget::Lsn));
    targets.extend(args.target_name.clone().map(TypedTarget::Name));
    targets.extend(args.target_immediate.then_some(TypedTarget::Immediate));
    targets
}

impl Action {
    fn meaning(self) -> TargetAction {
        match self {
            Self::Pause => TargetAction::Pause,
            Self::Shutdown => TargetAction::Shutdown,
            Self::Promote => TargetAction::Promote,
        }
    }
}

fn parse_timeline(text: &str) -> Result<TargetTimeline, String> {
    match text {
        "current" => Ok(TargetTimeline::Current),
        "latest" => Ok(TargetTimeline::Latest),
        number => {
            let number: u32 = number.parse().map_err(|_| format!("'{text}' is not a valid input"))?;
            let timeline =
                Timeline::new(number).ok_or_else(|| format!("'{text}' is not a valid positive integer"))?;
            Ok(TargetTimeline::Number(timeline))
        }
    }
}
