use serde_json::Value;

use super::Object;
use crate::types::{RetentionStatus, ctime_text};
use crate::view::{BackupList, BackupRow};

/// The answer of `list-backups`, an object for each backup.
pub fn backup_list(list: &BackupList) -> Value {
    list.backups.iter().map(row).collect()
}

fn row(row: &BackupRow) -> Value {
    let mut object = Object::new();
    object.put("backup_id", row.id.to_string());
    object.put_if("backup_name", row.name.clone());
    object.put("backup_type", row.kind.to_string());
    object.put("status", row.status.to_string());
    if let Some(available) = &row.available {
        object.put_moment("end_time", available.end_time, ctime_text);
        object.put_size("size", available.size);
        object.put_size("wal_size", available.wal_size);
        let retention = available.retention.filter(|status| *status != RetentionStatus::Valid);
        object.put("retention_status", retention.unwrap_or(RetentionStatus::Unjudged).to_string());
    }
    object.finish()
}
