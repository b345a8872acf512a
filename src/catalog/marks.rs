//! The marks of deletions that have begun.

use super::{Catalog, Error};
use crate::types::BackupId;

impl Catalog {
    /// Marks a backup before the first of its files goes, so that a deletion that is interrupted is finished.
    pub fn mark_deletion(&self, id: &BackupId) -> Result<(), Error> {
        self.ensure_meta_dir()
            .and_then(|()| self.files.replace_durably(&self.layout.delete_mark(id), b"delete"))
            .map_err(|source| self.file_error(source))
    }

    /// Takes the mark away, when nothing of the backup is left.
    pub fn unmark_deletion(&self, id: &BackupId) -> Result<(), Error> {
        self.files.remove_durably(&self.layout.delete_mark(id)).map_err(|source| self.file_error(source))
    }

    /// The backups whose deletion has begun and not ended, oldest first.
    pub fn begun_deletions(&self) -> Result<Vec<BackupId>, Error> {
        let names = self.names_in(&self.layout.meta_dir()).map_err(|source| self.file_error(source))?;
        let id = |name: &str| name.strip_suffix("-delete_this")?.parse().ok();
        Ok(names.iter().filter_map(|name| id(name.to_str()?)).collect())
    }
}
