//! The index of xlog.db: where names lie, and how many files and bytes come before.
//!
//! xlog.db is text in the order of arrival. That is nearly the order of names, but not quite: a file archived
//! late stands after names greater than its own. So each line is either *main*, when its name is not less than
//! all before it, or *late*. Runs of main lines and runs of late lines, up to 16 KiB of text, make blocks:
//!
//! * main blocks are ascending: found by binary search, summed by subtracting prefix sums;
//! * late blocks are few: linked backwards, looked at one by one.
//!
//! A question about a range of names is answered from the prefix sums and by reading the text of the blocks at
//! the two ends, whatever the size of the catalogue. The index takes one fiftieth of xlog.db's room at most.
//!
//! The file is derived: `<server>-xlog.db.idx` may be deleted at any time, is never synced, and counts only while
//! xlog.db is exactly the file that was indexed (inode, size, time, and the last line, which is read again). When
//! another program has written, the index is made anew; nothing less can tell what that program has changed.

mod lookup;
mod record;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use self::record::{HEADER_BYTES, Header, Line, RECORD_BYTES, Stamp};
use super::names::{Key, NameRange, temporary_of};
use super::totals::Totals;
use super::xlogdb::Fields;
use crate::sys::Files;
use crate::sys::fs::{self, File, PathContext};

/// Text that one block spans at most, apart from its last line; little in tests, to have many blocks.
const BLOCK_BYTES: u64 = if cfg!(test) { 512 } else { 16 << 10 };

/// What was read from the index is not what was written; a new one must be made.
#[derive(Debug)]
pub(super) struct Damaged;

/// Some text of xlog.db, and the sums of the lines in it that belong to the block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Where the first line starts.
    pub start: u64,
    /// Where the last line ends.
    pub end: u64,
    class: Class,
    min: Key,
    max: Key,
    /// The greatest name of all finished main blocks up to here: what binary search looks at.
    reach: Key,
    /// The greatest main name before the first line: tells main lines from late ones when the text is read.
    reach_at_start: Key,
    /// The sums of all finished main blocks before.
    main_before: Totals,
    own: Totals,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Class {
    #[default]
    Main,
    /// With the position of the late block before it.
    Late { before: Option<u64> },
}

impl Block {
    /// The lines of the block among those of its text.
    pub fn lines<'a>(&self, text: &'a [u8]) -> impl Iterator<Item = Fields<'a>> {
        let (is_main, mut reach) = (matches!(self.class, Class::Main), self.reach_at_start);
        let lines = text.split(|byte| *byte == b'\n').filter_map(Fields::parse);
        lines.filter(move |line| {
            let key = Key::of(line.name);
            let line_is_main = key >= reach;
            reach = reach.max(key);
            line_is_main == is_main
        })
    }

    /// Whether lines of the block may lie in the range.
    fn overlaps(&self, range: &NameRange) -> bool {
        !range.is_beyond(&self.min) && !range.is_below(&self.max)
    }

    /// Whether all lines of the block lie in the range.
    fn is_inside(&self, range: &NameRange) -> bool {
        !range.is_below(&self.min) && !range.is_beyond(&self.max)
    }

    /// Whether there are complete segments in it.
    pub fn has_segments(&self) -> bool {
        self.own.segments.files > 0
    }

    /// The least name, up to the length that the index keeps.
    pub fn min(&self) -> Key {
        self.min
    }
}

/// The index, as last saved and with what was added since.
pub(super) struct Index {
    path: PathBuf,
    /// `None` until it is first saved.
    file: Option<File>,
    /// Finished blocks that lie in the file.
    saved: u64,
    /// Finished blocks after those.
    pending: Vec<Block>,
    /// Of the finished blocks in the file, some that were looked at.
    seen: RefCell<HashMap<u64, Block>>,
    header: Header,
    late: OnceCell<Vec<Block>>,
    /// Whether xlog.db was found as it was last indexed.
    was_current: bool,
    /// Whether every file of the archive has its line now.
    is_complete: bool,
}

