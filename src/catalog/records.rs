//! Finding, reading and writing records.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{BackupInfo, BackupKind, DirectoryForm, Error, Layout};
use crate::sys::{Files, fs};
use crate::types::{BackupId, BackupStatus};

#[cfg(test)]
mod tests;

/// The backups of one server, as they were when the catalogue was opened or as saved since.
pub struct Catalog {
    pub(super) files: Files,
    pub(super) layout: Layout,
    records: BTreeMap<BackupId, Record>,
    /// Records that lie where no backup can have one.
    misnamed: Vec<PathBuf>,
}

/// A record that was found, and its content once somebody asked for it.
struct Record {
    path: PathBuf,
    info: OnceLock<BackupInfo>,
}

impl Record {
    fn at(path: PathBuf) -> Self {
        Self { path, info: OnceLock::new() }
    }
}

/// All that could be read of a catalogue, and why the rest could not.
pub struct Loaded<'a> {
    /// The backups, oldest first.
    pub backups: Vec<&'a BackupInfo>,
    /// One error for each record that could not be read.
    pub errors: Vec<Error>,
}

impl Catalog {
    /// Finds the records of a server; none is read yet. Directories that do not exist hold no records.
    pub fn open(files: &Files, layout: Layout) -> Result<Self, Error> {
        let mut catalog =
            Self { files: files.clone(), layout, records: BTreeMap::new(), misnamed: Vec::new() };
        catalog.find_records().map_err(|source| catalog.file_error(source))?;
        Ok(catalog)
    }

    /// Finds the records again and forgets what was read: what another process did before we had its lock counts.
    pub fn refresh(&mut self) -> Result<(), Error> {
        *self = Self::open(&self.files, self.layout.clone())?;
        Ok(())
    }

    fn find_records(&mut self) -> Result<(), fs::Error> {
        let meta = self.layout.meta_dir();
        for name in self.names_in(&meta)? {
            match name.to_string_lossy().strip_suffix("-backup.info") {
                Some(id) if !is_hidden(&name) => self.insert(id.parse().ok(), meta.join(&name)),
                _ => {}
            }
        }
        let base = self.layout.basebackups_directory.clone();
        for name in self.names_in(&base)? {
            let id = name.to_str().and_then(|name| name.parse::<BackupId>().ok());
            let is_known = id.as_ref().is_some_and(|id| self.records.contains_key(id));
            let record = base.join(&name).join("backup.info");
            let is_candidate = !is_known && !is_hidden(&name) && self.files.is_dir(fs::parent(&record));
            if is_candidate && self.files.exists(&record)? {
                self.insert(id, record);
            }
        }
        Ok(())
    }

    /// The names in a directory, sorted. There is one for each backup, and nothing else is asked of them.
    pub(super) fn names_in(&self, dir: &Path) -> Result<Vec<OsString>, fs::Error> {
        let mut names = Vec::new();
        self.files.visit(dir, |name, _| names.push(name))?;
        names.sort_unstable();
        Ok(names)
    }

    fn insert(&mut self, id: Option<BackupId>, path: PathBuf) {
        match id {
            Some(id) => drop(self.records.insert(id, Record::at(path))),
            None => self.misnamed.push(path),
        }
    }

