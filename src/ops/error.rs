use std::io;

use crate::sys::{Cancelled, fs, lock};
use crate::types::BackupId;
use crate::{catalog, wal};

/// Why a use case about the backups of a server gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue of backups has none.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The WAL archive has none.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// It cannot be told which WAL a backup needs.
    #[error(transparent)]
    RequiredWal(#[from] catalog::RequiredWalError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// A lock could not be taken; that somebody else has it is not meant.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// The answer could not be written to where it was asked for.
    #[error("cannot write the answer")]
    Output(#[source] io::Error),
    /// The backup is still there; what stands in the way has been told.
    #[error("Cannot delete backup ({server} {id})")]
    NotDeleted {
        /// The server.
        server: String,
        /// The backup.
        id: BackupId,
    },
    /// Somebody asked for a stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Catalog(error) => error.hint().map(str::to_owned),
            Self::Wal(error) => error.hint(),
            Self::RequiredWal(_)
            | Self::File(_)
            | Self::Lock(_)
            | Self::Output(_)
            | Self::NotDeleted { .. }
            | Self::Cancelled(_) => None,
        }
    }
}
