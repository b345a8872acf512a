use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{BackupInfo, Catalog, DirectoryForm, Error, Layout};
use crate::sys::{Files, fs};
use crate::types::BackupId;

/// A copy of each record where releases before 3.13.2 had it, for programs that fetch it from there: repmgr clones
/// from it, check-barman reads it.
///
/// It is written after the record in `meta/`, which alone counts where both are. Nothing depends on it: what keeps it
/// from being written is told to the log only.
impl Catalog {
    /// Brings every copy up to date that another program has left behind the record in `meta/`. Records that can not
    /// be read keep the copy they have.
    pub fn update_old_records(&self) -> Result<(), Error> {
        for id in self.ids() {
            let may_be_stale = self.may_old_record_be_stale(id).map_err(|source| self.file_error(source))?;
            if may_be_stale && let Ok(Some(info)) = self.find(id) {
                self.write_old_record(info);
            }
        }
        Ok(())
    }

    /// Looks at the times of both files: what is as old as the record may be a copy of the one before.
    fn may_old_record_be_stale(&self, id: &BackupId) -> Result<bool, fs::Error> {
        let Some(record) = self.files.symlink_metadata(&self.layout.record(id))? else { return Ok(false) };
        let copy = self.files.symlink_metadata(&self.layout.old_record(id))?;
        let changed = |file: &fs::Metadata| (file.mtime(), file.mtime_nsec());
        Ok(copy.is_none_or(|copy| changed(&copy) <= changed(&record)))
    }

    /// Only beside the files of a backup: a directory that holds nothing else would count as an orphan.
    fn keeps_old_record(&self, id: &BackupId) -> bool {
        let is_there = |form| self.files.is_dir(&self.layout.data_dir(id, form));
        self.layout.keeps_old_records && (is_there(DirectoryForm::Data) || is_there(DirectoryForm::Pgdata))
    }

    pub(super) fn write_old_record(&self, info: &BackupInfo) {
        if !self.keeps_old_record(&info.id) {
            return;
        }
        // A field that the Python Barman does not know would end its every command.
        let (path, text) = (self.layout.old_record(&info.id), info.to_known_text());
        let written = match self.files.read_if_exists(&path) {
            Ok(Some(copy)) if copy == text.as_bytes() => return,
            _ => self.files.replace_durably(&path, text.as_bytes()),
        };
        if let Err(error) = written {
            tracing::warn!("backup {}: {error}: {}", info.id, error.source);
        }
    }
}

/// Where the copy of a record is, which is no file of the backup: programs that list, measure or pack those leave it
/// out. `None` for a backup of an old release, of which the same file is the only record.
pub fn copy_of_record(files: &Files, layout: &Layout, id: &BackupId) -> Result<Option<PathBuf>, fs::Error> {
    Ok(files.exists(&layout.record(id))?.then(|| layout.old_record(id)))
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;

    use super::*;
    use crate::types::BackupStatus;

    const ID: &str = "20260101T100000";

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            std_fs::create_dir_all(home.0.path().join(format!("base/{ID}"))).unwrap();
            home
        }

        fn catalog(&self, keeps_old_records: bool) -> Catalog {
            let layout = Layout {
                server: "main".into(),
                backup_directory: self.0.path().into(),
                basebackups_directory: self.0.path().join("base"),
                lock_directory: self.0.path().into(),
                keeps_old_records,
            };
            Catalog::open(&Files::default(), layout).unwrap()
        }

        fn put(&self, path: &str, content: &str) {
            std_fs::write(self.0.path().join(path), content).unwrap();
        }

        fn copy(&self) -> Option<String> {
            std_fs::read_to_string(self.0.path().join(format!("base/{ID}/backup.info"))).ok()
        }

        fn has_data(&self) {
            std_fs::create_dir(self.0.path().join(format!("base/{ID}/data"))).unwrap();
        }
    }

    fn info(status: BackupStatus) -> BackupInfo {
        BackupInfo { status, ..BackupInfo::new(ID.parse().unwrap()) }
    }

    #[test]
    fn a_record_is_copied_to_its_old_place_once_there_is_data_beside_it() {
        let home = Home::new();
        home.catalog(true).save(info(BackupStatus::Started)).unwrap();
        assert_eq!(home.copy(), None);
        home.has_data();
        home.catalog(false).save(info(BackupStatus::Done)).unwrap();
        assert_eq!(home.copy(), None);
        home.catalog(true).save(info(BackupStatus::Done)).unwrap();
        assert!(home.copy().unwrap().contains("status=DONE\n"));
    }

    #[test]
    fn a_copy_follows_what_another_program_has_written_and_is_never_read_itself() {
        let home = Home::new();
        home.has_data();
        home.catalog(true).save(info(BackupStatus::WaitingForWals)).unwrap();
        let text = info(BackupStatus::Done).to_text();
        home.put(&format!("meta/{ID}-backup.info"), &format!("{text}of_a_newer_release=1\n"));
        let catalog = home.catalog(true);
        assert!(home.copy().unwrap().contains("WAITING_FOR_WALS"));
        assert_eq!(catalog.find(&ID.parse().unwrap()).unwrap().unwrap().status, BackupStatus::Done);
        catalog.update_old_records().unwrap();
        assert_eq!(home.copy().unwrap(), text);
    }

    #[test]
    fn a_damaged_record_leaves_its_copy_alone() {
        let home = Home::new();
        home.has_data();
        home.catalog(true).save(info(BackupStatus::Done)).unwrap();
        home.put(&format!("meta/{ID}-backup.info"), "rubbish\n");
        home.catalog(true).update_old_records().unwrap();
        assert!(home.copy().unwrap().contains("status=DONE\n"));
    }
}
