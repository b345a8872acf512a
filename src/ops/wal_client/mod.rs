//! What `barman-wal-archive` and `barman-wal-restore` do on PostgreSQL's host: WAL sent to a Barman and fetched from it,
//! by ssh. Neither reads a configuration; the other side may be the Python Barman.

mod archive;
mod channel;
mod download;
mod prefetch;
mod remote;
mod restore;
mod spool;

pub use archive::{Shipment, ship};
pub use channel::Channel;
pub use download::{Download, Fetched};
pub use prefetch::prefetch;
pub use remote::{Remote, WireForm};
pub use restore::{Restore, restore};
pub use spool::Spool;

use std::io;
use std::path::PathBuf;

use crate::sys::{Cancelled, fs, process};

/// Why WAL could not be sent or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is wanted where there is a directory.
    #[error("{argument} cannot be a directory: {path}")]
    Directory {
        /// The argument.
        argument: &'static str,
        /// What was given for it.
        path: PathBuf,
    },
    /// There is no name in a path that could be sent.
    #[error("'{0}' has no file name that could be sent")]
    NoName(PathBuf),
    /// The file that was asked for cannot be made.
    #[error("Cannot open '{path}' (WAL_DEST) for writing: {source}")]
    Destination {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// ssh did not reach the host, or was not let in.
    #[error("Connection problem with ssh: 'ssh {destination}' ended with exit code 255{}", said(.stderr))]
    NotConnected {
        /// User and host.
        destination: String,
        /// What ssh had to say.
        stderr: String,
    },
    /// The command on the other side failed.
    #[error("Remote 'barman {command}' command has failed! It ended with exit code {code}{}", said(.stderr))]
    Remote {
        /// The command.
        command: &'static str,
        /// Its exit code.
        code: i32,
        /// What it had to say.
        stderr: String,
    },
    /// The other side is content, but has not got everything.
    #[error("Remote 'barman put-wal' command has not read the whole of '{path}'")]
    NotRead {
        /// The file.
        path: PathBuf,
        /// What became of the rest.
        source: io::Error,
    },
    /// What came is not a whole segment.
    #[error("WAL file '{name}' came with {bytes} bytes, and a segment has {expected}")]
    WrongLength {
        /// The file.
        name: String,
        /// What came.
        bytes: u64,
        /// What should have come.
        expected: u32,
    },
    /// What came is not even the beginning of a segment.
    #[error("WAL file '{name}' came with {bytes} bytes, less than a segment begins with")]
    TooShort {
        /// The file.
        name: String,
        /// What came.
        bytes: u64,
    },
    /// What came cannot be decompressed.
    #[error("WAL file '{name}' came damaged")]
    Damaged {
        /// The file.
        name: String,
        /// Why it is thought so.
        source: crate::codec::Error,
    },
    /// A file here could not be read or written.
    #[error(transparent)]
    File(#[from] fs::Error),
    /// ssh could not be run.
    #[error("Error executing ssh")]
    Ssh(#[source] process::Error),
    /// We were asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn said(stderr: &str) -> String {
    let stderr = stderr.trim_end();
    if stderr.is_empty() { String::new() } else { format!("\n{stderr}") }
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Ssh(other),
        }
    }
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotConnected { destination, .. } => Some(format!(
                "Try 'ssh {destination} true' as the user that PostgreSQL runs as: it must get in without a question."
            )),
            Self::Remote { code: 126 | 127, .. } => Some(
                "There is no 'barman' on the PATH that ssh gives to the user on the other side.".to_owned(),
            ),
            _ => None,
        }
    }
}
