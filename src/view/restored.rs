use chrono::TimeDelta;

use crate::types::Timestamp;

/// A line of a configuration file of the restored server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationLine {
    /// The file, by its name in the data directory.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// The setting.
    pub name: String,
    /// Its value; `None` when it was taken away.
    pub value: Option<String>,
}

/// The end of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Settings that were changed so that the copy does not harm the original.
    pub changes: Vec<ConfigurationLine>,
    /// Settings that name places of the original host.
    pub dangers: Vec<ConfigurationLine>,
    /// Configuration files that the backup does not have.
    pub missing_files: Vec<&'static str>,
    /// The file with the `restore_command` by which PostgreSQL fetches its WAL from the backup host, if it does.
    pub fetches_by: Option<String>,
    /// When the restore began.
    pub start_time: Timestamp,
    /// How long it took.
    pub elapsed: TimeDelta,
}
