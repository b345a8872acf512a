//! WAL as it travels from PostgreSQL's host to ours: a tar archive of files and of a list of their checksums.
//!
//! The list, `SHA256SUMS` or `MD5SUMS` as `sha256sum` and `md5sum` write them, may stand before or after the files.
//! What arrives has no name that anybody looks for until every file is known to be the one that was sent; then it is
//! put into `incoming`, where archiving finds it.

mod receive;
mod send;
mod sums;
#[cfg(test)]
mod tests;

use std::io;

pub use receive::{Arrival, Received, Reception};
pub use send::Shipper;
pub use sums::Digest;

use super::error::Error as WalError;

/// Why a shipment was not taken; nothing of it has been kept then.
#[derive(Debug, thiserror::Error)]
pub enum ShipmentError {
    /// Something else than a regular file.
    #[error("Unsupported file type '{kind}' for file '{name}' in put-wal for server '{server}'")]
    FileType {
        /// The letter that tells the type in a tar archive.
        kind: char,
        /// The file.
        name: String,
        /// The server.
        server: String,
    },
    /// No name of a WAL file, or one that would lead elsewhere, or the same one again.
    #[error("Unsupported filename '{name}' in put-wal for server '{server}': {reason}")]
    FileName {
        /// The name.
        name: String,
        /// The server.
        server: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The list has a file that did not come.
    #[error("Checksum without corresponding file '{name}' in put-wal for server '{server}'")]
    MissingFile {
        /// The file.
        name: String,
        /// The server.
        server: String,
    },
    /// The list lacks a file that came.
    #[error("Missing checksum for file '{name}' in put-wal for server '{server}'")]
    MissingSum {
        /// The file.
        name: String,
        /// The server.
        server: String,
    },
    /// What came is not what was sent.
    #[error(
        "Bad file checksum '{found}' (should be {expected}) for file '{name}' in put-wal for server '{server}'"
    )]
    BadSum {
        /// The file.
        name: String,
        /// The server.
        server: String,
        /// The checksum of what came.
        found: String,
        /// The checksum on the list.
        expected: String,
    },
    /// There was no WAL file in it.
    #[error("no WAL file came in put-wal for server '{server}'")]
    Empty {
        /// The server.
        server: String,
    },
    /// It is no tar archive, or was cut off.
    #[error("cannot read the tar archive in put-wal for server '{server}'")]
    Stream {
        /// The server.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// It could not be stored.
    #[error(transparent)]
    Store(#[from] WalError),
}
