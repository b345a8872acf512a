use std::path::PathBuf;

use crate::sys::{Cancelled, fs};

/// Why a manifest could not be made, or nothing can be said by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// Something in the data directory has no content that could be listed.
    #[error("'{0}' is neither a file nor a directory, or a symbolic link that leads to neither")]
    NoFile(PathBuf),
    /// A symbolic link leads back to a directory above it.
    #[error("'{0}' leads back to a directory that it lies in")]
    Loop(PathBuf),
    /// The manifest is not what PostgreSQL or Barman writes.
    #[error("'{path}' is not a backup manifest: {reason}")]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest itself has changed since it was written.
    #[error("'{0}' does not have the checksum that its last line tells: it is damaged, or was edited")]
    ManifestChecksum(PathBuf),
    /// The work was stopped.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
