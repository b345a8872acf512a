use std::collections::BTreeSet;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::archive_lock::ArchiveLock;
use super::catalogue::{Catalogue, Entries};
use super::error::Error;
use super::names::NameRange;
use super::totals::Totals;
use super::xlogdb::XlogDbEntry;
use crate::sys::fs;
use crate::types::{Timeline, WalName, WalSegment};

mod addition;
mod peer;
mod removal;

pub use addition::{Addition, Present};
pub use peer::{Extent, PageStart};
pub use removal::Removal;

/// By how much the clocks may differ that date directories and xlog.db: those of two file servers, at worst.
const CLOCKS_DIFFER_SECS: i64 = 3600;

/// The archive with its list open and locked: everything that asks the list, and every change.
///
/// A file and its line are changed together here and nowhere else. Wherever a change stops, there is at worst a
/// line whose file is still to come, or a file that the next change of its directory lists again.
pub struct OpenArchive<'a> {
    archive: &'a Archive,
    catalogue: Catalogue,
    lock: ArchiveLock,
}

/// A file to be put into the archive.
#[derive(Debug, Clone)]
pub(super) struct Publication {
    pub name: WalName,
    /// The file, complete and synced, on the file system of the archive.
    pub temporary: PathBuf,
    /// Its line.
    pub entry: XlogDbEntry,
    /// Whether it takes the place of a file that is there.
    pub replaces: bool,
}

impl<'a> OpenArchive<'a> {
    pub(super) fn new(archive: &'a Archive, mut catalogue: Catalogue, lock: ArchiveLock) -> Self {
        catalogue.set_complete(lock.is_complete);
        Self { archive, catalogue, lock }
    }

    /// Tells whether every file of the archive has its line, to the next holder of the lock and to the index.
    fn set_complete(&mut self, is_complete: bool) {
        self.lock.is_complete = is_complete;
        self.catalogue.set_complete(is_complete);
    }

