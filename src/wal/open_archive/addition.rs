use std::io;
use std::path::PathBuf;

use super::{OpenArchive, Publication};
use crate::codec::{Origin, same_bytes};
use crate::sys::fs;
use crate::types::WalName;
use crate::wal::archive::Archive;
use crate::wal::error::Error;
use crate::wal::xlogdb::XlogDbEntry;

/// A file that another archive had, with the line that it had there.
#[derive(Debug, Clone)]
pub struct Addition {
    /// What it is.
    pub name: WalName,
    /// The file, complete and synced, on the file system of this archive.
    pub file: PathBuf,
    /// Its line.
    pub entry: XlogDbEntry,
}

/// What an archive has under the name of a file that is to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Absent,
    /// A file of the same content, compressed in whatever way.
    Same,
    /// Another file.
    Different,
}

impl Archive {
    /// Compares a file with what the archive has under its name.
    pub fn compare(&self, addition: &Addition) -> Result<Present, Error> {
        let path = self.path_of(addition.name);
        if !self.files.exists(&path)? {
            return Ok(Present::Absent);
        }
        let (ours, theirs) = (self.files.open(&path)?, self.files.open(&addition.file)?);
        let is_same = |same| if same { Present::Same } else { Present::Different };
        let failed = |source: io::Error| Error::Decode {
            server: self.server_name(),
            path: path.clone(),
            source: source.into(),
        };
        if same_bytes(ours, theirs).map_err(failed)? {
            return Ok(Present::Same);
        }
        // What cannot be decoded, for want of the private key for example, is the same only to the byte.
        match (self.read(addition.name), self.decoded(&addition.file, Origin::Archived)) {
            (Ok(ours), Ok(theirs)) => Ok(same_bytes(ours, theirs).map_or(Present::Different, is_same)),
            _ => Ok(Present::Different),
        }
    }
}

impl OpenArchive<'_> {
    /// Adds files of another archive, which must be given in ascending order and absent from this one. A crash leaves
    /// lines whose files did not come, or files with their lines; both may be added again.
    pub fn add(&mut self, additions: &[Addition]) -> Result<(), Error> {
        self.insert(additions, false)
    }

    /// As [`OpenArchive::add`]; `replaces` tells whether a file may take the place of one that is there.
    pub(super) fn insert(&mut self, additions: &[Addition], replaces: bool) -> Result<(), Error> {
        debug_assert!(additions.is_sorted_by_key(|addition| addition.name));
        self.catalogue.ensure_readable()?;
        let mut unlisted = Vec::new();
        for addition in additions {
            if !self.is_listed_as(&addition.entry, addition.name)? {
                unlisted.push(addition.entry.clone());
            }
        }
        if !unlisted.is_empty() {
            self.catalogue.merge(&unlisted)?;
        }
        let (files, wals_dir) = (&self.archive.files, &self.archive.paths.wals_dir);
        for addition in additions {
            let directory = fs::parent(&self.archive.path_of(addition.name)).to_owned();
            files.create_dir_all(&directory)?;
            let (name, entry) = (addition.name, addition.entry.clone());
            self.put(&Publication { name, temporary: addition.file.clone(), entry, replaces })?;
            files.sync_dir(&directory)?;
        }
        Ok(files.sync_dir(wals_dir)?)
    }
}

#[cfg(test)]
mod tests;
