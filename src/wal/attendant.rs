//! Somebody who is asked before each file that comes into the archive or goes out of it, and told afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;

use super::archive::Archive;
use super::error::Error;
use super::open_archive::{OpenArchive, Removal};
use super::xlogdb::XlogDbEntry;
use crate::types::WalName;

/// Files that an attended removal takes at a time: the list is written anew after each such batch.
const BATCH: usize = if cfg!(test) { 2 } else { 10_000 };

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
    Failed(&'a (dyn std::error::Error + 'static)),
}

impl OpenArchive<'_> {
    /// As [`OpenArchive::remove`], with `attendant` asked and told, and the lock let go meanwhile. Stops when it says
    /// so, and gives its reason; what is gone by then is gone.
    ///
    /// Here the files go before their lines: it may take hours, and be stopped at any file. A crash leaves lines
    /// without files, and so the next removal finds them and takes them away.
    pub fn remove_attended(
        self,
        is_condemned: impl Fn(WalName) -> bool,
        attendant: &mut dyn Attendant,
        mut tell: impl FnMut(Removal),
    ) -> Result<Option<Error>, Error> {
        let (mut open, mut done) = (self, Bound::Unbounded);
        loop {
            let condemned = open.list_condemned(done, &is_condemned)?;
            let archive = open.close();
            let (gone, stopped) = archive.remove_each(&condemned, attendant, &mut tell);
            // One that was archived again meanwhile keeps its line.
            let is_gone = |name: WalName| gone.contains(&name) && !archive.contains(name).unwrap_or(true);
            open = archive.open()?;
            open.remove(is_gone, |what| {
                if matches!(what, Removal::Invalid(_)) {
                    tell(what);
                }
            })?;
            match condemned.last_key_value() {
                Some((last, _)) if stopped.is_none() => done = Bound::Excluded(*last),
                _ => return Ok(stopped),
            }
        }
    }

    /// The next files to go after those that are `done`, as many as are taken at a time.
    fn list_condemned(
        &mut self,
        done: Bound<WalName>,
        is_condemned: impl Fn(WalName) -> bool,
    ) -> Result<BTreeMap<WalName, XlogDbEntry>, Error> {
        self.list_what_is_unlisted()?;
        let mut condemned = BTreeMap::new();
        for entry in self.entries((done, Bound::Unbounded))? {
            let entry = entry?;
            if let Some(name) = entry.wal_name().filter(|name| is_condemned(*name)) {
                condemned.insert(name, entry);
            }
            if condemned.len() == BATCH {
                break;
            }
        }
        Ok(condemned)
    }
}

impl Archive {
    /// Removes the files one by one: those that are gone, and why the rest stayed.
    fn remove_each(
        &self,
        condemned: &BTreeMap<WalName, XlogDbEntry>,
        attendant: &mut dyn Attendant,
        tell: &mut impl FnMut(Removal),
    ) -> (BTreeSet<WalName>, Option<Error>) {
        let mut gone = BTreeSet::new();
        for (name, entry) in condemned {
            let path = self.path_of(*name);
            let file = PassingFile { path: &path, entry };
            let asked = self.cancel.check().map_err(Error::from).and_then(|()| attendant.before(&file));
            if let Err(error) = asked {
                return (gone, Some(error));
            }
            match self.files.remove_file_if_exists(&path) {
                Ok(()) => {
                    gone.insert(*name);
                    attendant.after(&file, Outcome::Done);
                    tell(Removal::Gone(*name));
                }
                Err(error) => {
                    attendant.after(&file, Outcome::Failed(&error));
                    tell(Removal::Failed(*name, error));
                }
            }
        }
        (gone, None)
    }
}

#[cfg(test)]
mod tests;
