use std::path::{Path, PathBuf};

use crate::config::ServerConfig;
use crate::types::BackupId;

/// Where the catalogue of one server keeps its files. Plain paths: nothing is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Name of the server in the configuration.
    pub server: String,
    /// `backup_directory`: identity and `meta/`.
    pub backup_directory: PathBuf,
    /// `basebackups_directory`: one directory for each backup.
    pub basebackups_directory: PathBuf,
    /// `barman_lock_directory`.
    pub lock_directory: PathBuf,
    /// Whether records are copied to where older programs look for them; not with `worm_mode`, where nothing can be
    /// written twice.
    pub keeps_old_records: bool,
}

/// How the files of a backup lie below its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryForm {
    /// Barman before 1.4: all in `pgdata`, tablespaces in `pgdata/pg_tblspc`.
    Pgdata,
    /// `data`, and one directory beside it for each tablespace.
    Data,
}

impl Layout {
    /// The places of a server whose locks lie in `lock_directory`.
    pub fn of(server: &ServerConfig, lock_directory: &Path) -> Self {
        Self {
            server: server.name().to_owned(),
            backup_directory: server.backup_directory(),
            basebackups_directory: server.basebackups_directory(),
            lock_directory: lock_directory.to_owned(),
            keeps_old_records: !server.worm_mode(),
        }
    }

    /// The directory of records, keep annotations and delete marks.
    pub fn meta_dir(&self) -> PathBuf {
        self.backup_directory.join("meta")
    }

    /// The record of a backup, where it is written.
    pub fn record(&self, id: &BackupId) -> PathBuf {
        self.meta_dir().join(format!("{id}-backup.info"))
    }

    /// The record of a backup taken by Barman before 3.13.2. It may still be there beside a newer one in `meta/`.
    pub fn old_record(&self, id: &BackupId) -> PathBuf {
        self.base_dir(id).join("backup.info")
    }

    /// What tells that a backup is kept whatever the retention policy says.
    pub fn keep(&self, id: &BackupId) -> PathBuf {
        self.meta_dir().join(format!("{id}-keep"))
    }

    /// The same before Barman 3.13.3.
    pub fn old_keep(&self, id: &BackupId) -> PathBuf {
        self.base_dir(id).join("annotations/keep")
    }

    /// The mark of a backup whose deletion has begun.
    pub fn delete_mark(&self, id: &BackupId) -> PathBuf {
        self.meta_dir().join(format!("{id}-delete_this"))
    }

    /// The system identifier of the server that the backups are of.
    pub fn identity(&self) -> PathBuf {
        self.backup_directory.join("identity.json")
    }

    /// What a passive node was last told by its primary.
    pub fn primary_info(&self) -> PathBuf {
        self.backup_directory.join("primary.info")
    }

    /// The directory that holds the files of a backup.
    pub fn base_dir(&self, id: &BackupId) -> PathBuf {
        self.basebackups_directory.join(id.as_str())
    }

    /// The copy of the data directory.
    pub fn data_dir(&self, id: &BackupId, form: DirectoryForm) -> PathBuf {
        self.base_dir(id).join(match form {
            DirectoryForm::Pgdata => "pgdata",
            DirectoryForm::Data => "data",
        })
    }

    /// The copy of the tablespace with this oid.
    pub fn tablespace_dir(&self, id: &BackupId, oid: u32, form: DirectoryForm) -> PathBuf {
        let base = match form {
            DirectoryForm::Pgdata => self.data_dir(id, form).join("pg_tblspc"),
            DirectoryForm::Data => self.base_dir(id),
        };
        base.join(oid.to_string())
    }

    /// The lock of whoever adds or removes backups.
    pub fn backup_lock(&self) -> PathBuf {
        self.lock_directory.join(format!(".{}-backup.lock", self.server))
    }

    /// The lock of whoever works on this one backup.
    pub fn backup_id_lock(&self, id: &BackupId) -> PathBuf {
        self.lock_directory.join(format!(".{}-{id}.lock", self.server))
    }

    /// The lock of whoever copies this backup from another node.
    pub fn sync_backup_lock(&self, id: &BackupId) -> PathBuf {
        self.lock_directory.join(format!(".{}-{id}-sync-backup.lock", self.server))
    }
}
