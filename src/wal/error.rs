use std::path::{Path, PathBuf};

use crate::codec;
use crate::sys::{Cancelled, fs, lock, process, user};
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
    /// An [`Attendant`](super::Attendant) wants nothing to happen to a file, nor to those after it.
    #[error("{reason}")]
    Stopped {
        /// The file.
        name: String,
        /// Why, in its words.
        reason: String,
    },
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
    /// The sender of a segment has given up before all of it was there.
    #[error(
        "server '{server}': WAL file '{path}' was broken off on its way: it holds {bytes} bytes, and a segment has \
         {expected}"
    )]
    BrokenOff {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// What it holds.
        bytes: u64,
        /// What it should hold.
        expected: u32,
    },
    /// A file could not be decompressed.
    #[error("server '{server}': cannot decode WAL file '{path}'")]
    Decode {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: codec::Error,
    },
    /// The configured compression lacks something.
    #[error("server '{server}': cannot compress WAL")]
    Encode {
        /// The server.
        server: String,
        /// Why.
        source: codec::Error,
    },
    /// A file could not be compressed.
    #[error("server '{server}': cannot compress WAL file '{path}'")]
    Compress {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: codec::Error,
    },
    /// A file could not be encrypted.
    #[error("server '{server}': cannot encrypt WAL file '{path}'")]
    Encrypt {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
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
    /// A segment has not the length of a segment.
    #[error("server '{server}': WAL file '{path}' holds {bytes} bytes, and a segment has {expected}")]
    WrongLength {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// What it holds, decompressed.
        bytes: u64,
        /// What it should hold.
        expected: u32,
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
            Self::BrokenOff { path, .. } => Some(broken_off(path)),
            Self::CorruptLine { server, .. } | Self::NoLines { server, .. } => {
                Some(format!("Please run \"barman rebuild-xlogdb {server}\" to solve this issue"))
            }
            Self::Encode { server, source: codec::Error::NoFilter { option } } => Some(format!(
                "Set '{option}' in the configuration of server '{server}' to a shell command, or choose another \
                 'compression'."
            )),
            Self::Compress { path, .. } => Some(format!(
                "Nothing is lost: '{}' and the files after it wait for the next run of archive-wal.",
                path.display()
            )),
            Self::Encrypt { path, source, .. } => {
                let remedy = source.encryption_hint(&user::current());
                let remedy = remedy.map(|remedy| remedy + " ").unwrap_or_default();
                Some(format!(
                    "{remedy}Nothing is lost: '{}' and the files after it wait for the next run of archive-wal.",
                    path.display()
                ))
            }
            Self::Decode { path, source, .. } => Some(undecoded(path, source)),
            Self::WrongLength { path, .. } => Some(format!(
                "Compare '{}' with another copy of it. If a filter of yours has compressed it, set \
                 'custom_decompression_filter'.",
                path.display()
            )),
            _ => None,
        }
    }

    /// Whether it is the encryption of a file that keeps us from looking into it.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Decode { source, .. } if source.is_closed())
    }
}

fn broken_off(path: &Path) -> String {
    format!(
        "If archive_command has failed, PostgreSQL sends the file again; remove '{}' if archive_command refuses to \
         replace it. Otherwise copy the file from 'pg_wal' of the server. Archiving goes on when it is whole. Let \
         archive_command use rsync, or write under another name and rename: then files appear whole.",
        path.display()
    )
}

fn undecoded(path: &Path, reason: &codec::Error) -> String {
    match reason {
        codec::Error::NoFilter { option } => format!(
            "A filter of yours has made this file: set '{option}' to the shell command that undoes it."
        ),
        codec::Error::Encrypted | codec::Error::Gpg(_) => {
            reason.encryption_hint(&user::current()).unwrap_or_default()
        }
        codec::Error::Filter(_) => "Correct 'custom_decompression_filter'.".to_owned(),
        codec::Error::Io(error) if matches!(error.get_ref(), Some(inner) if inner.is::<process::Failed>()) => {
            format!(
                "Correct 'custom_decompression_filter', if it is not made for what '{}' holds; or compare the file with \
             another copy of it.",
                path.display()
            )
        }
        codec::Error::Io(_) => {
            format!("Compare '{}' with another copy of it; the file is damaged.", path.display())
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