    /// Where the files of this catalogue are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The names of all backups, oldest first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = &BackupId> {
        self.records.keys()
    }

    /// The backup of this name, of any status; `None` when there is none.
    pub fn find(&self, id: &BackupId) -> Result<Option<&BackupInfo>, Error> {
        self.records.get(id).map_or(Ok(None), |record| self.read(id, record))
    }

    /// The content of a record, read once; `None` when the file has vanished since the catalogue was opened.
    fn read<'a>(&'a self, id: &BackupId, record: &'a Record) -> Result<Option<&'a BackupInfo>, Error> {
        if let Some(info) = record.info.get() {
            return Ok(Some(info));
        }
        let content = self.files.read_if_exists(&record.path).map_err(|source| self.file_error(source))?;
        let Some(content) = content else { return Ok(None) };
        let info = BackupInfo::parse(id.clone(), &content).map_err(|malformed| Error::Malformed {
            server: self.layout.server.clone(),
            id: id.clone(),
            path: record.path.clone(),
            malformed: Box::new(malformed),
        })?;
        Ok(Some(record.info.get_or_init(|| info)))
    }

    /// Reads all records.
    pub fn load(&self) -> Loaded<'_> {
        let misnamed =
            |path: &PathBuf| Error::Misnamed { server: self.layout.server.clone(), path: path.clone() };
        let mut loaded = Loaded { backups: Vec::new(), errors: self.misnamed.iter().map(misnamed).collect() };
        for (id, record) in &self.records {
            match self.read(id, record) {
                Ok(info) => loaded.backups.extend(info),
                Err(error) => loaded.errors.push(error),
            }
        }
        loaded
    }

    /// The backup that a person means by `text`: an identifier, a name given with `--name`, or a word such as
    /// `latest`. Words and names find available backups only, and `last-failed` failed ones.
    ///
    /// # Errors
    /// `Unknown`, `Ambiguous`, or why a record could not be read that may have been the one.
    pub fn resolve(&self, text: &str) -> Result<&BackupInfo, Error> {
        let found = match text {
            "latest" | "last" => self.first_that(self.ids().rev(), BackupInfo::is_available)?,
            "oldest" | "first" => self.first_that(self.ids(), BackupInfo::is_available)?,
            "last-failed" => self.first_that(self.ids().rev(), |info| info.status == BackupStatus::Failed)?,
            "latest-full" | "last-full" => self.first_that(self.ids().rev(), |info| {
                info.is_available() && matches!(info.kind(), BackupKind::Full | BackupKind::Rsync)
            })?,
            _ => match text.parse() {
                Ok(id) => self.find(&id)?,
                Err(_) => self.find_named(text)?,
            },
        };
        found.ok_or_else(|| Error::Unknown { server: self.layout.server.clone(), text: text.to_owned() })
    }

    /// The newest backup that is `wanted`.
    ///
    /// # Errors
    /// When the record of a newer one cannot be read: it may be the one.
    pub fn newest_that(&self, wanted: impl Fn(&BackupInfo) -> bool) -> Result<Option<&BackupInfo>, Error> {
        self.first_that(self.ids().rev(), wanted)
    }

    fn find_named(&self, name: &str) -> Result<Option<&BackupInfo>, Error> {
        let Loaded { backups, errors } = self.load();
        let is_meant = |info: &&BackupInfo| info.is_available() && info.backup_name.as_deref() == Some(name);
        let found: Vec<&BackupInfo> = backups.into_iter().filter(is_meant).collect();
        match (found.as_slice(), errors.into_iter().next()) {
            ([only], _) => Ok(Some(only)),
            ([], None) => Ok(None),
            ([], Some(error)) => Err(error),
            (several, _) => Err(Error::Ambiguous {
                name: name.to_owned(),
                ids: several.iter().rev().map(|info| info.id.clone()).collect(),
            }),
        }
    }

    /// The available backup before the one of this name.
    ///
    /// # Errors
    /// When a record in between cannot be read: it may be the one.
    pub fn previous_available(&self, id: &BackupId) -> Result<Option<&BackupInfo>, Error> {
        let before = self.records.range(..id).map(|(id, _)| id);
        self.first_that(before.rev(), BackupInfo::is_available)
    }

    /// The available backup after the one of this name.
    ///
    /// # Errors
    /// When a record in between cannot be read: it may be the one.
    pub fn next_available(&self, id: &BackupId) -> Result<Option<&BackupInfo>, Error> {
        let after = self.records.range((Bound::Excluded(id), Bound::Unbounded)).map(|(id, _)| id);
        self.first_that(after, BackupInfo::is_available)
    }

    fn first_that<'a>(
        &'a self,
        ids: impl Iterator<Item = &'a BackupId>,
        wanted: impl Fn(&BackupInfo) -> bool,
    ) -> Result<Option<&'a BackupInfo>, Error> {
        for id in ids {
            if let Some(info) = self.find(id)?.filter(|info| wanted(info)) {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }

    /// Writes a record, durably, in `meta/`, and its copy for older programs. A crash leaves the one before or this one.
    pub fn save(&mut self, info: BackupInfo) -> Result<(), Error> {
        let path = self.layout.record(&info.id);
        self.ensure_meta_dir()
            .and_then(|()| self.files.replace_durably(&path, info.to_text().as_bytes()))
            .map_err(|source| self.file_error(source))?;
        self.write_old_record(&info);
        let id = info.id.clone();
        self.records.insert(id, Record { path, info: info.into() });
        Ok(())
    }

    /// Removes the record of a backup, the last step of its deletion.
    pub fn remove_record(&mut self, id: &BackupId) -> Result<(), Error> {
        let path = self.layout.record(id);
        self.files.remove_durably(&path).map_err(|source| self.file_error(source))?;
        self.records.remove(id);
        Ok(())
    }

    /// How the files of a backup lie below its directory.
    pub fn directory_form(&self, id: &BackupId) -> DirectoryForm {
        let old = self.layout.data_dir(id, DirectoryForm::Pgdata);
        if self.files.is_dir(&old) { DirectoryForm::Pgdata } else { DirectoryForm::Data }
    }

    /// Whether a record tells of a backup whose files are gone, as an interrupted deletion may leave it. Those of a
    /// backup that is under way are still to come.
    pub fn is_orphan(&self, info: &BackupInfo) -> Result<bool, Error> {
        if matches!(info.status, BackupStatus::Empty | BackupStatus::Started | BackupStatus::Syncing) {
            return Ok(false);
        }
        let entries = self.files.list_if_exists(&self.layout.base_dir(&info.id));
        let entries = entries.map_err(|source| self.file_error(source))?;
        Ok(entries.iter().all(|entry| entry.name == "backup.info"))
    }

    pub(super) fn ensure_meta_dir(&self) -> Result<(), fs::Error> {
        let meta = self.layout.meta_dir();
        if self.files.is_dir(&meta) {
            return Ok(());
        }
        self.files.create_dir_all(&meta)?;
        self.files.sync_dir(&self.layout.backup_directory)
    }

    pub(super) fn file_error(&self, source: fs::Error) -> Error {
        Error::File { server: self.layout.server.clone(), source }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether a backup cannot be given this name, because it already means something to commands.
pub fn is_reserved_name(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["latest", "last", "oldest", "first", "last-failed", "latest-full", "last-full", "auto"];
    WORDS.contains(&name)
}