    /// Lets go of the lock.
    pub(super) fn close(self) -> &'a Archive {
        self.archive
    }

    /// The lines whose names lie in the range, ascending.
    pub fn entries(&mut self, range: impl RangeBounds<WalName>) -> Result<Entries<'_>, Error> {
        self.catalogue.ensure_readable()?;
        self.catalogue.entries(NameRange::new(&range))
    }

    /// The line of a file; `None` when it is not listed.
    pub fn find(&mut self, name: WalName) -> Result<Option<XlogDbEntry>, Error> {
        self.entries(name..=name)?.next().transpose()
    }

    /// How many files the range has, and how large they are, by kind.
    pub fn totals(&mut self, range: impl RangeBounds<WalName>) -> Result<Totals, Error> {
        self.catalogue.ensure_readable()?;
        self.catalogue.totals(&NameRange::new(&range))
    }

    /// The line of the first complete segment in the range.
    pub fn first_segment(&mut self, range: impl RangeBounds<WalName>) -> Result<Option<XlogDbEntry>, Error> {
        let is_segment = |entry: &XlogDbEntry| matches!(entry.wal_name(), Some(WalName::Segment(_)));
        let mut entries = self.entries(range)?;
        entries.find(|entry| entry.as_ref().map_or(true, is_segment)).transpose()
    }

    /// The line of the last complete segment in the range.
    pub fn last_segment(&mut self, range: impl RangeBounds<WalName>) -> Result<Option<XlogDbEntry>, Error> {
        self.catalogue.ensure_readable()?;
        self.catalogue.last_segment(&NameRange::new(&range))
    }

    /// The last complete segment of the timeline whose file is there.
    ///
    /// The list only says where to look: a crash may have left lines without files, and files without lines.
    pub fn latest_segment(&mut self, timeline: Timeline) -> Result<Option<WalSegment>, Error> {
        let mut end = timeline.number().checked_add(1).and_then(Timeline::new).map(WalName::History);
        loop {
            let end_bound = end.map_or(Bound::Unbounded, Bound::Excluded);
            let range = NameRange::new(&(Bound::Included(WalName::History(timeline)), end_bound));
            let last = self.catalogue.last_segment(&range)?.and_then(|entry| entry.wal_name());
            let Some(name @ WalName::Segment(segment)) = last else { return Ok(None) };
            if self.archive.contains(name)? {
                let beside = self.archive.names_in(Path::new(&segment.hash_dir()))?;
                return Ok(beside.into_iter().rev().find_map(WalName::segment));
            }
            end = Some(name);
        }
    }

    /// The last complete segment of every timeline that has one, ascending.
    pub fn latest_segments(&mut self) -> Result<Vec<WalSegment>, Error> {
        let (mut latest, mut end) = (Vec::new(), Bound::Unbounded);
        loop {
            let last = self.catalogue.last_segment(&NameRange::new(&(Bound::Unbounded, end)))?;
            let Some(timeline) = last.and_then(|entry| entry.wal_name()).map(WalName::timeline) else {
                break;
            };
            latest.extend(self.latest_segment(timeline)?);
            end = Bound::Excluded(WalName::History(timeline));
        }
        latest.reverse();
        Ok(latest)
    }

    /// Puts files into the archive, which must be given in ascending order: first their lines, then the files, one
    /// by one. Tells how many of them are there now, for good; at the first failure the rest is left out.
    ///
    /// The line comes first because of what Python Barman does with the half of it that a crash leaves. It drops a
    /// source in `incoming` without adding a line when the file is already there, and so that file would be missing
    /// from every later restore; of a line without a file nothing comes but a second line.
    ///
    /// The order of the files counts because a segment that appears before its predecessor makes `check-backup` of
    /// either program call a backup broken for good.
    pub(super) fn publish(&mut self, batch: &[Publication]) -> (usize, Result<(), Error>) {
        debug_assert!(batch.is_sorted_by_key(|publication| publication.name));
        let (mut published, result) = match self.publish_each(batch) {
            Ok(outcome) => outcome,
            Err(error) => (0, Err(error)),
        };
        let directories: BTreeSet<PathBuf> = batch[..published]
            .iter()
            .map(|it| fs::parent(&self.archive.path_of(it.name)).to_owned())
            .collect();
        let synced = directories.iter().try_for_each(|dir| self.archive.files.sync_dir(dir));
        if synced.is_err() {
            // The files may be gone after a power cut: their sources must stay.
            published = 0;
        }
        (published, result.and(synced.map_err(Error::from)))
    }

    fn publish_each(&mut self, batch: &[Publication]) -> Result<(usize, Result<(), Error>), Error> {
        let mut unlisted = Vec::new();
        for publication in batch {
            if !self.is_listed_as(&publication.entry, publication.name)? {
                unlisted.push(publication);
            }
        }
        let lines: Vec<XlogDbEntry> = unlisted.iter().map(|publication| publication.entry.clone()).collect();
        let appended = self.catalogue.append(&lines)?;
        let mut result = Ok(());
        let published = batch.iter().take_while(|publication| {
            result = self.put(publication);
            result.is_ok()
        });
        let published = published.count();
        let kept = unlisted.partition_point(|unlisted| {
            batch[..published].last().is_some_and(|last| unlisted.name <= last.name)
        });
        if batch[published..].iter().any(|left| left.replaces) {
            // Its old line may be gone.
            self.set_complete(false);
        }
        let settled = self.catalogue.keep(&appended, kept);
        Ok((published, result.and(settled)))
    }

    /// Whether the file has exactly this line. A line that says something else, left by a crash before the settings
    /// changed, is taken away: a restore would believe it.
    fn is_listed_as(&mut self, entry: &XlogDbEntry, name: WalName) -> Result<bool, Error> {
        let lines: Vec<_> =
            self.catalogue.entries(NameRange::new(&(name..=name)))?.collect::<Result<_, _>>()?;
        if lines.iter().any(|line| line != entry) {
            self.catalogue.rewrite(|line| line.name != entry.name)?;
            return Ok(false);
        }
        Ok(!lines.is_empty())
    }

    fn put(&self, publication: &Publication) -> Result<(), Error> {
        let path = self.archive.path_of(publication.name);
        if !publication.replaces && self.archive.files.exists(&path)? {
            return Err(Error::Appeared { server: self.archive.server_name(), path });
        }
        Ok(self.archive.files.rename(&publication.temporary, &path)?)
    }

    /// Sees to it that every file of the archive has its line. The Python Barman, killed at the right moment, leaves
    /// one without, anywhere: it writes the line after the file.
    ///
    /// Costs nothing when no other program has held the lock since this was last known, which is nearly always.
    /// Otherwise looks into the directories that have changed since then.
    pub(super) fn list_what_is_unlisted(&mut self) -> Result<(), Error> {
        if self.lock.is_complete {
            return Ok(());
        }
        let since = self.catalogue.complete_until().map_or(i64::MIN, |moment| moment - CLOCKS_DIFFER_SECS);
        for directory in self.archive.directories_changed_since(since)? {
            self.archive.cancel.check()?;
            self.list_unlisted(&directory)?;
        }
        self.set_complete(true);
        self.catalogue.save_index();
        Ok(())
    }

    /// Adds the lines that are missing for files in a directory below `wals/`.
    fn list_unlisted(&mut self, directory: &Path) -> Result<(), Error> {
        let mut unlisted = self.archive.names_in(directory)?;
        let (Some(first), Some(last)) = (unlisted.first().copied(), unlisted.last().copied()) else {
            return Ok(());
        };
        if directory == Path::new("") {
            // Histories: few, and everything else lies between their names.
            for name in unlisted.clone() {
                if self.catalogue.find(name)?.is_some() {
                    unlisted.remove(&name);
                }
            }
        } else {
            for entry in self.catalogue.entries(NameRange::new(&(first..=last)))? {
                if let Some(name) = entry?.wal_name() {
                    unlisted.remove(&name);
                }
            }
        }
        let entries =
            unlisted.iter().map(|name| self.archive.describe(*name)).collect::<Result<Vec<_>, _>>()?;
        let appended = self.catalogue.append(&entries)?;
        self.catalogue.keep(&appended, entries.len())
    }
}

#[cfg(test)]
mod tests;
