use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use self::recent::Recent;
use super::error::Error;
use super::index::{Block, Damaged, Index};
use super::names::{Key, NameRange, temporary_of};
use super::totals::Totals;
use super::xlogdb::{Fields, XlogDbEntry};
use crate::sys::Files;
use crate::sys::fs::{self, File, PathContext};
use crate::types::WalName;

mod merge;
mod recent;

/// How much of a line that is none an error shows.
const SHOWN_BYTES: u64 = 200;

/// xlog.db and its index, open. Whoever holds this holds the lock of xlog.db.
pub(super) struct Catalogue {
    files: Files,
    server: String,
    path: PathBuf,
    file: File,
    index: Index,
    recent: Recent,
}

impl Catalogue {
    /// Opens the file that exists at `path`, and that ends with a whole line.
    pub fn open(files: &Files, server: &str, path: &Path) -> Result<Self, Error> {
        let file = files.open_writable(path)?;
        let index = Index::open(files, &file, path)?;
        let (files, server, path) = (files.clone(), server.to_owned(), path.to_owned());
        Ok(Self { files, server, path, file, index, recent: Recent::default() })
    }

    /// Whether xlog.db was found as ours left it.
    pub fn was_current(&self) -> bool {
        self.index.was_current()
    }

    /// Tells whether every file of the archive has its line; from now on the index remembers that.
    pub fn set_complete(&mut self, is_complete: bool) {
        self.index.set_complete(is_complete);
    }

    /// Has the index remember that any file of the archive may lack its line.
    pub fn forget_completeness(&mut self) {
        self.index.forget_completeness();
    }

    /// The time, in seconds since 1970, up to which everything in the archive is known to have its line: that of the
    /// last change of xlog.db when it was known to be complete. `None` when that was never known of this file.
    pub fn complete_until(&self) -> Option<i64> {
        self.index.complete_until()
    }

    /// Has the index remember what is known now.
    pub fn save_index(&mut self) {
        self.index.save(&self.files, &self.file);
    }

    /// Fails with the first line that is none, when there is one.
    ///
    /// Questions are refused then: an answer that leaves out a file would be believed. Archiving goes on: it only
    /// adds lines.
    pub fn ensure_readable(&self) -> Result<(), Error> {
        let Some((line, Range { start, end })) = self.index.corrupt_line() else { return Ok(()) };
        let text = self.text(start, end.min(start + SHOWN_BYTES))?;
        let text = String::from_utf8_lossy(&text).trim_end().to_owned();
        Err(Error::CorruptLine { server: self.server.clone(), path: self.path.clone(), line, text })
    }

