use std::io;

use super::hooks;
use crate::sys::{Cancelled, fs, lock, process, user};
use crate::types::{BackupId, with_causes};
use crate::{catalog, codec, config, manifest, pg, transfer, wal};

/// Why a use case could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue of backups has none.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The WAL archive has none.
    #[error(transparent)]
    Wal(#[from] wal::Error),
    /// WAL that was sent was not taken.
    #[error(transparent)]
    Shipment(#[from] wal::ShipmentError),
    /// It cannot be told which WAL a backup needs.
    #[error(transparent)]
    RequiredWal(#[from] catalog::RequiredWalError),
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(Box<config::Error>),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// A lock could not be taken; that somebody else has it is not meant.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// A program could not be run.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A manifest could not be made, or nothing can be said by it.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// PostgreSQL cannot be reached, or refuses.
    #[error(transparent)]
    Pg(#[from] pg::Error),
    /// Files could not be copied.
    #[error(transparent)]
    Copy(#[from] transfer::smart_copy::Error),
    /// The host of PostgreSQL cannot be reached.
    #[error(transparent)]
    Ssh(#[from] transfer::ssh::Error),
    /// A hook script stands in the way.
    #[error(transparent)]
    Hook(#[from] hooks::Error),
    /// The host that a backup is restored to cannot be reached, or fails.
    #[error(transparent)]
    Remote(#[from] transfer::remote::Error),
    /// What was asked for cannot or must not be done; the text says why, on what, and what to do.
    #[error("{0}")]
    Refused(String),
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

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Error {
    /// A refusal in these words.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// The error with its causes behind it, and what can be done about it below.
    pub fn description(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{}\nHINT: {hint}", self.with_causes()),
            None => self.with_causes(),
        }
    }

    /// The error and its causes in one line.
    pub fn with_causes(&self) -> String {
        with_causes(self)
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Catalog(error) => error.hint(),
            Self::Wal(error) | Self::Shipment(wal::ShipmentError::Store(error)) => error.hint(),
            Self::Lock(lock::Error::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                Some(format!(
                    "Make the directory '{}', or correct 'barman_home' and 'barman_lock_directory' in the configuration.",
                    fs::parent(path).display()
                ))
            }
            Self::File(error) | Self::Manifest(manifest::Error::File(error)) => {
                let cause = error.source.get_ref()?.downcast_ref::<codec::Error>()?;
                cause.encryption_hint(&user::current())
            }
            Self::Shipment(_)
            | Self::RequiredWal(_)
            | Self::Config(_)
            | Self::Lock(_)
            | Self::Process(_)
            | Self::Manifest(_)
            | Self::Pg(_)
            | Self::Copy(_)
            | Self::Ssh(_)
            | Self::Hook(_)
            | Self::Remote(_)
            | Self::Refused(_)
            | Self::Output(_)
            | Self::NotDeleted { .. }
            | Self::Cancelled(_) => None,
        }
    }
}
