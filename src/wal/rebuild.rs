//! Making xlog.db from the files: when there is none, or when a person asks for it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::archive::{Archive, SYNC_RECORD, is_hash_dir, wal_name_in};
use super::catalogue::{Catalogue, Entries, Filling};
use super::error::Error;
use super::names::NameRange;
use super::totals::Totals;
use super::xlogdb::XlogDbEntry;
use crate::codec::Compression;
use crate::sys::fs;
use crate::types::WalName;

/// How far the time in a line may be from that of its file: releases before 3 wrote twelve digits of it.
const TIMES_DIFFER_SECS: f64 = 0.01;

/// How many strangers are remembered by their paths.
const STRANGERS_KEPT: usize = 10;

/// What a list was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// The files that are listed.
    pub totals: Totals,
    /// What lies among them and is no WAL file, or one in the wrong place: nothing lists it, nobody ever asks for it.
    pub strangers: Strangers,
}

/// Files and directories that were left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strangers {
    /// How many there are.
    pub count: usize,
    /// The first of them.
    pub first: Vec<PathBuf>,
}

impl Strangers {
    fn add(&mut self, path: PathBuf) {
        self.count += 1;
        if self.first.len() < STRANGERS_KEPT {
            self.first.push(path);
        }
    }
}

impl Archive {
    /// Makes xlog.db anew from the files, and tells what they are.
    ///
    /// The old list, damaged or not, only gives what the files themselves do not tell: by which name their compression
    /// was asked for, and how they are compressed inside an encryption. A reader, or a crash, meets the old list or
    /// the new one.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        let mut lock = self.lock()?;
        self.files.create_dir_all(fs::parent(&self.paths.xlogdb))?;
        let rebuilt = self.list_files()?.1;
        lock.is_complete = true;
        Ok(rebuilt)
    }

    /// Lists `wals/` into a new xlog.db, ascending: histories stand before the directories of their timeline. The
    /// caller holds the lock.
    pub(super) fn list_files(&self) -> Result<(Catalogue, Rebuilt), Error> {
        let mut rebuilt = Rebuilt::default();
        let mut old = self.open_old_list()?;
        let mut labels = Labels::of(old.as_mut())?;
        let mut catalogue = Catalogue::create(&self.files, &self.paths.server, &self.paths.xlogdb, |out| {
            let mut listing = Listing { archive: self, labels: &mut labels, out, rebuilt: &mut rebuilt };
            self.names_at_top()?.into_iter().try_for_each(|name| listing.top(&name))
        })?;
        catalogue.set_complete(true);
        catalogue.save_index();
        // The name before 3.13; Barman makes the list anew too and removes the old one.
        for name in ["xlog.db", "xlog.db.idx"] {
            self.files.remove_file_if_exists(&self.paths.wals_dir.join(name))?;
        }
        Ok((catalogue, rebuilt))
    }

    /// The list that there is, under today's name or the one before 3.13; `None` when none can be read.
    fn open_old_list(&self) -> Result<Option<Catalogue>, Error> {
        for path in [self.paths.xlogdb.clone(), self.paths.wals_dir.join("xlog.db")] {
            if self.files.exists(&path)? {
                let is_text = self.files.open(&path).is_ok_and(|file| self.find_cut_line(&file).is_ok());
                return Ok(is_text
                    .then(|| Catalogue::open(&self.files, &self.paths.server, &path).ok())
                    .flatten());
            }
        }
        Ok(None)
    }

    fn names_at_top(&self) -> Result<BTreeSet<OsString>, fs::Error> {
        let mut names = BTreeSet::new();
        let own = format!("{}-xlog.db", self.paths.server);
        self.files.visit(&self.paths.wals_dir, |name, _| {
            let text = name.to_string_lossy();
            let is_ours = text.starts_with(&own) || text.starts_with("xlog.db") || text == SYNC_RECORD;
            if !text.starts_with('.') && !is_ours {
                names.insert(name);
            }
        })?;
        Ok(names)
    }
}

/// A list that is being made.
struct Listing<'a, 'b, 'out> {
    archive: &'a Archive,
    labels: &'a mut Labels<'b>,
    out: &'a mut Filling<'out>,
    rebuilt: &'a mut Rebuilt,
}

impl Listing<'_, '_, '_> {
    /// An entry of `wals/`: a history, or a directory of segments.
    fn top(&mut self, name: &OsStr) -> Result<(), Error> {
        self.archive.cancel.check()?;
        let path = self.archive.paths.wals_dir.join(name);
        if is_hash_dir(Path::new(name)) && self.archive.files.is_dir(&path) {
            return self.directory(Path::new(name));
        }
        match wal_name_in(Path::new(""), name) {
            Some(history) if self.archive.files.metadata(&path)?.is_file() => self.file(history),
            _ => {
                self.rebuilt.strangers.add(path);
                Ok(())
            }
        }
    }

    fn directory(&mut self, directory: &Path) -> Result<(), Error> {
        let path = self.archive.paths.wals_dir.join(directory);
        let mut names = BTreeSet::new();
        self.archive.visit_names(directory, |file_name, name| match name {
            Some(name) => drop(names.insert(name)),
            None => self.rebuilt.strangers.add(path.join(file_name)),
        })?;
        names.into_iter().try_for_each(|name| self.file(name))
    }

    fn file(&mut self, name: WalName) -> Result<(), Error> {
        let mut entry = self.archive.describe(name)?;
        self.labels.complete(&mut entry);
        self.rebuilt.totals.count(&entry.name, entry.size);
        Ok(self.out.write(format!("{entry}\n").as_bytes())?)
    }
}

/// The lines of the old list, asked for in ascending order of their names.
struct Labels<'a>(Option<Peekable<Entries<'a>>>);

impl<'a> Labels<'a> {
    fn of(old: Option<&'a mut Catalogue>) -> Result<Self, Error> {
        let entries = old.map(|catalogue| catalogue.entries(NameRange::new(&..))).transpose()?;
        Ok(Self(entries.map(Iterator::peekable)))
    }

    /// Gives `entry`, that tells what a file shows, the compression that its old line names, if that line is about
    /// the same file.
    fn complete(&mut self, entry: &mut XlogDbEntry) {
        while let Some(old) = self.next_up_to(&entry.name) {
            let is_same_file = old.name == entry.name
                && old.size == entry.size
                && (old.time - entry.time).abs() < TIMES_DIFFER_SECS;
            if is_same_file && may_be(old.compression.as_deref(), entry) {
                entry.compression = old.compression;
            }
        }
    }

    /// The next line whose name is not beyond `name`. Lines that cannot be read are lines that tell nothing.
    fn next_up_to(&mut self, name: &str) -> Option<XlogDbEntry> {
        let is_due =
            |entry: &Result<XlogDbEntry, Error>| entry.as_ref().map_or(true, |it| it.name.as_str() <= name);
        self.0.as_mut()?.next_if(is_due)?.ok()
    }
}

/// Whether a file that looks like `entry` may have been compressed by what a line calls `label`.
fn may_be(label: Option<&str>, entry: &XlogDbEntry) -> bool {
    let asked_for = label.and_then(|label| label.parse().ok());
    let is_hidden = entry.encryption.is_some() || asked_for == Some(Compression::Custom);
    is_hidden || asked_for.map(|compression| compression.format_name().to_string()) == entry.compression
}

#[cfg(test)]
mod tests;
