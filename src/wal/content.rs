use std::io::{self, BufRead, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::codec::{self, SegmentHeader};
use crate::sys::Cancelled;
use crate::sys::fs::{PathContext, hand_on, read_head};
use crate::types::{SegmentSize, WalName};

/// What a WAL file holds, decompressed; an error of reading it names the file. To be read by the thread that asked
/// for it.
pub struct Content {
    stream: Box<dyn BufRead + Send>,
    source: Source,
    bytes: u64,
    expected: Option<u32>,
}

impl Content {
    pub(super) fn new(stream: Box<dyn BufRead + Send>, server: String, path: PathBuf) -> Self {
        Self { stream, source: Source { server, path }, bytes: 0, expected: None }
    }

    /// Makes it an error when a segment ends before or after `size`: PostgreSQL would not read it, and some formats do
    /// not tell when a file was cut off.
    pub fn expecting(mut self, name: WalName, size: SegmentSize) -> Self {
        self.expected = name.segment().map(|_| size.bytes());
        self
    }

    /// As [`Content::expecting`], of a segment whose first page tells how long segments are there.
    pub(super) fn expecting_what_it_says(mut self) -> Result<Self, Error> {
        let head =
            read_head(&mut self.stream, SegmentHeader::BYTES).map_err(|error| self.source.failed(error))?;
        self.expected = SegmentHeader::parse(&head).map(|header| header.segment_size.bytes());
        self.stream = Box::new(Cursor::new(head).chain(self.stream));
        Ok(self)
    }

    /// Writes all of it to `out`, `target` being its name, and tells how many bytes that was.
    pub fn copy_to(self, out: &mut impl Write, target: &Path) -> Result<u64, Error> {
        let Self { stream, source, bytes, expected } = self;
        let copied = hand_on(
            stream,
            |error| source.failed(error),
            |piece| Ok(out.write_all(piece).at("write", target)?),
        )?;
        source.ensure_length(bytes + copied, expected)?;
        Ok(copied)
    }

    fn next(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        let count = self.stream.read(chunk).map_err(|error| self.source.failed(error))?;
        self.bytes += count as u64;
        if count == 0 {
            self.source.ensure_length(self.bytes, self.expected)?;
        }
        Ok(count)
    }
}

impl Read for Content {
    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        self.next(chunk).map_err(io::Error::other)
    }
}

/// Whose content it is.
struct Source {
    server: String,
    path: PathBuf,
}

impl Source {
    fn failed(&self, error: io::Error) -> Error {
        match error.downcast::<Cancelled>() {
            Ok(cancelled) => Error::Cancelled(cancelled),
            Err(error) => {
                let (server, path) = (self.server.clone(), self.path.clone());
                Error::Decode { server, path, source: codec::Error::from(error) }
            }
        }
    }

    fn ensure_length(&self, bytes: u64, expected: Option<u32>) -> Result<(), Error> {
        match expected {
            Some(expected) if bytes != u64::from(expected) => {
                let (server, path) = (self.server.clone(), self.path.clone());
                Err(Error::WrongLength { server, path, bytes, expected })
            }
            _ => Ok(()),
        }
    }
}
