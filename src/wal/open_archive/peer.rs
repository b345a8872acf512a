//! What another node is told of the list, and takes of it.

use std::collections::BTreeSet;
use std::io::Read;

use super::{Addition, OpenArchive, Present, Publication};
use crate::codec::same_bytes;
use crate::sys::fs::{self, PathContext};
use crate::types::WalName;
use crate::wal::archive::Archive;
use crate::wal::error::Error;
use crate::wal::names::NameRange;
use crate::wal::xlogdb::XlogDbEntry;

impl Archive {
    /// Whether the archive loses nothing when a file of another node takes the place of what has its name: nothing, the
    /// same content, or the beginning of it, as a copy leaves that was killed.
    pub fn can_take(&self, addition: &Addition) -> Result<bool, Error> {
        if self.compare(addition)? != Present::Different {
            return Ok(true);
        }
        let (path, theirs) = (self.path_of(addition.name), self.files.open(&addition.file)?);
        let ours = self.files.open(&path)?;
        let len = ours.metadata().at("examine", &path)?.len();
        Ok(len < addition.entry.size && same_bytes(ours, theirs.take(len)).at("compare", &path)?)
    }
}

/// The ends of a list that has lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The least name.
    pub first: String,
    /// The greatest name.
    pub greatest: String,
    /// The name on the last line, which is the greatest unless a file came late.
    pub last: String,
    /// Where the last line starts, in bytes.
    pub last_position: u64,
}

impl OpenArchive<'_> {
    /// The ends of the list; `None` of an empty one.
    pub fn extent(&mut self) -> Result<Option<Extent>, Error> {
        let Some(first) = self.entries(..)?.next().transpose()? else { return Ok(None) };
        let Some((last, last_position)) = self.catalogue.last_line()? else { return Ok(None) };
        Ok(Some(Extent { first: first.name, greatest: self.catalogue.greatest_name(), last, last_position }))
    }

    /// The lines behind the one of `name` that starts at `position`; `None` when that line is not there any more, or when
    /// more than `limit` bytes come after it.
    pub fn lines_behind(
        &mut self,
        name: &str,
        position: u64,
        limit: u64,
    ) -> Result<Option<Vec<XlogDbEntry>>, Error> {
        self.catalogue.ensure_readable()?;
        self.catalogue.lines_behind(name, position, limit)
    }

    /// The first `count` lines from `start` on whose names are not greater than `to`, ascending.
    pub fn page(&mut self, start: PageStart<'_>, to: &str, count: usize) -> Result<Vec<XlogDbEntry>, Error> {
        self.catalogue.ensure_readable()?;
        let range = match start {
            PageStart::After(name) => NameRange::after(name, to),
            PageStart::From(name) => NameRange::from(name, to),
        };
        self.catalogue.entries(range)?.take(count).collect()
    }

    /// Takes files of another node into the archive, each in the place of what may have its name. They must be given in
    /// ascending order. A crash leaves at worst lines whose files did not come; all of them may be taken again.
    pub fn take_over(&mut self, additions: &[Addition]) -> Result<(), Error> {
        let Some(first) = additions.first() else { return Ok(()) };
        if first.name.to_string() <= self.catalogue.greatest_name() {
            return self.insert(additions, true);
        }
        let (files, paths) = (&self.archive.files, &self.archive.paths);
        let dirs: BTreeSet<_> =
            additions.iter().map(|it| fs::parent(&self.archive.path_of(it.name)).to_owned()).collect();
        dirs.iter().try_for_each(|dir| files.create_dir_all(dir))?;
        files.sync_dir(&paths.wals_dir)?;
        let publication = |it: &Addition| Publication {
            name: it.name,
            temporary: it.file.clone(),
            entry: it.entry.clone(),
            replaces: true,
        };
        let batch: Vec<Publication> = additions.iter().map(publication).collect();
        self.publish(&batch).1
    }

    /// Those of the files of another node, ascending, that the archive does not have: not on the list, or not with the size
    /// that the other node tells.
    pub fn absent(
        &mut self,
        told: Vec<(WalName, XlogDbEntry)>,
    ) -> Result<Vec<(WalName, XlogDbEntry)>, Error> {
        let (Some((first, _)), Some((last, _))) = (told.first(), told.last()) else { return Ok(told) };
        let mut listed = BTreeSet::new();
        for line in self.entries(*first..=*last)? {
            let name = line?.wal_name();
            listed.extend(name.filter(|name| told.binary_search_by_key(name, |(told, _)| *told).is_ok()));
        }
        let mut absent = Vec::new();
        for (name, entry) in told {
            let file = self.archive.files.symlink_metadata(&self.archive.path_of(name))?;
            let is_whole = file.is_some_and(|file| file.len() == entry.size);
            if !is_whole || !listed.contains(&name) {
                absent.push((name, entry));
            }
        }
        Ok(absent)
    }
}

/// Where a page of the list begins.
#[derive(Debug, Clone, Copy)]
pub enum PageStart<'a> {
    /// Behind this name.
    After(&'a str),
    /// With this name.
    From(&'a str),
}

#[cfg(test)]
mod tests;
