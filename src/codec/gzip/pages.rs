use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut};

/// Memory full of zeros, in large pages where the system has them: to get thousands of small ones takes as long as to
/// decode what goes into them.
pub(super) struct Pages {
    memory: MmapMut,
    bytes: usize,
}

impl Pages {
    pub fn new(bytes: usize) -> io::Result<Self> {
        // There is no memory of no bytes.
        let memory = MmapMut::map_anon(bytes.max(1))?;
        // A system without large pages refuses.
        let _ = memory.advise(Advice::HugePage);
        Ok(Self { memory, bytes })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.bytes]
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.bytes]
    }
}
