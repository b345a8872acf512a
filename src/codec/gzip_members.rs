//! gzip files of independent members that are as long as memory allows, and that tell how long they are.
//!
//! A member is compressed and decompressed as a whole, which is twice as fast as a stream. So that a reader finds the
//! end of one without decoding it, its length stands in an extra field of its header (RFC 1952, 2.3.1.1), which every
//! other reader skips. What others wrote has no such field: a file of one member is decoded as a whole if it is no
//! larger than a segment mostly is, anything else as a stream.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::MultiGzDecoder;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use memchr::memmem;

use crate::sys::fs::read_head;

/// Uncompressed bytes in one member. Members are read back to back by every decoder; this many bytes keep the speed of
/// compressing whole buffers, cost nothing in size, and bound the memory.
const MEMBER_BYTES: usize = 2 << 20;

/// What a member begins with, up to its length: deflate, an extra field and a checksum of the header, no time, no
/// system; the field has four bytes.
const HEADER: [u8; 16] = *b"\x1f\x8b\x08\x06\0\0\0\0\0\xff\x08\0BM\x04\0";

const LENGTH_BYTES: usize = 4;
const CHECKSUM_AT: usize = HEADER.len() + LENGTH_BYTES;
const DATA_AT: usize = CHECKSUM_AT + 2;

/// The checksum of the content, and its length.
const TRAILER_BYTES: usize = 8;

/// How much content is given at a time. Whoever writes more of it at once makes the kernel look for large pieces of
/// memory, which takes longer than it saves.
const PIECE_BYTES: usize = 128 << 10;

/// What a file of others, and its content, may have at most to be decoded as a whole.
const WHOLE_BYTES: usize = 16 << 20;

/// A gzip file that is written member by member.
pub(super) struct GzipMembers<W> {
    output: W,
    compressor: Compressor,
    content: Vec<u8>,
    member: Vec<u8>,
    is_empty: bool,
}

