use std::path::PathBuf;

use super::Malformed;
use crate::sys::fs;
use crate::types::BackupId;

/// Why the catalogue cannot give an answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No backup has this name.
    #[error("Unknown backup '{text}' for server '{server}'")]
    Unknown {
        /// The server.
        server: String,
        /// What was typed.
        text: String,
    },
    /// Several backups have this name.
    #[error(
        "Multiple backups found matching name '{name}' (try using backup ID instead): {}",
        ids.iter().map(BackupId::as_str).collect::<Vec<_>>().join(" ")
    )]
    Ambiguous {
        /// The name that was typed.
        name: String,
        /// Who has it, newest first.
        ids: Vec<BackupId>,
    },
    /// A record has a line that cannot be understood.
    #[error("backup '{id}' of server '{server}': '{path}' {malformed}")]
    Malformed {
        /// The server.
        server: String,
        /// The backup.
        id: BackupId,
        /// Its record.
        path: PathBuf,
        /// The line, and what is wrong with it.
        malformed: Box<Malformed>,
    },
    /// A record lies where no backup can have one, so that it is not known which backup it tells of.
    #[error("server '{server}': '{path}' is not named after a backup")]
    Misnamed {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
    },
    /// `identity.json` is not what Barman writes there.
    #[error("server '{server}': '{path}' is not the identity of a server")]
    MalformedIdentity {
        /// The server.
        server: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file could not be read or written.
    #[error("catalogue of server '{server}' cannot be used")]
    File {
        /// The server.
        server: String,
        /// What happened to the file.
        source: fs::Error,
    },
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Unknown { server, .. } => {
                return Some(format!("See the backups with 'barman list-backups {server}'."));
            }
            Self::Ambiguous { .. } | Self::File { .. } => None,
            Self::Malformed { .. } => Some(
                "Correct the line or put a copy of the file back; to give the backup up, move the file and the \
                 directory of the backup out of the catalogue.",
            ),
            Self::Misnamed { .. } => Some(
                "If it is a copy, move it out of the catalogue; until then no WAL file is removed from the archive.",
            ),
            Self::MalformedIdentity { .. } => {
                Some("Put a copy of the file back, or remove it: the next backup writes it anew.")
            }
        };
        fixed.map(str::to_owned)
    }
}
