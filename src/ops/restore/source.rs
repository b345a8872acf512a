//! Where a restore takes the files of a backup from.

use std::path::{Path, PathBuf};

use super::host::Host;
use super::names::CONTROL_FILE;
use super::request::RestoreRequest;
use crate::catalog::{BackupArchive, BackupInfo, DirectoryForm, Layout};
use crate::config::StagingLocation;
use crate::ops::{Error, Server, backup_archives};

/// The files of a backup, as it keeps them.
#[derive(Debug)]
pub enum Source {
    /// They lie there as they are.
    Trees(Trees),
    /// They are in archives.
    Archives {
        /// That of the data directory, then those of the tablespaces.
        archives: Vec<BackupArchive>,
        /// A directory of this host for what is needed for a while.
        staging_path: PathBuf,
        /// Whether all is unpacked there before it is copied to another host, or on its way.
        is_staged: bool,
    },
}

/// The files of a cluster in directories of this host.
#[derive(Debug)]
pub struct Trees {
    /// The data directory.
    pub data: PathBuf,
    /// The tablespaces, in the order of the backup's list.
    pub tablespaces: Vec<PathBuf>,
}

impl Source {
    /// Looks how the backup is stored, and decides how its files travel.
    pub fn find(
        server: &Server<'_>,
        host: &dyn Host,
        request: &RestoreRequest,
        backup: &BackupInfo,
    ) -> Result<Self, Error> {
        let (layout, form) = (server.layout(), server.catalog()?.directory_form(&backup.id));
        let archives = backup_archives::find(&server.context.files, &layout, backup, form)?;
        if archives.is_empty() {
            return Ok(Self::Trees(Trees::of(&layout, backup, form)));
        }
        if archives.iter().any(|archive| archive.is_encrypted) {
            backup_archives::ensure_open(&server.context.files, &backup_archives::codecs(server), &archives)?;
        }
        let options = request.staging.over(server.config.staging_options());
        if options.is_deprecated() {
            server.warning(
                "recovery_staging_path and local_staging_path, and the options --recovery-staging-path and \
                 --local-staging-path, are deprecated: write staging_path and staging_location, or --staging-path and \
                 --staging-location",
            );
        }
        let staging = options.for_unpacking();
        let staging = staging.filter(|staging| staging.location == StagingLocation::Local);
        let is_staged = staging.is_some() && host.ssh_command().is_some() && options.is_local_by_choice();
        let staging_path = staging.map_or_else(|| PathBuf::from("/tmp"), |staging| staging.path);
        Ok(Self::Archives { archives, staging_path, is_staged })
    }

    /// Refuses a restore over existing files when those of the backup do not lie in directories before they get there.
    pub fn ensure_comparable(&self, host: &dyn Host) -> Result<(), Error> {
        match self {
            Self::Trees(_) | Self::Archives { is_staged: true, .. } => Ok(()),
            Self::Archives { .. } if host.ssh_command().is_none() => Err(Error::refused(
                "Cannot restore a backup locally with delta mode when the backup is not plain. Leave out \
                 --delta-restore, or add --no-delta-restore, and restore into an empty directory",
            )),
            Self::Archives { .. } => Err(Error::refused(
                "Cannot restore a backup remotely with delta mode when 'staging_location=remote'. The backup is not \
                 plain: give --staging-location local and a --staging-path on this host, where it is unpacked first",
            )),
        }
    }

    /// The control file of the backup. To find it in an archive takes long.
    pub fn read_control_file(&self, server: &Server<'_>) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Trees(trees) => Ok(server.context.files.read_if_exists(&trees.data.join(CONTROL_FILE))?),
            Self::Archives { archives, .. } => {
                let Some(data) = archives.first() else { return Ok(None) };
                backup_archives::find_file(server, data, Path::new(CONTROL_FILE))
            }
        }
    }

    /// The data directory, where the backup has it as it is.
    pub fn data_dir(&self) -> Option<&Path> {
        match self {
            Self::Trees(trees) => Some(&trees.data),
            Self::Archives { .. } => None,
        }
    }
}

impl Trees {
    fn of(layout: &Layout, backup: &BackupInfo, form: DirectoryForm) -> Self {
        let tablespaces = backup.tablespaces.iter();
        let place = |oid| layout.tablespace_dir(&backup.id, oid, form);
        Self {
            data: layout.data_dir(&backup.id, form),
            tablespaces: tablespaces.map(|tablespace| place(tablespace.oid)).collect(),
        }
    }
}
