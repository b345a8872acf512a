//! Files of one member, decoded as a whole.

use std::sync::atomic::{AtomicBool, Ordering};

use libdeflater::Decompressor;
use memchr::memmem;

use super::{TRAILER_BYTES, length_at};

/// What such a file, and its content, may have at most.
pub(super) const WHOLE_BYTES: usize = 16 << 20;

/// The right to have a whole file in memory, packed and decoded: much, and so only one decoder of the process has it.
pub(super) struct Room;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Room {
    pub fn take() -> Option<Self> {
        (!IS_TAKEN.swap(true, Ordering::Acquire)).then_some(Self)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// The content of the file `packed`; `None` when it has more than one member, is too large or damaged.
pub(super) fn decode(packed: &[u8], decompressor: &mut Decompressor) -> Option<Vec<u8>> {
    let (length, checksum) = only_trailer(packed)?;
    let data = packed.get(data_at(packed)?..)?;
    // Zeros that nobody writes, unlike those of a vector that grows.
    let mut content = vec![0; length];
    let decoded = decompressor.deflate_decompress(data, &mut content);
    let is_whole = decoded == Ok(length) && libdeflater::crc32(&content).to_le_bytes() == checksum;
    is_whole.then_some(content)
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
    Some(at)
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
