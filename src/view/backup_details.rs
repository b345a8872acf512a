use crate::catalog::BackupInfo;
use crate::types::{BackupId, ByteSize, RetentionStatus, Timeline, WalSegment};

/// The answer of `show-backup`.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupDetails {
    /// The server.
    pub server: String,
    /// The record of the backup.
    pub info: BackupInfo,
    /// What else is known of a backup whose files are all there.
    pub available: Option<AvailableDetails>,
}

/// What the archive and the catalogue know of a backup whose files are all there.
#[derive(Debug, Clone, PartialEq)]
pub struct AvailableDetails {
    /// The WAL from its begin to the end of the next backup.
    pub wal: WalUse,
    /// What the retention policy says; `None` without a policy.
    pub retention: Option<RetentionStatus>,
    /// The available backup before it.
    pub previous: Option<BackupId>,
    /// The available backup after it.
    pub next: Option<BackupId>,
    /// Timelines that it can be rolled forward to.
    pub reachable_timelines: Vec<Timeline>,
    /// What an increment is based on.
    pub chain: Option<Chain>,
}

/// The WAL of a backup, complete segments only.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WalUse {
    /// Files from the begin of the backup to its end.
    pub required_files: u64,
    /// Their size in the archive.
    pub required_size: ByteSize,
    /// Files after its end, up to the end of the next backup.
    pub following_files: u64,
    /// Their size in the archive.
    pub following_size: ByteSize,
    /// How fast files came in from the first of all these to the last.
    pub files_per_second: Option<f64>,
    /// The last of all these files.
    pub last: Option<WalSegment>,
}

/// The backups that an increment is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The one that is no increment.
    pub root: BackupId,
    /// The one just before.
    pub parent: BackupId,
    /// How many there are, with the increment itself.
    pub len: usize,
}
