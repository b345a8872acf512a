use std::io::{self, Write};

use libdeflater::{CompressionLvl, Compressor};

/// Uncompressed bytes in one member of a gzip file. Members are read back to back by every decoder; this many
/// bytes keep the speed of compressing whole buffers, cost nothing in size, and bound the memory.
const MEMBER_BYTES: usize = 2 << 20;

/// A gzip file of independent members.
pub(super) struct GzipMembers<W> {
    output: W,
    compressor: Compressor,
    member: Vec<u8>,
    encoded: Vec<u8>,
    is_empty: bool,
}

impl<W: Write> GzipMembers<W> {
    pub fn new(output: W, level: i32) -> Self {
        let level = CompressionLvl::new(level).unwrap_or_default();
        Self {
            output,
            compressor: Compressor::new(level),
            member: Vec::with_capacity(MEMBER_BYTES),
            encoded: Vec::new(),
            is_empty: true,
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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

    pub fn finish(mut self) -> io::Result<W> {
        // No bytes at all are a member too: an empty file is no gzip file.
        if self.is_empty || !self.member.is_empty() {
            self.write_member()?;
        }
        Ok(self.output)
    }
}
