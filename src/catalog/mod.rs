//! The catalogue of backups of one server.
//!
//! It owns what tells of backups, not their files: the records `meta/<id>-backup.info` (before Barman 3.13.2
//! `base/<id>/backup.info`, still read), the keep annotations, the marks of deletions that have begun, and
//! `identity.json`. There is no index: the names of the records are the catalogue, and a record is read when it
//! is asked for.
//!
//! * A record is replaced as a whole, so that a reader finds the old or the new one; it is always written in
//!   `meta/`, in the form of Barman 3.19, which ends with an error on any field that it does not know.
//! * The record in `meta/` counts where there are two, and is the last of a backup to be removed: an older one
//!   in `base/<id>` must not rise from the dead.
//! * A record that cannot be read hides no other. Where it could change the answer, the answer is that error.

mod archives;
mod backup_info;
mod chains;
mod copy_stats;
mod error;
mod identity;
mod keep;
mod layout;
mod marks;
mod old_records;
pub mod py_literal;
mod records;
mod required_wal;
mod tablespace;

pub use archives::{BackupArchive, Part};
pub use backup_info::{BackupInfo, BackupKind, Malformed, Problem};
pub use chains::Chains;
pub use copy_stats::CopyStats;
pub use error::Error;
pub use identity::Identity;
pub use keep::Keep;
pub use layout::{DirectoryForm, Layout};
pub use old_records::copy_of_record;
pub use records::{Catalog, Loaded, is_reserved_name};
pub use required_wal::RequiredWalError;
pub use tablespace::Tablespace;
