//! A restore as it was typed.

use std::path::{Path, PathBuf};

use crate::config::{StagingLocation, StagingOptions};
use crate::ops::{CopySettings, Error};
use crate::types::{Lsn, TargetAction, TargetTimeline};

/// A restore as it was typed.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// Identifier, name or word for the backup.
    pub backup: String,
    /// The directory that becomes the data directory.
    pub destination: PathBuf,
    /// Where to stop; more than one is refused.
    pub targets: Vec<TypedTarget>,
    /// The timeline to follow.
    pub timeline: Option<TargetTimeline>,
    /// Stop just before the target.
    pub exclusive: bool,
    /// What to do at the target.
    pub action: Option<TargetAction>,
    /// `NAME:LOCATION` rules.
    pub tablespaces: Vec<String>,
    /// What reaches the host to restore on; this one when nothing is said.
    pub remote_ssh_command: Option<String>,
    /// What is said about room for files on their way.
    pub staging: TypedStaging,
    /// Whether the restored server stays a standby.
    pub standby: bool,
    /// How it gets its WAL.
    pub wal: WalOptions,
    /// The file for the settings of recovery.
    pub settings_file: Option<String>,
    /// Whether the destination may hold a cluster, of which what has not changed is kept.
    pub delta: bool,
    /// How files are copied.
    pub copy: CopySettings,
}

/// How the restored server gets its WAL.
#[derive(Debug, Clone, Default)]
pub struct WalOptions {
    /// PostgreSQL fetches it from here; it is not copied.
    pub get_wal: bool,
    /// An unfinished segment is copied, too.
    pub partial: bool,
    /// The directory that it is copied to when recovery is steered.
    pub staging_directory: Option<PathBuf>,
    /// What fetches it.
    pub restore_command: Option<String>,
    /// The port of this host's sshd, for what fetches it from another host.
    pub port: Option<u16>,
}

/// A recovery target as it was typed.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "see `RecoveryTarget`")]
pub enum TypedTarget {
    Immediate,
    Time(String),
    Xid(String),
    Name(String),
    Lsn(Lsn),
}

/// What was typed about staging; the configuration says the rest.
#[derive(Debug, Clone, Default)]
pub struct TypedStaging {
    /// `--staging-path`.
    pub path: Option<PathBuf>,
    /// `--staging-location`.
    pub location: Option<StagingLocation>,
    /// `--recovery-staging-path`.
    pub unpack_path: Option<PathBuf>,
    /// `--local-staging-path`.
    pub combine_path: Option<PathBuf>,
}

impl RestoreRequest {
    /// Whether recovery is steered: to a target, or on a timeline.
    pub fn is_pitr(&self) -> bool {
        !self.targets.is_empty() || self.timeline.is_some()
    }

    /// Whether PostgreSQL needs archive recovery, and settings for it.
    pub fn recovers(&self) -> bool {
        self.is_pitr() || self.wal.get_wal || self.standby
    }

    /// Whether recovery stops as soon as the backup is consistent.
    pub fn ends_with_backup(&self) -> bool {
        matches!(self.targets[..], [TypedTarget::Immediate])
    }
}

impl TypedStaging {
    /// Refuses what cannot be meant, whatever the backup is.
    pub fn ensure_sound(&self, is_remote: bool) -> Result<(), Error> {
        ensure_absolute("staging path", self.path.as_deref())?;
        if self.location == Some(StagingLocation::Remote) && !is_remote {
            return Err(Error::refused(
                "--staging-location as remote requires --remote-ssh-command to be set",
            ));
        }
        ensure_absolute("recovery staging path", self.unpack_path.as_deref())?;
        ensure_absolute("local staging path", self.combine_path.as_deref())
    }

    /// The configuration, and over it what was typed.
    pub fn over(&self, configured: StagingOptions) -> StagingOptions {
        StagingOptions {
            path: self.path.clone().or(configured.path),
            location: self.location.unwrap_or(configured.location),
            unpack_path: self.unpack_path.clone().or(configured.unpack_path),
            combine_path: self.combine_path.clone().or(configured.combine_path),
        }
    }
}

fn ensure_absolute(what: &str, path: Option<&Path>) -> Result<(), Error> {
    match path.filter(|path| !path.is_absolute()) {
        Some(path) => Err(Error::refused(format!(
            "Cannot parse {what}: Invalid value : '{}' (must be an absolute path)",
            path.display()
        ))),
        None => Ok(()),
    }
}
