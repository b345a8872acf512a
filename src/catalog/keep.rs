use std::fmt;
use std::str::FromStr;

use super::{Catalog, Error};
use crate::types::{BackupId, ParseError};

/// What a kept backup is kept for, whatever the retention policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Recovery to any later moment: with it all WAL after it is kept.
    Full,
    /// Recovery to its own end: only the WAL that the backup needs itself is kept.
    Standalone,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Standalone => "standalone",
        })
    }
}

impl FromStr for Keep {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "full" => Ok(Self::Full),
            "standalone" => Ok(Self::Standalone),
            _ => Err(ParseError::new("keep target", text)),
        }
    }
}

impl Catalog {
    /// What a backup is kept for; `None` when it is not kept.
    ///
    /// An annotation that says anything but `standalone` keeps in full, here as in Barman: whoever wrote it wanted
    /// the backup to stay.
    pub fn keep(&self, id: &BackupId) -> Result<Option<Keep>, Error> {
        for path in [self.layout.keep(id), self.layout.old_keep(id)] {
            let content = self.files.read_if_exists(&path).map_err(|source| self.file_error(source))?;
            if let Some(content) = content {
                return Ok(Some(if content == b"standalone" { Keep::Standalone } else { Keep::Full }));
            }
        }
        Ok(None)
    }

    /// Keeps a backup.
    pub fn set_keep(&self, id: &BackupId, keep: Keep) -> Result<(), Error> {
        // The new place is looked at first, so the old annotation may go after it is written.
        self.ensure_meta_dir()
            .and_then(|()| self.files.replace_durably(&self.layout.keep(id), keep.to_string().as_bytes()))
            .and_then(|()| self.files.remove_file_if_exists(&self.layout.old_keep(id)))
            .map_err(|source| self.file_error(source))
    }

    /// Keeps a backup no longer; that it was not kept is success.
    pub fn release_keep(&self, id: &BackupId) -> Result<(), Error> {
        self.files
            .remove_file_if_exists(&self.layout.old_keep(id))
            .and_then(|()| self.files.remove_durably(&self.layout.keep(id)))
            .map_err(|source| self.file_error(source))
    }
}
