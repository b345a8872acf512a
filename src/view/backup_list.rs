use crate::catalog::BackupKind;
use crate::types::{BackupId, BackupStatus, ByteSize, RetentionStatus, Timestamp};

/// The answer of `list-backups` for one server.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupList {
    /// The server.
    pub server: String,
    /// Its backups, newest first.
    pub backups: Vec<BackupRow>,
}

/// What a list tells of a backup.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupRow {
    /// The server that the backup says it is of.
    pub server: String,
    /// Its identifier.
    pub id: BackupId,
    /// The name it was given.
    pub name: Option<String>,
    /// Its kind.
    pub kind: BackupKind,
    /// How far it has come.
    pub status: BackupStatus,
    /// The rest, of a backup whose files are all there.
    pub available: Option<AvailableRow>,
}

/// What a list tells of a backup whose files are all there.
#[derive(Debug, Clone, PartialEq)]
pub struct AvailableRow {
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Its files and the WAL that it needs.
    pub size: ByteSize,
    /// The WAL after it, up to the end of the next backup.
    pub wal_size: ByteSize,
    /// What the retention policy says; `None` without a policy.
    pub retention: Option<RetentionStatus>,
}
