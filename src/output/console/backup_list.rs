use std::fmt::Write;

use crate::types::{BackupId, BackupStatus, RetentionStatus, ctime_text};
use crate::view::{AvailableRow, BackupList, BackupRow};

/// Writes the answer of `list-backups`, a line for each backup.
pub fn backup_list(list: &BackupList) -> String {
    list.backups.iter().map(|row| line(row) + "\n").collect()
}

/// Writes the answer of `list-backups --minimal`, a name on each line.
pub fn backup_ids(ids: &[BackupId]) -> String {
    ids.iter().map(|id| format!("{id}\n")).collect()
}

fn line(row: &BackupRow) -> String {
    let name = row.name.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
    let tail = match &row.available {
        Some(available) => available_tail(available, row.status),
        None => row.status.to_string(),
    };
    format!("{} {}{name} - {} - {tail}", row.server, row.id, row.kind.letter())
}

fn available_tail(row: &AvailableRow, status: BackupStatus) -> String {
    let end = row.end_time.map_or_else(|| "None".to_owned(), ctime_text);
    let mut tail = format!("{end} - Size: {} - WAL Size: {}", row.size, row.wal_size);
    if status == BackupStatus::WaitingForWals {
        let _ = write!(tail, " - {status}");
    }
    // Where the policy needs a backup, or says nothing of it, there is nothing to do.
    if let Some(retention) = row.retention
        && !matches!(retention, RetentionStatus::Valid | RetentionStatus::Unjudged)
    {
        let _ = write!(tail, " - {retention}");
    }
    tail
}
