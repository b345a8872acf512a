//! gzip files of independent members that are as long as memory allows, and that tell how long they are.
//!
//! A member is compressed and decompressed as a whole, which is twice as fast as a stream. So that a reader finds the
//! end of one without decoding it, its length stands in an extra field of its header (RFC 1952, 2.3.1.1), which every
//! other reader skips. What others wrote has no such field: a file of one member is decoded as a whole if it is no
//! larger than a segment mostly is, anything else as a stream.

mod content;
mod members;
mod pages;
#[cfg(test)]
mod tests;
mod whole;

pub use content::GzipContent;
pub use members::GzipMembers;

/// Uncompressed bytes in one member. Members are read back to back by every decoder; this many bytes keep the speed of
/// compressing whole buffers, cost nothing in size, and bound the memory.
const MEMBER_BYTES: usize = 2 << 20;

/// What a member begins with, up to its length: deflate, an extra field and a checksum of the header, no time, no
/// system; the field has four bytes.
const HEADER: [u8; 16] = *b"\x1f\x8b\x08\x06\0\0\0\0\0\xff\x08\0BM\x04\0";

/// The length of a member, and that of its content.
const LENGTH_BYTES: usize = 4;
const CHECKSUM_AT: usize = HEADER.len() + LENGTH_BYTES;
const DATA_AT: usize = CHECKSUM_AT + 2;

/// The checksum of the content, and its length.
const TRAILER_BYTES: usize = 8;

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
