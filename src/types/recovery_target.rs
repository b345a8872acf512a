use super::{Lsn, Timeline, Timestamp};

/// How far recovery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryTarget {
    /// As soon as the backup is consistent.
    Immediate,
    /// To a moment.
    Time(Timestamp),
    /// To the end of a transaction.
    Xid(String),
    /// To a restore point made with `pg_create_restore_point`.
    Name(String),
    /// To a position in the log.
    Lsn(Lsn),
}

/// What recovery does when it has reached its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetAction {
    /// Waits, so that the DBA can look and then go on.
    Pause,
    /// Opens for writing.
    Promote,
    /// Stops the server.
    Shutdown,
}

impl TargetAction {
    /// The word of `recovery_target_action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The timeline that recovery follows, as the DBA named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetTimeline {
    /// The one that the backup was taken on.
    Current,
    /// The newest in the archive.
    Latest,
    /// This one.
    Number(Timeline),
}
