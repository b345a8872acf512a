//! `keep`: backups that no retention policy removes.

use super::Error;
use crate::catalog::{Catalog, Keep};
use crate::types::BackupStatus;
use crate::view::KeepStatus;

/// Whether the backup that `text` means is kept, and what for.
pub fn status(catalog: &Catalog, text: &str) -> Result<KeepStatus, Error> {
    let info = catalog.resolve(text)?;
    Ok(KeepStatus { server: catalog.layout().server.clone(), keep: catalog.keep(&info.id)? })
}

/// Keeps the backup that `text` means.
///
/// # Errors
/// When it is not a whole backup by itself: not DONE, incremental, or half deleted.
pub fn set(catalog: &Catalog, text: &str, keep: Keep) -> Result<(), Error> {
    let info = catalog.resolve(text)?;
    let id = &info.id;
    if info.status != BackupStatus::Done {
        return Err(Error::refused(format!(
            "Cannot add keep to backup {id} because it has status {}. Only backups with status DONE can be kept.",
            info.status
        )));
    }
    if info.is_incremental() {
        return Err(Error::refused(format!(
            "Unable to execute the keep command on backup {id}: is an incremental backup.\n\
             Only full backups are eligible for the use of the keep command."
        )));
    }
    if catalog.begun_deletions()?.contains(id) {
        return Err(Error::refused(format!(
            "Cannot add keep to backup {id} of server {}: its deletion has begun, and files of it may be gone",
            catalog.layout().server
        )));
    }
    Ok(catalog.set_keep(id, keep)?)
}

/// Leaves the backup that `text` means to the retention policy again; that it was not kept is success.
pub fn release(catalog: &Catalog, text: &str) -> Result<(), Error> {
    Ok(catalog.release_keep(&catalog.resolve(text)?.id)?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::catalog::{BackupInfo, Layout};
    use crate::sys::Files;

    const ID: &str = "20260101T100000";

    fn catalog(dir: &TempDir, status: BackupStatus, mode: &str, parent: Option<&str>) -> Catalog {
        let layout = Layout {
            server: "main".into(),
            backup_directory: dir.path().into(),
            basebackups_directory: dir.path().join("base"),
            lock_directory: dir.path().into(),
            keeps_old_records: false,
        };
        let mut catalog = Catalog::open(&Files::default(), layout).unwrap();
        let parent_backup_id = parent.map(|id| id.parse().unwrap());
        let info = BackupInfo {
            status,
            mode: Some(mode.into()),
            parent_backup_id,
            ..BackupInfo::new(ID.parse().unwrap())
        };
        catalog.save(info).unwrap();
        catalog
    }

    #[test]
    fn a_backup_is_kept_kept_otherwise_and_released() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(&dir, BackupStatus::Done, "rsync-concurrent", None);
        let word = || status(&catalog, ID).unwrap().word();
        assert_eq!(word(), "nokeep");
        set(&catalog, "latest", Keep::Standalone).unwrap();
        assert_eq!(word(), "standalone");
        set(&catalog, ID, Keep::Full).unwrap();
        assert_eq!(word(), "full");
        release(&catalog, ID).unwrap();
        release(&catalog, ID).unwrap();
        assert_eq!(word(), "nokeep");
    }

    #[test]
    fn what_cannot_be_restored_by_itself_is_not_kept() {
        let refused = |status, mode, parent| {
            let dir = tempfile::tempdir().unwrap();
            let catalog = catalog(&dir, status, mode, parent);
            let error = set(&catalog, ID, Keep::Full).unwrap_err().to_string();
            assert_eq!(catalog.keep(&ID.parse().unwrap()).unwrap(), None);
            error
        };
        assert!(refused(BackupStatus::WaitingForWals, "rsync-concurrent", None).contains("WAITING_FOR_WALS"));
        assert!(
            refused(BackupStatus::Done, "postgres", Some("20251231T100000")).contains("incremental backup")
        );
    }

    #[test]
    fn a_backup_that_is_being_deleted_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = catalog(&dir, BackupStatus::Done, "rsync-concurrent", None);
        catalog.mark_deletion(&ID.parse().unwrap()).unwrap();
        assert!(set(&catalog, ID, Keep::Full).unwrap_err().to_string().contains("deletion has begun"));
    }
}