impl<W: Write> GzipMembers<W> {
    pub fn new(output: W, level: i32) -> Self {
        // What zlib makes of WAL at its level 6, the usual one, libdeflate makes at 5, to a quarter of a percent.
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

/// The content of a gzip file: member by member as long as they tell their length, then as a stream.
pub(super) struct GzipContent<R> {
    rest: Rest<R>,
    decompressor: Decompressor,
    /// A member behind its header.
    member: Vec<u8>,
    /// Its content, of which so much has been read.
    content: Vec<u8>,
    read: usize,
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
            content: Vec::new(),
            read: 0,
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
        let Some((at, (length, checksum))) = data_at(&packed).zip(only_trailer(&packed)) else {
            return Ok(stream(packed, input));
        };
        // Zeros that nobody writes, unlike those of a vector that grows.
        self.content = vec![0; length];
        let decoded = self.decompressor.deflate_decompress(&packed[at..], &mut self.content);
        if decoded == Ok(length) && libdeflater::crc32(&self.content).to_le_bytes() == checksum {
            return Ok(Rest::Nothing);
        }
        self.content.clear();
        Ok(stream(packed, input))
    }

    /// Decodes a member of which so many bytes come behind its header.
    fn decode(&mut self, input: &mut R, length: usize) -> io::Result<()> {
        self.member.resize(length, 0);
        input.read_exact(&mut self.member)?;
        let (data, trailer) = self.member.split_at(length - TRAILER_BYTES);
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a damaged member of a gzip file");
        let content_length = length_at(&trailer[4..]).filter(|length| *length <= MEMBER_BYTES);
        let content_length = content_length.ok_or_else(damaged)?;
        self.content.resize(content_length, 0);
        self.read = 0;
        let decoded = self.decompressor.deflate_decompress(data, &mut self.content);
        let is_sound = decoded.is_ok_and(|length| length == content_length)
            && libdeflater::crc32(&self.content).to_le_bytes() == trailer[..4];
        if !is_sound {
            self.content.clear();
            return Err(damaged());
        }
        Ok(())
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
        loop {
            if self.read < self.content.len() {
                let end = self.content.len().min(self.read + PIECE_BYTES);
                return Ok(&self.content[self.read..end]);
            }
            match self.rest {
                Rest::Stream(ref mut stream) => return stream.fill_buf(),
                Rest::Nothing => return Ok(&[]),
                Rest::Whole(_) | Rest::Members(_) => self.decode_next()?,
            }
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.rest {
            Rest::Stream(stream) if self.read == self.content.len() => stream.consume(count),
            _ => self.read += count,
        }
    }
}

fn stream<R: BufRead>(head: Vec<u8>, rest: R) -> Rest<R> {
    let decoder = MultiGzDecoder::new(Cursor::new(head).chain(rest));
    Rest::Stream(Box::new(BufReader::with_capacity(PIECE_BYTES, decoder)))
}

/// Where the data of a file begins, behind the header (RFC 1952, 2.3); `None` of what is no such file.
fn data_at(packed: &[u8]) -> Option<usize> {
    const HEADER_CHECKSUM: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let flags = *packed.strip_prefix(b"\x1f\x8b\x08")?.first()?;
    let mut at = 10;
    if flags & EXTRA != 0 {
        let length = packed.get(at..at + 2)?.try_into().ok()?;
        at += 2 + usize::from(u16::from_le_bytes(length));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += packed.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        at += 2;
    }
    (at < packed.len()).then_some(at)
}

/// Length and checksum of the content, of a file that ends as no member before its end does: content that has them is
/// not followed by another member. `None` of another file, and of one that is too large.
fn only_trailer(packed: &[u8]) -> Option<(usize, [u8; 4])> {
    let (_, trailer) = packed.split_last_chunk::<TRAILER_BYTES>()?;
    let [checksum @ .., _, _, _, _] = *trailer;
    let length = length_at(&trailer[4..])?;
    let is_small = packed.len() < WHOLE_BYTES && length <= WHOLE_BYTES;
    let is_only = || memmem::find(&packed[..packed.len() - 1], trailer).is_none();
    (is_small && is_only()).then_some((length, checksum))
}

/// The right to have a whole file in memory, packed and decoded: much, and so only one decoder of the process has it.
struct Room;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Room {
    fn take() -> Option<Self> {
        (!IS_TAKEN.swap(true, Ordering::Acquire)).then_some(Self)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// How long the member is that begins with `head`; `None` when that is not said, or not to be believed.
fn member_length(head: &[u8]) -> Option<usize> {
    // Content that cannot be compressed grows by five bytes for each 5000 at most.
    const LONGEST: usize = DATA_AT + MEMBER_BYTES + MEMBER_BYTES / 500 + TRAILER_BYTES;
    let (header, checksum) = head.split_at_checked(CHECKSUM_AT)?;
    let length = header.strip_prefix(&HEADER).and_then(length_at)?;
    let is_sound =
        checksum == header_checksum(header) && (DATA_AT + TRAILER_BYTES..=LONGEST).contains(&length);
    is_sound.then_some(length)
}

fn length_at(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// As RFC 1952 has it: half of a CRC-32.
fn header_checksum(header: &[u8]) -> [u8; 2] {
    let [low, high, ..] = libdeflater::crc32(header).to_le_bytes();
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut members = GzipMembers::new(Vec::new(), 6);
        assert_eq!(members.write(content).unwrap(), content.len());
        members.finish().unwrap()
    }

    fn content(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        GzipContent::new(file).read_to_end(&mut content).map(|_| content)
    }

    #[test]
    fn other_readers_skip_the_length() {
        let file = packed(b"content");
        let mut read = String::new();
        MultiGzDecoder::new(&file[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, "content");
    }

    #[test]
    fn members_of_ours_and_of_others_are_one_content() {
        let file = [packed(b"ours"), packed_by_others(b" other "), packed(b"ours")].concat();
        assert_eq!(content(&file).unwrap(), b"ours other ours");
    }

    #[test]
    fn a_length_that_lies_is_not_believed() {
        let file = packed(b"content");
        let length = file.len() as u32;
        // Two members alike would be taken for one, by checksum and size.
        for wrong in [0, 27, length - 1, length + 1, 2 * length, 2 << 20, u32::MAX] {
            let mut lying = file.repeat(2);
            lying[HEADER.len()..CHECKSUM_AT].copy_from_slice(&wrong.to_le_bytes());
            assert!(content(&lying).is_err(), "{wrong}");
            let checksum = header_checksum(&lying[..CHECKSUM_AT]);
            lying[CHECKSUM_AT..DATA_AT].copy_from_slice(&checksum);
            let read = content(&lying);
            let is_right = read.as_ref().map_or(true, |read| read == b"contentcontent");
            assert!(is_right || wrong == 2 * length, "{wrong}");
        }
    }

    #[test]
    fn of_a_damaged_member_nothing_is_read() {
        let mut file = packed(&b"content".repeat(100));
        let checksum = file.len() - TRAILER_BYTES;
        file[checksum] ^= 1;
        let (mut damaged, mut buffer) = (GzipContent::new(&file[..]), [0; 10]);
        damaged.read(&mut buffer).unwrap_err();
        assert!(!matches!(damaged.read(&mut buffer), Ok(1..)));
    }

    fn packed_by_others(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_others_wrote_is_read_whatever_members_it_has() {
        let [one, two] = [packed_by_others(b"content"), packed_by_others(b"CONTENT")];
        let lie = [&one[..one.len() - 1], b"\x01"].concat();
        let named = flate2::GzBuilder::new().filename("name").comment("words").extra(b"ABxy");
        let mut named = named.write(Vec::new(), flate2::Compression::fast());
        named.write_all(b"named").unwrap();
        let named = named.finish().unwrap();
        for (file, expected) in [
            (one.clone(), Some("content")),
            (one.repeat(2), Some("contentcontent")),
            ([&one[..], &two].concat(), Some("contentCONTENT")),
            (packed_by_others(b""), Some("")),
            (named[..30].to_vec(), None),
            (named, Some("named")),
            ([&one[..], &packed(b" and ours")].concat(), Some("content and ours")),
            (lie, None),
            (one[..one.len() - 1].to_vec(), None),
            ([&one[..], &one[one.len() - TRAILER_BYTES..]].concat(), None),
        ] {
            let read = content(&file).ok().map(|read| String::from_utf8(read).unwrap());
            assert_eq!(read.as_deref(), expected, "{file:?}");
        }
    }

    #[test]
    fn files_that_are_too_large_or_read_at_the_same_time_are_read_as_streams() {
        let large = packed_by_others(&vec![7; WHOLE_BYTES + 1]);
        let (mut first, mut second) = (GzipContent::new(&large[..]), GzipContent::new(&large[..]));
        let (mut a, mut b) = ([0; 9], Vec::new());
        first.read_exact(&mut a).unwrap();
        second.read_to_end(&mut b).unwrap();
        assert!(a == [7; 9] && b == vec![7; WHOLE_BYTES + 1]);
    }

    #[test]
    fn what_comes_behind_is_an_error() {
        for behind in [&b"x"[..], b"\0\0\0\0", &packed(b"more")[..21]] {
            assert!(content(&[&packed(b"content")[..], behind].concat()).is_err(), "{behind:?}");
        }
        assert!(content(b"").is_err());
    }
}
