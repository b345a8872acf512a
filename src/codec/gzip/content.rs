use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use libdeflater::Decompressor;

use super::pages::Pages;
use super::whole::{self, Room, WHOLE_BYTES};
use super::{DATA_AT, MEMBER_BYTES, TRAILER_BYTES, length_at, member_length};
use crate::sys::fs::read_head;

/// How much content is given at a time. Whoever writes more of it at once makes the kernel look for large pieces of
/// memory, which takes longer than it saves.
const PIECE_BYTES: usize = 128 << 10;

/// The content of a gzip file: member by member as long as they tell their length, then as a stream.
pub struct GzipContent<R> {
    rest: Rest<R>,
    decompressor: Decompressor,
    /// A member behind its header.
    member: Vec<u8>,
    /// What was decoded last,
    content: Option<Pages>,
    /// of which so much has been read,
    read: usize,
    /// and so much is content.
    end: usize,
    /// Held while a file is in memory as a whole, decoded or not.
    room: Option<Room>,
}

enum Rest<R> {
    /// Nothing has been read yet.
    Whole(R),
    /// Everything before was members that tell their length.
    Members(R),
    Stream(Box<BufReader<MultiGzDecoder<Beginning<R>>>>),
    Nothing,
}

/// What has been read to look at it, and what comes behind.
type Beginning<R> = Chain<Cursor<Vec<u8>>, R>;

impl<R: BufRead> GzipContent<R> {
    pub fn new(input: R) -> Self {
        Self {
            rest: Rest::Whole(input),
            decompressor: Decompressor::new(),
            member: Vec::new(),
            content: None,
            read: 0,
            end: 0,
            room: None,
        }
    }

    /// Decodes the next member, or finds that there is none of ours.
    fn decode_next(&mut self) -> io::Result<()> {
        let (mut input, is_first) = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Whole(input) => (input, true),
            Rest::Members(input) => (input, false),
            rest => {
                self.rest = rest;
                return Ok(());
            }
        };
        let head = read_head(&mut input, DATA_AT)?;
        if head.is_empty() && !is_first {
            return Ok(());
        }
        self.rest = match member_length(&head) {
            Some(length) => {
                self.decode(&mut input, length - DATA_AT)?;
                Rest::Members(input)
            }
            None if is_first => self.decode_whole(head, input)?,
            None => stream(head, input),
        };
        Ok(())
    }

    /// Decodes a file that begins with `head` if it has one member only and there is room for it; gives what is left.
    fn decode_whole(&mut self, head: Vec<u8>, mut input: R) -> io::Result<Rest<R>> {
        let Some(room) = Room::take() else { return Ok(stream(head, input)) };
        let mut packed = head;
        input.by_ref().take(WHOLE_BYTES as u64).read_to_end(&mut packed)?;
        self.room = Some(room);
        let Some(content) = whole::decode(&packed, &mut self.decompressor) else {
            return Ok(stream(packed, input));
        };
        self.end = content.len();
        self.content = Some(content);
        Ok(Rest::Nothing)
    }

    /// Decodes a member of which so many bytes come behind its header.
    fn decode(&mut self, input: &mut R, length: usize) -> io::Result<()> {
        self.member.resize(length, 0);
        input.read_exact(&mut self.member)?;
        let (data, trailer) = self.member.split_at(length - TRAILER_BYTES);
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a damaged member of a gzip file");
        let content_length = length_at(&trailer[4..]).filter(|length| *length <= MEMBER_BYTES);
        let content_length = content_length.ok_or_else(damaged)?;
        let content = match &mut self.content {
            Some(content) => content,
            none => none.insert(Pages::new(MEMBER_BYTES)?),
        };
        let content = &mut content[..content_length];
        let decoded = self.decompressor.deflate_decompress(data, content);
        let is_sound = decoded.is_ok_and(|length| length == content_length)
            && libdeflater::crc32(content).to_le_bytes() == trailer[..4];
        (self.read, self.end) = (0, if is_sound { content_length } else { 0 });
        if is_sound { Ok(()) } else { Err(damaged()) }
    }
}

impl<R: BufRead> Read for GzipContent<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for GzipContent<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.end && matches!(self.rest, Rest::Whole(_) | Rest::Members(_)) {
            self.decode_next()?;
        }
        match (&self.content, &mut self.rest) {
            (Some(content), _) if self.read < self.end => {
                Ok(&content[self.read..self.end.min(self.read + PIECE_BYTES)])
            }
            (_, Rest::Stream(stream)) => stream.fill_buf(),
            _ => Ok(&[]),
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.rest {
            // Only when all that was decoded before has been read.
            Rest::Stream(stream) => stream.consume(count),
            _ => self.read += count,
        }
    }
}

fn stream<R: BufRead>(head: Vec<u8>, rest: R) -> Rest<R> {
    let decoder = MultiGzDecoder::new(Cursor::new(head).chain(rest));
    Rest::Stream(Box::new(BufReader::with_capacity(PIECE_BYTES, decoder)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn one_file_at_a_time_is_in_memory_as_a_whole() {
        let file = |bytes: usize| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&vec![7; bytes]).unwrap();
            encoder.finish().unwrap()
        };
        let (small, large) = (file(99), file(WHOLE_BYTES + 1));
        let begin = |file| {
            let mut content = GzipContent::new(file);
            assert_eq!(content.fill_buf().unwrap()[..9], [7; 9]);
            content
        };
        for (first, is_stream) in [(&small, false), (&large, true)] {
            // Other tests of this process may have the room just now.
            let held = std::iter::repeat_with(|| begin(&first[..])).find(|held| held.room.is_some()).unwrap();
            assert_eq!(matches!(held.rest, Rest::Stream(_)), is_stream);
            let mut second = begin(&small[..]);
            assert!(matches!(second.rest, Rest::Stream(_)));
            let mut read = Vec::new();
            second.read_to_end(&mut read).unwrap();
            assert_eq!(read, [7; 99]);
        }
        let mut read = Vec::new();
        begin(&large[..]).read_to_end(&mut read).unwrap();
        assert!(read == vec![7; WHOLE_BYTES + 1]);
    }
}