impl Index {
    /// The index of an empty file at `xlogdb_path`, not saved yet.
    pub fn new(xlogdb_path: &Path) -> Self {
        Self {
            path: path_beside(xlogdb_path),
            file: None,
            saved: 0,
            pending: Vec::new(),
            seen: RefCell::default(),
            header: Header::default(),
            late: OnceCell::new(),
            was_current: false,
            is_complete: false,
        }
    }

    /// The index beside `xlogdb`, the open file at `xlogdb_path`: the saved one when it still describes that
    /// file, or a new one.
    pub fn open(files: &Files, xlogdb: &File, xlogdb_path: &Path) -> Result<Self, fs::Error> {
        let stamp = Stamp::of(&xlogdb.metadata().at("examine", xlogdb_path)?);
        match Self::load(files, xlogdb, xlogdb_path) {
            Some(index) if index.header.stamp == stamp => Ok(Self { was_current: true, ..index }),
            older => Self::build(files, xlogdb, xlogdb_path, older.as_ref()),
        }
    }

    /// Whether the saved index describes `xlogdb`, the open file at `xlogdb_path`, as it is.
    pub fn is_current(files: &Files, xlogdb: &File, xlogdb_path: &Path) -> Result<bool, fs::Error> {
        let stamp = Stamp::of(&xlogdb.metadata().at("examine", xlogdb_path)?);
        let saved = files.open(&path_beside(xlogdb_path)).ok();
        let header = saved.and_then(|file| header_describing(xlogdb, &file));
        Ok(header.is_some_and(|header| header.stamp == stamp))
    }

    /// The saved index, if it describes the file or its beginning: another program may have added lines since.
    fn load(files: &Files, xlogdb: &File, xlogdb_path: &Path) -> Option<Self> {
        let path = path_beside(xlogdb_path);
        let file = files.exists(&path).ok().filter(|exists| *exists).and(files.open_writable(&path).ok())?;
        let header = header_describing(xlogdb, &file)?;
        let saved = header.blocks;
        Some(Self { header, file: Some(file), saved, ..Self::new(xlogdb_path) })
    }

    /// Reads the whole of xlog.db. That the result cannot be saved is no failure: it answers from memory.
    ///
    /// `older` is the index of the beginning of the file, when there is one.
    pub fn build(
        files: &Files,
        xlogdb: &File,
        xlogdb_path: &Path,
        older: Option<&Self>,
    ) -> Result<Self, fs::Error> {
        let mut index = Self::new(xlogdb_path);
        // By the name there may be a newer file already.
        let text = xlogdb.try_clone().and_then(|mut text| text.rewind().map(|()| text));
        let mut lines = BufReader::with_capacity(1 << 20, text.at("read", xlogdb_path)?);
        let (mut line, mut start) = (Vec::new(), 0);
        while lines.read_until(b'\n', &mut line).at("read", xlogdb_path)? > 0 {
            index.add(start, &line);
            start += line.len() as u64;
            line.clear();
        }
        if let Some(older) = older {
            index.inherit_completeness(older);
        }
        index.save(files, xlogdb);
        Ok(index)
    }

    /// Whether xlog.db was found as it was last indexed: nobody has changed it since.
    pub fn was_current(&self) -> bool {
        self.was_current
    }

    /// Tells whether every file of the archive has its line; each save records until when that was so.
    pub fn set_complete(&mut self, is_complete: bool) {
        self.is_complete = is_complete;
    }

    /// Tells that any file of the archive may lack its line.
    pub fn forget_completeness(&mut self) {
        self.is_complete = false;
        self.header.complete_until = None;
    }

    /// Takes over what `older` knows of the archive.
    pub fn inherit_completeness(&mut self, older: &Self) {
        self.is_complete = older.is_complete;
        self.header.complete_until = older.header.complete_until;
    }

    /// The time of change of xlog.db, in seconds since 1970, when every file last was known to have its line.
    pub fn complete_until(&self) -> Option<i64> {
        self.header.complete_until
    }

    /// Takes in the next line of xlog.db, its line feed included.
    pub fn add(&mut self, start: u64, line: &[u8]) {
        let (end, number) = (start + line.len() as u64, self.header.last.number + 1);
        let position = Line { number, start, end, checksum: libdeflater::crc32(line) };
        self.header.last = position;
        match Fields::parse(line) {
            Some(fields) => self.add_fields(start, end, fields),
            None if self.header.corrupt.number == 0 => self.header.corrupt = position,
            None => {}
        }
    }

