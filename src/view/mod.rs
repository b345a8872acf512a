//! The answers of commands, one struct each: plain values, exact, made by the use cases and rendered by `output`.

mod backup_details;
mod backup_list;
mod checks;
mod keep_status;
mod replication_status;
mod restored;
mod running_tasks;
mod server_settings;
mod server_status;
mod servers;
mod sync_info;
mod wal_archive_check;

pub use backup_details::{AvailableDetails, BackupDetails, Chain, Saved, WalUse};
pub use backup_list::{AvailableRow, BackupList, BackupRow};
pub use checks::{Check, CheckReport};
pub use keep_status::KeepStatus;
pub use replication_status::{ClientKind, Replication, ReplicationStatus};
pub use restored::{ConfigurationLine, Restored};
pub use running_tasks::{RunningTask, RunningTasks};
pub use server_settings::{ServerSettings, Shown};
pub use server_status::{ServerStatus, StatusLine};
pub use servers::Listed;
pub use sync_info::{SyncInfo, SyncedWal};
pub use wal_archive_check::{Obstacle, WalArchiveCheck};
