use std::path::PathBuf;

use clap::ValueEnum;

use super::copy_options::CopyOptions;
use super::selection::{self, Reaction};
use crate::cli::app::App;
use crate::ops::restore::{self, RestoreRequest, TypedTarget};
use crate::types::{Lsn, TargetAction, TargetTimeline, Timeline};

/// How it is mostly typed, below the options.
pub const EXAMPLE: &str = "\
To the moment before a mistake, on a server of its own:
  barman restore main latest /srv/pg/restored --target-time '2026-01-31 10:00:00+01:00' --target-action promote
Without a target PostgreSQL replays all WAL that is archived. The destination is never the one of a running server.";

/// What can be typed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Server of the backup
    server_name: String,

    /// Backup: its identifier or its name, or latest, oldest, last-failed, latest-full
    backup_id: String,

    /// Directory that becomes the data directory; it must be empty or not exist
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

    /// Put a tablespace into another directory
    #[arg(long, value_name = "NAME:LOCATION")]
    tablespace: Vec<String>,

    #[command(flatten)]
    copy: CopyOptions,
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
        let request = RestoreRequest {
            backup: args.backup_id.clone(),
            destination: args.destination_directory.clone(),
            targets: targets(args),
            timeline: args.target_tli,
            exclusive: args.exclusive,
            action: args.target_action.map(Action::meaning),
            tablespaces: args.tablespace.clone(),
            copy: args.copy.settings(config),
        };
        let restored = restore::run(&app.server(config), &request)?;
        app.terminal.answer(&restored);
    }
    Ok(())
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
