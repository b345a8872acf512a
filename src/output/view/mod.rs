//! The answers of commands, one struct each.

mod backup_details;
mod backup_list;

pub use backup_details::{AvailableDetails, BackupDetails, Chain, WalUse};
pub use backup_list::{AvailableRow, BackupList, BackupRow};
