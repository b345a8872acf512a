//! The answers of commands, one struct each: plain values, exact, made by the use cases and rendered by `output`.

mod backup_details;
mod backup_list;
mod checks;
mod keep_status;
mod restored;
mod server_settings;
mod server_status;
mod servers;
mod wal_archive_check;

pub use backup_details::{AvailableDetails, BackupDetails, Chain, Saved, WalUse};
pub use backup_list::{AvailableRow, BackupList, BackupRow};
pub use checks::{Check, CheckReport};
pub use keep_status::KeepStatus;
pub use restored::{ConfigurationLine, Restored};
pub use server_settings::{ServerSettings, Shown};
pub use server_status::{ServerStatus, StatusLine};
pub use servers::Listed;
pub use wal_archive_check::{Obstacle, WalArchiveCheck};
