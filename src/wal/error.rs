use std::path::PathBuf;

use crate::codec;
use crate::sys::{Cancelled, fs, lock};
use crate::types::ParseError;

/// What can go wrong with the WAL of a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error(transparent)]
    Files(#[from] fs::Error),
    /// A lock could not be had.
    #[error(transparent)]
    Lock(lock::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// We may not read a file that PostgreSQL handed over.
    #[error("server '{server}': cannot read WAL file '{path}': permission denied")]
    Unreadable {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// The user that we run as.
        user: String,
    },
    /// A file could not be compressed or decompressed.
    #[error("server '{server}': cannot decode WAL file '{path}'")]
    Decode {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: codec::Error,
    },
    /// The configured compression is none that we can write.
    #[error("server '{server}': cannot compress WAL")]
    Encode {
        /// The server.
        server: String,
        /// Why.
        source: codec::Error,
    },
    /// A line of xlog.db is none.
    #[error("server '{server}': cannot parse line {line} of '{path}': '{text}'")]
    CorruptLine {
        /// The server.
        server: String,
        /// The catalogue.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What stands there, or the beginning of it.
        text: String,
    },
    /// What stands at the end of xlog.db is no line at all.
    #[error("server '{server}': the end of '{path}' is not text in lines")]
    NoLines {
        /// The server.
        server: String,
        /// The catalogue.
        path: PathBuf,
    },
    /// The index beside xlog.db is damaged, and so was the one just made.
    #[error("server '{server}': cannot read the index of '{path}'")]
    Index {
        /// The server.
        server: String,
        /// The catalogue.
        path: PathBuf,
    },
    /// A file came into the archive while we were about to put one there.
    #[error("server '{server}': '{path}' appeared in the archive meanwhile")]
    Appeared {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of the archive that is read for what it says does not say it.
    #[error("server '{server}': cannot parse '{path}'")]
    Malformed {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { path, user, .. } => Some(format!(
                "Let the user '{user}' read what arrives in '{}': give the files a group that '{user}' is in and \
                 mode 0640 (with rsync: --chmod=F640), or let archive_command connect as '{user}'.",
                fs::parent(path).display()
            )),
            Self::CorruptLine { server, .. } | Self::NoLines { server, .. } => {
                Some(format!("Please run \"barman rebuild-xlogdb {server}\" to solve this issue"))
            }
            Self::Decode { path, source: codec::Error::Io(_), .. } => {
                Some(format!("Compare '{}' with another copy of it; the file is damaged.", path.display()))
            }
            _ => None,
        }
    }
}

impl From<lock::Error> for Error {
    fn from(error: lock::Error) -> Self {
        match error {
            lock::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Lock(other),
        }
    }
}
