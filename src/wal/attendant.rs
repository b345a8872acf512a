//! Somebody who is asked before each file that comes into the archive or goes out of it, and told afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::Error;
use super::open_archive::{OpenArchive, Removed};
use super::xlogdb::XlogDbEntry;
use crate::types::WalName;

/// Asked and told, file by file, one after the other, oldest first. No lock is held meanwhile: it may take as long as
/// it likes, and look at the archive.
///
/// After a crash it may be asked again of a file that it was asked of before.
pub trait Attendant {
    /// Before the file is touched; nothing happens to it, nor to those after it, when this fails.
    fn before(&mut self, file: &PassingFile<'_>) -> Result<(), Error>;

    /// Afterwards, whatever became of the file. Of one that was to come in also when `before` has failed.
    fn after(&mut self, file: &PassingFile<'_>, outcome: Outcome<'_>);
}

/// A file on its way.
#[derive(Debug, Clone, Copy)]
pub struct PassingFile<'a> {
    /// Where it lies: before it comes in, among those that came; otherwise in the archive.
    pub path: &'a Path,
    /// What it is there.
    pub entry: &'a XlogDbEntry,
}

/// What became of a file.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It came in, or went.
    Done,
    /// It was in the archive already.
    Identical,
    /// The archive has another one of that name.
    Different,
    /// It is still arriving.
    Arriving,
    /// This kept it.
    Failed(&'a dyn std::error::Error),
}

impl OpenArchive<'_> {
    /// As [`OpenArchive::remove`], with `attendant` asked and told, and the lock let go meanwhile. Stops when it says
    /// so; what is gone by then is gone.
    ///
    /// Here the files go before their lines: it may take hours, and be stopped at any file. A crash leaves lines
    /// without files, and so the next removal finds them and takes them away.
    pub fn remove_attended(
        mut self,
        is_condemned: impl Fn(WalName) -> bool,
        attendant: &mut dyn Attendant,
    ) -> Result<Removed, Error> {
        let condemned = self.list_condemned(is_condemned)?;
        let archive = self.close();
        let (mut gone, mut failed, mut stopped) = (BTreeSet::new(), Vec::new(), None);
        for (name, entry) in &condemned {
            let path = archive.path_of(*name);
            let file = PassingFile { path: &path, entry };
            let asked = archive.cancel.check().map_err(Error::from).and_then(|()| attendant.before(&file));
            if let Err(error) = asked {
                stopped = Some(error);
                break;
            }
            match archive.files.remove_file_if_exists(&path) {
                Ok(()) => {
                    gone.insert(*name);
                    attendant.after(&file, Outcome::Done);
                }
                Err(error) => {
                    attendant.after(&file, Outcome::Failed(&error));
                    failed.push((*name, error));
                }
            }
        }
        // One that was archived again meanwhile keeps its line.
        let is_gone = |name: WalName| gone.contains(&name) && !archive.contains(name).unwrap_or(true);
        let removed = archive.open()?.remove(|name, _| is_gone(name))?;
        Ok(Removed { failed, stopped, ..removed })
    }

    fn list_condemned(
        &mut self,
        is_condemned: impl Fn(WalName) -> bool,
    ) -> Result<BTreeMap<WalName, XlogDbEntry>, Error> {
        let mut condemned = BTreeMap::new();
        for entry in self.entries(..)? {
            let entry = entry?;
            if let Some(name) = entry.wal_name().filter(|name| is_condemned(*name)) {
                condemned.insert(name, entry);
            }
        }
        Ok(condemned)
    }
}

#[cfg(test)]
mod tests;
