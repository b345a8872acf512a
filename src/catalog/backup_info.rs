//! The record of one backup, `backup.info`.

use std::fmt;
use std::path::PathBuf;

use super::py_literal::Literal;
use super::{CopyStats, Tablespace};
use crate::types::{BackupId, BackupStatus, Lsn, PgVersion, SegmentSize, Timeline, Timestamp, WalSegment};

mod format;
mod json;
#[cfg(test)]
mod tests;

pub use format::{Malformed, Problem};

/// What is known of one backup: the content of its `backup.info`.
///
/// Nothing is filled in that the file does not say; a backup that has only been planned has little more than
/// its name and `EMPTY`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields have the names and meanings of the file, see doc/formats.md")]
pub struct BackupInfo {
    /// The name of the backup; told by the name of the file, not by its content.
    pub id: BackupId,
    /// Content of the `backup_label` that a concurrent backup left in the copy.
    pub backup_label: Option<String>,
    /// The name given by the user (`--name`).
    pub backup_name: Option<String>,
    pub begin_offset: Option<u32>,
    /// When the backup began, by the clock of PostgreSQL.
    pub begin_time: Option<Timestamp>,
    /// The first segment that a restore needs.
    pub begin_wal: Option<WalSegment>,
    pub begin_xlog: Option<Lsn>,
    /// Incremental backups that are based on this one.
    pub children_backup_ids: Vec<BackupId>,
    /// Bytes of all tablespaces of the server when the backup began.
    pub cluster_size: Option<u64>,
    pub compression: Option<String>,
    pub config_file: Option<PathBuf>,
    pub copy_stats: Option<CopyStats>,
    /// `on` or `off`.
    pub data_checksums: Option<String>,
    /// Bytes of the files that only this backup has.
    pub deduplicated_size: Option<u64>,
    pub encryption: Option<String>,
    pub end_offset: Option<u32>,
    pub end_time: Option<Timestamp>,
    /// The last segment that a restore needs.
    pub end_wal: Option<WalSegment>,
    pub end_xlog: Option<Lsn>,
    /// Why the backup failed; one line.
    pub error: Option<String>,
    pub hba_file: Option<PathBuf>,
    pub ident_file: Option<PathBuf>,
    /// Files that the configuration includes.
    pub included_files: Option<Vec<PathBuf>>,
    /// How the copy was made, such as `rsync-concurrent`.
    pub mode: Option<String>,
    /// The backup that this one is an increment of.
    pub parent_backup_id: Option<BackupId>,
    pub pgdata: Option<PathBuf>,
    pub server_name: Option<String>,
    /// Bytes of all files of the backup.
    pub size: Option<u64>,
    pub snapshots_info: Option<Literal>,
    pub status: BackupStatus,
    /// `on` or `off`.
    pub summarize_wal: Option<String>,
    pub systemid: Option<String>,
    /// None is known when the server had none, too.
    pub tablespaces: Vec<Tablespace>,
    /// The timeline of `begin_wal`.
    pub timeline: Option<Timeline>,
    pub version: Option<PgVersion>,
    pub xlog_segment_size: SegmentSize,
    /// Fields of a newer Barman, which are written back as they were read. None is ever added.
    pub unknown: Vec<(String, String)>,
}

impl BackupInfo {
    /// The record of a backup of which nothing is known yet, not even of which server it is.
    pub fn new(id: BackupId) -> Self {
        Self {
            id,
            backup_label: None,
            backup_name: None,
            begin_offset: None,
            begin_time: None,
            begin_wal: None,
            begin_xlog: None,
            children_backup_ids: Vec::new(),
            cluster_size: None,
            compression: None,
            config_file: None,
            copy_stats: None,
            data_checksums: None,
            deduplicated_size: None,
            encryption: None,
            end_offset: None,
            end_time: None,
            end_wal: None,
            end_xlog: None,
            error: None,
            hba_file: None,
            ident_file: None,
            included_files: None,
            mode: None,
            parent_backup_id: None,
            pgdata: None,
            server_name: None,
            size: None,
            snapshots_info: None,
            status: BackupStatus::Empty,
            summarize_wal: None,
            systemid: None,
            tablespaces: Vec::new(),
            timeline: None,
            version: None,
            xlog_segment_size: SegmentSize::DEFAULT,
            unknown: Vec::new(),
        }
    }

    /// What kind of backup this is, told from how the copy was made.
    pub fn kind(&self) -> BackupKind {
        let made_by = |prefix| self.mode.as_deref().is_some_and(|mode| mode.starts_with(prefix));
        match self.parent_backup_id {
            _ if made_by("snapshot") => BackupKind::Snapshot,
            _ if made_by("rsync") => BackupKind::Rsync,
            Some(_) => BackupKind::Incremental,
            None => BackupKind::Full,
        }
    }

    /// Whether it was taken from a standby, as PostgreSQL wrote into its label.
    pub fn is_of_standby(&self) -> bool {
        self.backup_label.iter().flat_map(|label| label.lines()).any(|line| line == "BACKUP FROM: standby")
    }

    /// Whether only the changes since another backup were copied.
    pub fn is_incremental(&self) -> bool {
        self.kind() == BackupKind::Incremental
    }

    /// Whether all files of the cluster are there, so that lists and shortcuts call the backup available.
    pub fn is_available(&self) -> bool {
        self.status.is_copy_done()
    }
}

/// The kinds of backup that lists tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackupKind {
    /// All files of the cluster, copied by rsync.
    Rsync,
    /// All files of the cluster, sent by PostgreSQL.
    Full,
    /// Only what changed since its parent.
    Incremental,
    /// Snapshots of the disks, kept by a cloud provider.
    Snapshot,
}

impl BackupKind {
    /// The letter of a list.
    pub fn letter(self) -> char {
        match self {
            Self::Rsync => 'R',
            Self::Full => 'F',
            Self::Incremental => 'I',
            Self::Snapshot => 'S',
        }
    }

    /// The word of `backup_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsync => "rsync",
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Snapshot => "snapshot",
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
