use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::ops::{Error, Server};
use crate::types::BackupId;

/// The beginning of the names of directories in which imports are made. Every Barman ignores them.
const PREFIX: &str = ".import-";

/// Where the files of an import lie until all of them are there: beside the places that they get in the end, and so on
/// the same file systems.
#[derive(Debug)]
pub struct Staging {
    /// For the directory of the backup.
    pub backup: PathBuf,
    /// For its WAL.
    pub wal: PathBuf,
}

impl Staging {
    fn of(server: &Server<'_>, id: &BackupId) -> Self {
        let name = format!("{PREFIX}{id}");
        Self {
            backup: server.config.basebackups_directory().join(&name),
            wal: server.config.wals_directory().join(name),
        }
    }

    /// Makes the directories. The caller holds the backup lock of the server.
    pub fn create(server: &Server<'_>, id: &BackupId) -> Result<Self, Error> {
        let staging = Self::of(server, id);
        for dir in [&staging.backup, &staging.wal] {
            server.context.files.create_dir_all(dir)?;
            server.context.files.set_mode(dir, 0o700)?;
        }
        Ok(staging)
    }

    /// The backup's directory in the making.
    pub fn base_dir(&self) -> PathBuf {
        self.backup.join("backup")
    }

    /// Removes what is left in them.
    pub fn remove(&self, server: &Server<'_>) -> Result<(), Error> {
        [&self.backup, &self.wal].into_iter().try_for_each(|dir| Ok(server.context.files.remove_tree(dir)?))
    }
}

/// Removes what imports have left that did not come to their end. The caller holds the backup lock of the server, so none
/// is at work.
///
/// An import gives the directory of a backup its name before it writes the record. When it was interrupted in between,
/// its own directory is still there: that tells whose the directory without a record is.
pub fn remove_leftovers(server: &Server<'_>, catalog: &Catalog) -> Result<(), Error> {
    for root in [server.config.basebackups_directory(), server.config.wals_directory()] {
        for id in leftovers(server, &root)? {
            let (staging, base_dir) = (Staging::of(server, &id), catalog.layout().base_dir(&id));
            let files = &server.context.files;
            let has_begun = files.is_dir(&staging.backup) && !files.is_dir(&staging.base_dir());
            if has_begun && catalog.find(&id)?.is_none() {
                files.remove_tree(&base_dir)?;
                catalog.release_keep(&id)?;
            }
            tracing::warn!(
                "server '{}': removing what an interrupted import of backup {id} has left",
                server.name()
            );
            staging.remove(server)?;
        }
    }
    Ok(())
}

fn leftovers(server: &Server<'_>, root: &Path) -> Result<Vec<BackupId>, Error> {
    let mut found = Vec::new();
    server.context.files.visit(root, |name, kind| {
        let id = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        found.extend(id.filter(|_| kind.is_dir()));
    })?;
    Ok(found)
}