    fn add_fields(&mut self, start: u64, end: u64, fields: Fields<'_>) {
        let (key, reach) = (Key::of(fields.name), self.main_reach());
        let is_main = key >= reach;
        self.finish_blocks_before(start);
        let before = self.header.last_late;
        let (open, class) = match is_main {
            true => (&mut self.header.open_main, Class::Main),
            false => (&mut self.header.open_late, Class::Late { before }),
        };
        let block = open.get_or_insert_with(|| Block {
            start,
            class,
            min: key,
            max: key,
            reach_at_start: reach,
            ..Block::default()
        });
        block.end = end;
        block.min = block.min.min(key);
        block.max = block.max.max(key);
        block.own.count(fields.name, fields.size);
        if !is_main {
            self.late.take();
        }
    }

    /// Finishes the open blocks that span enough text when the next line starts at `start`.
    ///
    /// Main before late, so that a finished late block always has a finished main one before it, whose reach it
    /// takes over: binary search then never ends on a late block.
    fn finish_blocks_before(&mut self, start: u64) {
        let is_full = |block: &mut Block| start - block.start >= BLOCK_BYTES;
        if let Some(main) = self.header.open_main.take_if(is_full) {
            let (max, own) = (main.max, main.own);
            self.finish(Block { reach: max, main_before: self.header.main, ..main });
            self.header.reach = max;
            self.header.main += own;
        }
        if let Some(late) = self.header.open_late.take_if(is_full) {
            self.finish(Block { reach: self.header.reach, main_before: self.header.main, ..late });
            self.header.last_late = Some(self.header.blocks - 1);
        }
    }

    fn finish(&mut self, block: Block) {
        self.pending.push(block);
        self.header.blocks += 1;
    }

    /// Writes what was added, and what xlog.db is now. Best effort: without it the next command starts anew.
    pub fn save(&mut self, files: &Files, xlogdb: &File) {
        if self.try_save(files, xlogdb).is_ok() {
            self.saved = self.header.blocks;
            self.pending.clear();
        }
    }

    fn try_save(&mut self, files: &Files, xlogdb: &File) -> Result<(), fs::Error> {
        self.header.stamp = Stamp::of(&xlogdb.metadata().at("examine", &self.path)?);
        if self.is_complete {
            self.header.complete_until = Some(self.header.stamp.modified_secs());
        }
        let records: Vec<u8> = self.pending.iter().flat_map(Block::encode).collect();
        let write = |file: &File| {
            files.write_all_at(file, &records, position_in_file(self.saved), &self.path)?;
            files.write_all_at(file, &self.header.encode(), 0, &self.path)
        };
        match &self.file {
            Some(file) => write(file),
            None => {
                let temporary = temporary_of(&self.path);
                let file = files.open_writable(&temporary)?;
                files.set_len(&file, 0, &temporary)?;
                write(&file)?;
                files.rename(&temporary, &self.path)?;
                self.file = Some(file);
                Ok(())
            }
        }
    }
}

/// The header of the saved index, if that describes `xlogdb` or its beginning.
fn header_describing(xlogdb: &File, saved: &File) -> Option<Header> {
    let mut bytes = vec![0; HEADER_BYTES];
    saved.read_exact_at(&mut bytes, 0).ok()?;
    let header = Header::decode(&bytes)?;
    let describes = header.stamp.is_of_beginning(&Stamp::of(&xlogdb.metadata().ok()?))
        && header.last.end == header.stamp.size
        && checksum(xlogdb, header.last).ok()? == header.last.checksum;
    describes.then_some(header)
}

/// The name of the index of the xlog.db at `path`.
fn path_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".idx");
    path.with_file_name(name)
}

fn position_in_file(position: u64) -> u64 {
    HEADER_BYTES as u64 + position * RECORD_BYTES as u64
}

fn checksum(xlogdb: &File, line: Line) -> std::io::Result<u32> {
    let mut bytes = vec![0; usize::try_from(line.end.saturating_sub(line.start)).unwrap_or(0)];
    xlogdb.read_exact_at(&mut bytes, line.start)?;
    Ok(libdeflater::crc32(&bytes))
}
