use std::io::{self, Write};

use libdeflater::{CompressionLvl, Compressor};

use super::{CHECKSUM_AT, DATA_AT, HEADER, MEMBER_BYTES, TRAILER_BYTES, header_checksum};

/// A gzip file that is written member by member.
pub struct GzipMembers<W> {
    output: W,
    compressor: Compressor,
    content: Vec<u8>,
    member: Vec<u8>,
    is_empty: bool,
}

impl<W: Write> GzipMembers<W> {
    /// At a level of gzip's scale, 1 to 9.
    pub fn new(output: W, level: i32) -> Self {
        // At 5 libdeflate makes of WAL what zlib makes at 6, the usual level, within half a percent.
        let level = if level == 6 { 5 } else { level };
        Self {
            output,
            compressor: Compressor::new(CompressionLvl::new(level).unwrap_or_default()),
            content: Vec::with_capacity(MEMBER_BYTES),
            member: HEADER.to_vec(),
            is_empty: true,
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MEMBER_BYTES - self.content.len());
        self.content.extend_from_slice(&bytes[..taken]);
        if self.content.len() == MEMBER_BYTES {
            self.write_member()?;
        }
        Ok(taken)
    }

    fn write_member(&mut self) -> io::Result<()> {
        let Self { compressor, content, member, .. } = self;
        member.resize(DATA_AT + compressor.deflate_compress_bound(content.len()) + TRAILER_BYTES, 0);
        let packed = compressor.deflate_compress(content, &mut member[DATA_AT..]);
        let end = DATA_AT + packed.map_err(|error| io::Error::other(format!("{error:?}")))?;
        let numbers = [libdeflater::crc32(content), content.len() as u32, (end + TRAILER_BYTES) as u32];
        let [checksum, content_length, length] = numbers.map(u32::to_le_bytes);
        member[HEADER.len()..CHECKSUM_AT].copy_from_slice(&length);
        let header_checksum = header_checksum(&member[..CHECKSUM_AT]);
        member[CHECKSUM_AT..DATA_AT].copy_from_slice(&header_checksum);
        member[end..end + 4].copy_from_slice(&checksum);
        member[end + 4..end + TRAILER_BYTES].copy_from_slice(&content_length);
        self.output.write_all(&member[..end + TRAILER_BYTES])?;
        content.clear();
        self.is_empty = false;
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        // No bytes at all are a member too: an empty file is no gzip file.
        if self.is_empty || !self.content.is_empty() {
            self.write_member()?;
        }
        Ok(self.output)
    }
}
