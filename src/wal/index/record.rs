//! The bytes of the index: a header, then one record for each finished block. All numbers little-endian; a
//! checksum closes each, since the index is never synced and a power cut may leave any part of it unwritten.

use std::os::unix::fs::MetadataExt;

use super::{Block, Class};
use crate::sys::fs::Metadata;
use crate::wal::names::{KEY_BYTES, Key};
use crate::wal::totals::{Tally, Totals};

const MAGIC: &[u8; 8] = b"BARMIDX2";

/// Bytes of the header, some of them spare.
pub const HEADER_BYTES: usize = 1024;
/// Bytes of a record.
pub const RECORD_BYTES: usize = 8 * 3 + KEY_BYTES * 4 + TOTALS_BYTES * 2 + 4;

const TOTALS_BYTES: usize = 5 * 16;

/// What tells whether xlog.db is still the file that was indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    inode: u64,
    pub size: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), size: metadata.size(), modified }
    }

    /// Whether the file was only added to until it became `later`, as far as a stamp can tell.
    pub fn is_of_beginning(&self, later: &Self) -> bool {
        self.inode == later.inode && self.size <= later.size
    }

    /// The time of the last change in seconds since 1970.
    pub fn modified_secs(&self) -> i64 {
        self.modified.0
    }
}

/// Where a line stands, and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line {
    /// Counted from 1; 0 means that there is no such line.
    pub number: u64,
    pub start: u64,
    pub end: u64,
    pub checksum: u32,
}

/// The state of the index apart from the finished blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    pub stamp: Stamp,
    /// The last line: its number is the number of lines.
    pub last: Line,
    /// The first line that cannot be read.
    pub corrupt: Line,
    /// Finished blocks.
    pub blocks: u64,
    /// The position of the last finished late block.
    pub last_late: Option<u64>,
    /// The greatest name in the finished main blocks.
    pub reach: Key,
    /// The sums of the finished main blocks.
    pub main: Totals,
    pub open_main: Option<Block>,
    pub open_late: Option<Block>,
    /// The time of change of xlog.db, in seconds since 1970, when every file of the archive had its line.
    pub complete_until: Option<i64>,
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let Stamp { inode, size, modified } = self.stamp;
        put(&mut out, [inode, size, modified.0.cast_unsigned(), modified.1.cast_unsigned()]);
        for line in [self.last, self.corrupt] {
            put(&mut out, [line.number, line.start, line.end, line.checksum.into()]);
        }
        put(&mut out, [self.blocks, self.last_late.map_or(0, |position| position + 1)]);
        out.extend(self.reach.0);
        put_totals(&mut out, &self.main);
        for open in [&self.open_main, &self.open_late] {
            put(&mut out, [u64::from(open.is_some())]);
            out.extend(open.clone().unwrap_or_default().encode());
        }
        let until = self.complete_until.map(i64::cast_unsigned);
        put(&mut out, [u64::from(until.is_some()), until.unwrap_or_default()]);
        out.resize(HEADER_BYTES - 4, 0);
        seal(out)
    }

    /// `None` when the bytes are not those of a header.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = unseal(bytes)?.strip_prefix(MAGIC)?;
        let [inode, size, seconds, nanoseconds] = take(&mut bytes)?;
        let modified = (seconds.cast_signed(), nanoseconds.cast_signed());
        let (last, corrupt) = (take_line(&mut bytes)?, take_line(&mut bytes)?);
        let [blocks, last_late] = take(&mut bytes)?;
        let (reach, main) = (take_key(&mut bytes)?, take_totals(&mut bytes)?);
        let mut take_open = || {
            let [is_open] = take(&mut bytes)?;
            let (block, rest) = bytes.split_at_checked(RECORD_BYTES)?;
            bytes = rest;
            let block = Block::decode(block)?;
            Some((is_open == 1).then_some(block))
        };
        let (open_main, open_late) = (take_open()?, take_open()?);
        let [is_known, until] = take(&mut bytes)?;
        let complete_until = (is_known == 1).then(|| until.cast_signed());
        let stamp = Stamp { inode, size, modified };
        let last_late = last_late.checked_sub(1);
        Some(Self {
            stamp,
            last,
            corrupt,
            blocks,
            last_late,
            reach,
            main,
            open_main,
            open_late,
            complete_until,
        })
    }
}

