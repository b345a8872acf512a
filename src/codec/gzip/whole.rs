//! Files of one member, decoded as a whole.

use std::sync::atomic::{AtomicBool, Ordering};

use libdeflater::Decompressor;
use memchr::memmem;

use super::pages::Pages;
use super::{LENGTH_BYTES, length_at};

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

/// The content of the file `packed`; `None` when it may have more than one member, is too large or damaged.
///
/// The decoder looks at the first member only, and ignores what is behind. Where the length of the content stands in the
/// last bytes of the file and nowhere else, a sound member that has this length ends there.
pub(super) fn decode(packed: &[u8], decompressor: &mut Decompressor) -> Option<Pages> {
    let (_, field) = packed.split_last_chunk::<LENGTH_BYTES>()?;
    let length = length_at(field)?;
    let is_small = packed.len() < WHOLE_BYTES && length <= WHOLE_BYTES;
    if !is_small || memmem::find(&packed[..packed.len() - 1], field).is_some() {
        return None;
    }
    let mut content = Pages::new(length).ok()?;
    (decompressor.gzip_decompress(packed, &mut content) == Ok(length)).then_some(content)
}
