use std::path::PathBuf;

use super::OpenArchive;
use crate::sys::fs;
use crate::types::WalName;
use crate::wal::archive::Archive;
use crate::wal::error::Error;
use crate::wal::names::NameRange;

/// What became of a name in the list that had to go.
#[derive(Debug)]
pub enum Removal {
    /// The file is gone, if it was there.
    Gone(WalName),
    /// The file could not be removed. Nothing lists it until the next removal, which tries again.
    Failed(WalName, fs::Error),
    /// No WAL file has such a name; only its line is gone.
    Invalid(String),
}

impl OpenArchive<'_> {
    /// Takes the files that `is_condemned` tells out of the archive: first all their lines, then the files, one by
    /// one, ascending; directories only when nothing is left in them. Lines that name no WAL file go, too. `tell` is
    /// told what became of each; of several lines of one file, once.
    ///
    /// A crash leaves files that nothing lists; nothing needed is ever lost. The next removal lists them again, as
    /// archiving does, and takes them.
    ///
    /// However many files go, their names are never in memory together: they come from the old list, which stays
    /// open when the new one has taken its name.
    pub fn remove(
        &mut self,
        is_condemned: impl Fn(WalName) -> bool,
        mut tell: impl FnMut(Removal),
    ) -> Result<(), Error> {
        self.catalogue.ensure_readable()?;
        self.list_what_is_unlisted()?;
        let stays = |name: &str| name.parse().is_ok_and(|name| !is_condemned(name));
        if self.are_all(stays)? {
            return Ok(());
        }
        // Until the last one is gone, there are files without lines.
        self.set_complete(false);
        self.catalogue.forget_completeness();
        let mut old = self.catalogue.rewrite(|line| stays(line.name))?;
        let mut sweep = Sweep::new(self.archive);
        let mut last = None;
        for entry in old.entries(NameRange::new(&..))? {
            let entry = entry?;
            match entry.wal_name() {
                None => tell(Removal::Invalid(entry.name)),
                Some(name) if is_condemned(name) && last.replace(name) != Some(name) => {
                    tell(sweep.remove(name)?);
                }
                Some(_) => {}
            }
        }
        if sweep.finish()? {
            self.set_complete(true);
            self.catalogue.save_index();
        }
        Ok(())
    }

    fn are_all(&mut self, stays: impl Fn(&str) -> bool) -> Result<bool, Error> {
        for entry in self.catalogue.entries(NameRange::new(&..))? {
            if !stays(&entry?.name) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Removes files in the order of their names, and so one directory after the other.
struct Sweep<'a> {
    archive: &'a Archive,
    /// The one that files were last removed from.
    directory: Option<PathBuf>,
    is_whole: bool,
}

impl<'a> Sweep<'a> {
    fn new(archive: &'a Archive) -> Self {
        Self { archive, directory: None, is_whole: true }
    }

    fn remove(&mut self, name: WalName) -> Result<Removal, Error> {
        let path = self.archive.path_of(name);
        let directory = fs::parent(&path);
        if self.directory.as_deref() != Some(directory) {
            self.archive.cancel.check()?;
            self.leave_directory()?;
            self.directory = Some(directory.to_owned());
        }
        Ok(match self.archive.files.remove_file_if_exists(&path) {
            Ok(()) => Removal::Gone(name),
            Err(error) => {
                self.is_whole = false;
                Removal::Failed(name, error)
            }
        })
    }

    /// Removes the directory if nothing is left in it. Otherwise sees to it that what is gone stays gone: a file that
    /// came back would have no line.
    fn leave_directory(&mut self) -> Result<(), Error> {
        let Some(directory) = self.directory.take() else { return Ok(()) };
        let (files, wals_dir) = (&self.archive.files, &self.archive.paths.wals_dir);
        if directory == *wals_dir || files.remove_dir(&directory).is_ok() {
            return Ok(());
        }
        match files.sync_dir(&directory) {
            Err(error) if error.is_not_found() => Ok(()),
            other => Ok(other?),
        }
    }

    /// Whether every file is gone, for good.
    fn finish(mut self) -> Result<bool, Error> {
        self.leave_directory()?;
        self.archive.files.sync_dir(&self.archive.paths.wals_dir)?;
        Ok(self.is_whole)
    }
}
