use crate::catalog::{BackupInfo, BackupKind};
use crate::types::{BackupId, ByteSize, RetentionStatus, SegmentSize, Timeline, WalSegment};

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

/// What a backup did not have to store of the cluster, because an earlier backup has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saved {
    /// How much.
    pub size: ByteSize,
    /// Its share of the whole.
    pub share: f64,
}

impl BackupDetails {
    /// What the backup did not have to store; `None` of a kind that always stores everything.
    pub fn saved(&self) -> Option<Saved> {
        let info = &self.info;
        let cluster = info.cluster_size.filter(|size| *size > 0);
        let whole = match info.kind() {
            BackupKind::Rsync => info.size,
            BackupKind::Incremental => cluster,
            BackupKind::Full | BackupKind::Snapshot => return None,
        };
        let share = match (whole, info.deduplicated_size) {
            (Some(whole @ 1..), Some(stored @ 1..)) => 1.0 - stored as f64 / whole as f64,
            _ => 0.0,
        };
        let saved = cluster.or(info.size).unwrap_or(0) as f64 * share;
        Some(Saved { size: ByteSize(saved as i64), share })
    }
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

impl WalUse {
    /// The share that compression saves of the files up to the end; `None` when it saves nothing.
    pub fn required_compression(&self, segment: SegmentSize) -> Option<f64> {
        compression(self.required_files, self.required_size, segment)
    }

    /// The share that compression saves of the files after the end; `None` when it saves nothing.
    pub fn following_compression(&self, segment: SegmentSize) -> Option<f64> {
        compression(self.following_files, self.following_size, segment)
    }
}

fn compression(files: u64, stored: ByteSize, segment: SegmentSize) -> Option<f64> {
    let whole = files as f64 * f64::from(segment.bytes());
    Some(1.0 - stored.0 as f64 / whole).filter(|saved| *saved > 0.0)
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
