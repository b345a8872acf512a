//! The manifest of a base backup: a list of its files with sizes and checksums, `backup_manifest`, in the form of
//! PostgreSQL 13 and later (its manual, "Backup Manifest Format").
//!
//! [`generate`] makes one of the files as they are, [`verify`] tells what has become of them since. Both read the files
//! on all processors, and neither has the list in memory: of each file that a manifest lists, 16 bytes are kept.
//!
//! Files that are in tar archives are read there.
//!
//! What PostgreSQL's own `pg_verifybackup` leaves out is left out here: the manifest itself, `pg_wal`, and the files
//! that a recovery adds or changes.

mod archived;
mod checksum;
mod error;
mod generate;
mod read;
mod spread;
mod tree;
mod verify;

pub use archived::{Archived, generate_archived, verify_archived};
pub use error::Error;
pub use generate::{WalRange, generate};
pub use read::list;
pub use tree::{Tablespaces, Tree};
pub use verify::{Problem, Verdict, verify};

/// The name of the manifest in a data directory.
pub const FILE_NAME: &str = "backup_manifest";

#[cfg(test)]
mod tests;
