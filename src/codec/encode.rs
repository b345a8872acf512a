use std::io::{self, Write};

use bzip2::write::BzEncoder;
use libdeflater::{CompressionLvl, Compressor};

use super::{Compression, Error, Level};

/// Uncompressed bytes in one member of a gzip file. Members are read back to back by every decoder; this many
/// bytes keep the speed of compressing whole buffers, cost nothing in size, and bound the memory.
const MEMBER_BYTES: usize = 2 << 20;

/// Compresses what is written to it. Nothing is complete until [`Encoder::finish`].
pub struct Encoder<W: Write>(Format<W>);

enum Format<W: Write> {
    Gzip(GzipMembers<W>),
    Bzip2(BzEncoder<W>),
}

impl<W: Write> Encoder<W> {
    /// Encodes to `output`; fails when this version does not write `compression`.
    pub fn new(output: W, compression: Compression, level: Level) -> Result<Self, Error> {
        let level = level.on_scale_of(compression);
        let format = match compression {
            Compression::Gzip | Compression::Pigz | Compression::Pygzip => {
                Format::Gzip(GzipMembers::new(output, level))
            }
            Compression::Bzip2 | Compression::Pybzip2 => {
                Format::Bzip2(BzEncoder::new(output, bzip2::Compression::new(level.unsigned_abs())))
            }
            Compression::Xz
            | Compression::Zstd
            | Compression::Lz4
            | Compression::Snappy
            | Compression::Custom => return Err(Error::Unavailable(compression)),
        };
        Ok(Self(format))
    }

    /// Writes what is still held back, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Format::Gzip(members) => members.finish(),
            Format::Bzip2(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Format::Gzip(members) => members.write(bytes),
            Format::Bzip2(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A gzip file of independent members.
struct GzipMembers<W> {
    output: W,
    compressor: Compressor,
    member: Vec<u8>,
    encoded: Vec<u8>,
    is_empty: bool,
}

impl<W: Write> GzipMembers<W> {
    fn new(output: W, level: i32) -> Self {
        let level = CompressionLvl::new(level).unwrap_or_default();
        Self {
            output,
            compressor: Compressor::new(level),
            member: Vec::with_capacity(MEMBER_BYTES),
            encoded: Vec::new(),
            is_empty: true,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MEMBER_BYTES - self.member.len());
        self.member.extend_from_slice(&bytes[..taken]);
        if self.member.len() == MEMBER_BYTES {
            self.write_member()?;
        }
        Ok(taken)
    }

    fn write_member(&mut self) -> io::Result<()> {
        self.encoded.resize(self.compressor.gzip_compress_bound(self.member.len()), 0);
        let len = self
            .compressor
            .gzip_compress(&self.member, &mut self.encoded)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.output.write_all(&self.encoded[..len])?;
        self.member.clear();
        self.is_empty = false;
        Ok(())
    }

    fn finish(mut self) -> io::Result<W> {
        // No bytes at all are a member too: an empty file is no gzip file.
        if self.is_empty || !self.member.is_empty() {
            self.write_member()?;
        }
        Ok(self.output)
    }
}
