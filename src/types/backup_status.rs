use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// How far a backup has come. The spelling in the catalogue lives here only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BackupStatus {
    /// Recorded, nothing done yet.
    #[default]
    Empty,
    /// PostgreSQL is in backup mode or about to be; files are being copied.
    Started,
    /// The copy is complete; WAL that it needs is still to be archived.
    WaitingForWals,
    /// Complete and restorable by itself.
    Done,
    /// Given up; the record says why.
    Failed,
    /// Being copied from another Barman node.
    Syncing,
}

impl BackupStatus {
    const ALL: [Self; 6] =
        [Self::Empty, Self::Started, Self::WaitingForWals, Self::Done, Self::Failed, Self::Syncing];

    /// The word of the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::Started => "STARTED",
            Self::WaitingForWals => "WAITING_FOR_WALS",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
            Self::Syncing => "SYNCING",
        }
    }

    /// Whether all files of the cluster are there: the backups that lists and shortcuts call available.
    pub fn is_copy_done(self) -> bool {
        matches!(self, Self::WaitingForWals | Self::Done)
    }

    /// Whether WAL archived from now on may be needed by the backup.
    pub fn needs_wal(self) -> bool {
        matches!(self, Self::Started | Self::WaitingForWals | Self::Done | Self::Syncing)
    }
}

impl fmt::Display for BackupStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BackupStatus {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| ParseError::new("backup status", text))
    }
}