    /// The lines whose names lie in the range, ascending by name. Lines that are none are left out.
    pub fn entries(&mut self, range: NameRange) -> Result<Entries<'_>, Error> {
        let mut pending = self.ask(|catalogue| Ok(catalogue.index.blocks(&range)?))?;
        pending.sort_by_key(|block| std::cmp::Reverse(block.min()));
        Ok(Entries { catalogue: self, range, pending, ready: VecDeque::new() })
    }

    /// The line of a name; of several, one.
    pub fn find(&mut self, name: WalName) -> Result<Option<XlogDbEntry>, Error> {
        self.entries(NameRange::new(&(name..=name)))?.next().transpose()
    }

    /// The sums of the lines whose names lie in the range.
    pub fn totals(&mut self, range: &NameRange) -> Result<Totals, Error> {
        let plan = self.ask(|catalogue| Ok(catalogue.index.plan_sum(range)?))?;
        let mut totals = plan.whole;
        for block in plan.partly {
            let sizes = match self.recent.find(&block) {
                Some(sizes) => sizes,
                None => {
                    let text = self.text(block.start, block.end)?;
                    self.recent.keep(block, &text)
                }
            };
            sizes.iter().filter(|(name, _)| range.contains(name)).for_each(|(name, size)| {
                totals.count(name, *size);
            });
        }
        Ok(totals)
    }

    /// The line of the greatest complete segment in the range.
    pub fn last_segment(&mut self, range: &NameRange) -> Result<Option<XlogDbEntry>, Error> {
        self.ask(|catalogue| {
            let mut last = None;
            for block in catalogue.index.main_descending(range)? {
                last = catalogue.last_segment_of(&block?, range)?;
                if last.is_some() {
                    break;
                }
            }
            for block in catalogue.index.late_in(range)? {
                let late = catalogue.last_segment_of(&block, range)?;
                last = last.into_iter().chain(late).max_by(|a, b| a.name.cmp(&b.name));
            }
            Ok(last)
        })
    }

    fn last_segment_of(&self, block: &Block, range: &NameRange) -> Result<Option<XlogDbEntry>, Error> {
        if !block.has_segments() {
            return Ok(None);
        }
        let text = self.text(block.start, block.end)?;
        let is_segment = |name: &str| matches!(name.parse(), Ok(WalName::Segment(_)));
        let segments = block.lines(&text).filter(|line| range.contains(line.name) && is_segment(line.name));
        Ok(segments.max_by_key(|line| line.name).map(Fields::to_entry))
    }

    /// The name on the last line, and where the line starts.
    pub fn last_line(&self) -> Result<Option<(String, u64)>, Error> {
        let Some(Range { start, end }) = self.index.last_line() else { return Ok(None) };
        let text = self.text(start, end)?;
        Ok(Fields::parse(text.trim_ascii_end()).map(|line| (line.name.to_owned(), start)))
    }

    /// The greatest name, cut to the length that the index keeps; empty when there is no line.
    pub fn greatest_name(&self) -> String {
        self.index.greatest_name().to_text()
    }

    /// The lines behind the one of `name` at `position`; `None` when no such line starts there, or when more than
    /// `limit` bytes come behind it.
    pub fn lines_behind(
        &self,
        name: &str,
        position: u64,
        limit: u64,
    ) -> Result<Option<Vec<XlogDbEntry>>, Error> {
        let end = self.index.last_line().map_or(0, |line| line.end);
        if position >= end || end - position > limit {
            return Ok(None);
        }
        // With the line feed before it, to know that a line starts there.
        let from = position.saturating_sub(1);
        let text = self.text(from, end)?;
        let lines = if position == 0 { Some(&text[..]) } else { text.strip_prefix(b"\n") };
        let Some(lines) = lines else { return Ok(None) };
        let mut lines = lines.split(|byte| *byte == b'\n').filter_map(Fields::parse);
        let is_there = lines.next().is_some_and(|line| line.name == name);
        Ok(is_there.then(|| lines.map(Fields::to_entry).collect()))
    }

    /// Adds lines at the end and has the disk keep them. When it fails, none is there.
    ///
    /// The index does not know of them until [`Catalogue::keep`]; a crash in between makes it be built anew.
    pub fn append(&mut self, entries: &[XlogDbEntry]) -> Result<Appended, Error> {
        let start = self.file.metadata().at("examine", &self.path)?.len();
        let lines: Vec<String> = entries.iter().map(|entry| format!("{entry}\n")).collect();
        let appended = Appended { start, lines };
        if !appended.lines.is_empty() {
            let written = self
                .files
                .write_all_at(&self.file, appended.lines.concat().as_bytes(), start, &self.path)
                .and_then(|()| self.files.sync(&self.file, &self.path));
            if let Err(error) = written {
                let _ = self.files.set_len(&self.file, start, &self.path);
                return Err(error.into());
            }
        }
        Ok(appended)
    }

    /// Keeps the first `count` of the lines just appended and takes the others back.
    pub fn keep(&mut self, appended: &Appended, count: usize) -> Result<(), Error> {
        let mut end = appended.start;
        for line in &appended.lines[..count] {
            self.index.add(end, line.as_bytes());
            end += line.len() as u64;
        }
        if count < appended.lines.len() {
            self.files.set_len(&self.file, end, &self.path)?;
            self.files.sync(&self.file, &self.path)?;
        }
        if !appended.lines.is_empty() {
            self.save_index();
        }
        Ok(())
    }

    /// Writes xlog.db anew without the lines that `keep` refuses. A reader, or a crash, meets the old file or the
    /// new one. Lines that are none are kept as they are.
    ///
    /// Gives the old file, which can still be asked, though no name leads to it any more.
    pub fn rewrite(&mut self, mut keep: impl FnMut(Fields<'_>) -> bool) -> Result<Self, Error> {
        let mut lines = BufReader::with_capacity(1 << 20, self.files.open(&self.path)?);
        let new = Self::create(&self.files, &self.server, &self.path, |out| {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).at("read", &self.path)? > 0 {
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                if Fields::parse(text).is_none_or(&mut keep) {
                    out.write(&line)?;
                }
                line.clear();
            }
            Ok(())
        })?;
        let old = std::mem::replace(self, new);
        self.index.inherit_completeness(&old.index);
        self.save_index();
        Ok(old)
    }

    /// Makes xlog.db from the lines that `fill` writes, replacing the one that is there. The index is not saved yet.
    pub fn create(
        files: &Files,
        server: &str,
        path: &Path,
        fill: impl FnOnce(&mut Filling<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let temporary = temporary_of(path);
        files.remove_file_if_exists(&temporary)?;
        let file = files.open_writable(&temporary)?;
        let made = Filling::run(files, &file, &temporary, path, fill).and_then(|index| {
            if let Some(old) = files.symlink_metadata(path)? {
                files.set_mode(&temporary, old.mode() & 0o7777)?;
            }
            files.sync(&file, &temporary)?;
            files.rename(&temporary, path)?;
            files.sync_dir(fs::parent(path))?;
            Ok(index)
        });
        if made.is_err() {
            let _ = files.remove_file_if_exists(&temporary);
        }
        let index = made?;
        let (files, server, path) = (files.clone(), server.to_owned(), path.to_owned());
        Ok(Self { files, server, path, file, index, recent: Recent::default() })
    }

    /// Asks the index; when it is damaged, makes a new one and asks again.
    fn ask<T>(&mut self, question: impl Fn(&Self) -> Result<T, Failed>) -> Result<T, Error> {
        match question(self) {
            Err(Failed::Index) => self.index = self.rebuilt_index()?,
            Err(Failed::Other(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
        question(self).map_err(|failed| match failed {
            Failed::Index => Error::Index { server: self.server.clone(), path: self.path.clone() },
            Failed::Other(error) => error,
        })
    }

    fn rebuilt_index(&self) -> Result<Index, fs::Error> {
        Index::build(&self.files, &self.file, &self.path, Some(&self.index))
    }

    fn text(&self, start: u64, end: u64) -> Result<Vec<u8>, fs::Error> {
        let mut text = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        self.file.read_exact_at(&mut text, start).at("read", &self.path)?;
        Ok(text)
    }
}

/// Lines that [`Catalogue::append`] wrote and that the index does not know yet.
pub(super) struct Appended {
    start: u64,
    lines: Vec<String>,
}

/// A new xlog.db while its lines are written.
pub(super) struct Filling<'a> {
    out: BufWriter<fs::Writer<'a>>,
    path: &'a Path,
    index: Index,
    end: u64,
}

impl<'a> Filling<'a> {
    /// Writes what `fill` gives to the open file `temporary`; gives the index that xlog.db will have at `path`.
    fn run(
        files: &'a Files,
        file: &'a File,
        temporary: &'a Path,
        path: &Path,
        fill: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Index, Error> {
        let out = BufWriter::with_capacity(1 << 20, files.writer(file, temporary));
        let mut filling = Self { out, path: temporary, index: Index::new(path), end: 0 };
        fill(&mut filling)?;
        filling.out.flush().at("write", temporary)?;
        Ok(filling.index)
    }

    /// Adds a line with its line feed.
    pub fn write(&mut self, line: &[u8]) -> Result<(), fs::Error> {
        self.out.write_all(line).at("write", self.path)?;
        self.index.add(self.end, line);
        self.end += line.len() as u64;
        Ok(())
    }
}

/// Why a question to the index has no answer.
enum Failed {
    Index,
    Other(Error),
}

impl From<Damaged> for Failed {
    fn from(Damaged: Damaged) -> Self {
        Self::Index
    }
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// The lines of a range, ascending by name whatever their order in the file; one block is in memory at a time,
/// and the late ones that lie among its names.
pub struct Entries<'a> {
    catalogue: &'a Catalogue,
    range: NameRange,
    /// Blocks not read yet, the one with the least names last.
    pending: Vec<Block>,
    /// Lines that are read, ascending.
    ready: VecDeque<XlogDbEntry>,
}

impl Entries<'_> {
    /// Reads blocks until no later one can hold a name less than the first that is ready.
    fn fill(&mut self) -> Result<(), fs::Error> {
        while let Some(block) = self
            .pending
            .pop_if(|block| self.ready.front().is_none_or(|first| Key::of(&first.name) >= block.min()))
        {
            let text = self.catalogue.text(block.start, block.end)?;
            let lines = block.lines(&text).filter(|line| self.range.contains(line.name));
            self.ready.extend(lines.map(Fields::to_entry));
            // Two sorted runs, as they nearly always are, are merged in linear time.
            self.ready.make_contiguous().sort_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<XlogDbEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.fill() {
            Ok(()) => self.ready.pop_front().map(Ok),
            Err(error) => {
                self.pending.clear();
                Some(Err(error.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
