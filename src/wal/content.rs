use std::io::{self, BufRead, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::codec::{self, SegmentHeader};
use crate::sys::Cancelled;
use crate::sys::fs::{PathContext, read_head};
use crate::types::{SegmentSize, WalName};

/// What a WAL file holds, decompressed; an error of reading it names the file. To be read by the thread that asked
/// for it.
pub struct Content {
    stream: Box<dyn BufRead + Send>,
    server: String,
    path: PathBuf,
    bytes: u64,
    expected: Option<u32>,
}

impl Content {
    pub(super) fn new(stream: Box<dyn BufRead + Send>, server: String, path: PathBuf) -> Self {
        Self { stream, server, path, bytes: 0, expected: None }
    }

    /// Makes it an error when a segment ends before or after `size`: PostgreSQL would not read it, and some formats do
    /// not tell when a file was cut off.
    pub fn expecting(mut self, name: WalName, size: SegmentSize) -> Self {
        self.expected = name.segment().map(|_| size.bytes());
        self
    }

    /// As [`Content::expecting`], of a segment whose first page tells how long segments are there.
    pub(super) fn expecting_what_it_says(mut self) -> Result<Self, Error> {
        let head = read_head(&mut self.stream, SegmentHeader::BYTES).map_err(|error| self.failed(error))?;
        self.expected = SegmentHeader::parse(&head).map(|header| header.segment_size.bytes());
        self.stream = Box::new(Cursor::new(head).chain(self.stream));
        Ok(self)
    }

    /// Writes all of it to `out`, `target` being its name, and tells how many bytes that was.
    pub fn copy_to(mut self, out: &mut impl Write, target: &Path) -> Result<u64, Error> {
        loop {
            let count = self.pass(|chunk| {
                out.write_all(chunk).at("write", target)?;
                Ok(chunk.len())
            })?;
            if count == 0 {
                return Ok(self.bytes);
            }
        }
    }

    /// Shows `take` what comes next, which tells how much of it it has taken; nothing at the end.
    fn pass(&mut self, take: impl FnOnce(&[u8]) -> Result<usize, Error>) -> Result<usize, Error> {
        let filled = self.stream.fill_buf().map(take);
        let count = filled.map_err(|error| self.failed(error))??;
        self.stream.consume(count);
        self.bytes += count as u64;
        match self.expected {
            Some(expected) if count == 0 && self.bytes != u64::from(expected) => {
                let (server, path) = (self.server.clone(), self.path.clone());
                Err(Error::WrongLength { server, path, bytes: self.bytes, expected })
            }
            _ => Ok(count),
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.downcast::<Cancelled>() {
            Ok(cancelled) => Error::Cancelled(cancelled),
            Err(error) => {
                let (server, path) = (self.server.clone(), self.path.clone());
                Error::Decode { server, path, source: codec::Error::from(error) }
            }
        }
    }
}

impl Read for Content {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let taken = self.pass(|content| {
            let count = content.len().min(chunk.len());
            chunk[..count].copy_from_slice(&content[..count]);
            Ok(count)
        });
        taken.map_err(io::Error::other)
    }
}
