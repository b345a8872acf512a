//! `export-backup` and `import-backup`: a backup and its WAL in one file, from one Barman to another.
//!
//! The file is a tar archive: `identity.json`, `backup.info` and `barman.json`, which tell whose backup it is; the
//! directory of the backup below `backup/`; the WAL files that it cannot do without below `wals/`; and `xlog.db` with
//! their lines. Its name tells server, backup and time, and the first digits of its own SHA-256 checksum. It is
//! Barman's format of 3.18 and later, in both directions.
//!
//! An import trusts nothing that the archive says: what is not in this form is refused, and so is every name that could
//! lead to a place outside the backup.

mod archive_name;
mod export;
mod import;
mod member;
mod pack;
mod staging;
mod unpack;

pub use export::{ExportOptions, Packing, export};
pub use import::import;

/// Bytes that are read and written at a time.
const BUFFER_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests;
