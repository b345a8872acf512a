//! The catalogue of backups of one server.

mod backup_info;
mod copy_stats;
mod layout;
pub mod py_literal;
mod tablespace;

pub use backup_info::{BackupInfo, BackupKind, Malformed, Problem};
pub use copy_stats::{CopyStats, RsyncTimes};
pub use layout::{DirectoryForm, Layout};
pub use tablespace::Tablespace;