impl Block {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD_BYTES);
        put(&mut out, [self.start, self.end, self.class.encode()]);
        for key in [self.min, self.max, self.reach, self.reach_at_start] {
            out.extend(key.0);
        }
        put_totals(&mut out, &self.main_before);
        put_totals(&mut out, &self.own);
        seal(out)
    }

    /// `None` when the bytes are not those of a record.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = unseal(bytes)?;
        let [start, end, class] = take(&mut bytes)?;
        let [min, max, reach, reach_at_start] = [(); 4].map(|()| take_key(&mut bytes));
        let [main_before, own] = [(); 2].map(|()| take_totals(&mut bytes));
        Some(Self {
            start,
            end,
            class: Class::decode(class),
            min: min?,
            max: max?,
            reach: reach?,
            reach_at_start: reach_at_start?,
            main_before: main_before?,
            own: own?,
        })
    }
}

impl Class {
    fn encode(self) -> u64 {
        match self {
            Self::Main => 0,
            Self::Late { before: None } => 1,
            Self::Late { before: Some(position) } => position + 2,
        }
    }

    fn decode(number: u64) -> Self {
        match number {
            0 => Self::Main,
            late => Self::Late { before: late.checked_sub(2) },
        }
    }
}

fn put<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn put_totals(out: &mut Vec<u8>, totals: &Totals) {
    totals.each().iter().for_each(|tally| put(out, [tally.files, tally.bytes]));
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let (next, rest) = bytes.split_first_chunk()?;
        (*number, *bytes) = (u64::from_le_bytes(*next), rest);
    }
    Some(numbers)
}

fn take_key(bytes: &mut &[u8]) -> Option<Key> {
    let (key, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(Key(*key))
}

fn take_line(bytes: &mut &[u8]) -> Option<Line> {
    let [number, start, end, checksum] = take(bytes)?;
    Some(Line { number, start, end, checksum: u32::try_from(checksum).ok()? })
}

fn take_totals(bytes: &mut &[u8]) -> Option<Totals> {
    let mut tallies = [Tally::default(); 5];
    for tally in &mut tallies {
        let [files, bytes] = take(bytes)?;
        *tally = Tally { files, bytes };
    }
    Some(Totals::from_each(tallies))
}

fn seal(mut out: Vec<u8>) -> Vec<u8> {
    let checksum = libdeflater::crc32(&out);
    out.extend(checksum.to_le_bytes());
    out
}

fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = bytes.split_last_chunk()?;
    (libdeflater::crc32(content) == u32::from_le_bytes(*checksum)).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        let mut own = Totals::default();
        own.count("000000010000000000000001", 4096);
        Block {
            start: 1,
            end: 65_537,
            min: Key::of("000000010000000000000001"),
            max: Key::of("000000010000000000000400"),
            own,
            class: Class::Late { before: Some(0) },
            ..Block::default()
        }
    }

    #[test]
    fn header_and_records_have_their_sizes_and_read_back() {
        let header =
            Header { blocks: 3, open_late: Some(block()), complete_until: Some(7), ..Header::default() };
        assert_eq!((header.encode().len(), block().encode().len()), (HEADER_BYTES, RECORD_BYTES));
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!(Block::decode(&block().encode()), Some(block()));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        for (position, bytes) in [(9, Header::default().encode()), (30, block().encode())] {
            let mut changed = bytes;
            changed[position] ^= 1;
            assert!(Header::decode(&changed).is_none() && Block::decode(&changed).is_none());
        }
        assert_eq!(Header::decode(b""), None);
        assert_eq!(Block::decode(&[0; RECORD_BYTES]), None);
    }
}
