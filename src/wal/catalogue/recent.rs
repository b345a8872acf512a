use std::collections::VecDeque;

use crate::wal::index::Block;

/// How many blocks are kept. The ranges of backups that follow one another share the blocks at their ends.
const KEPT: usize = 4;

/// Names and sizes in the blocks that were summed last.
#[derive(Default)]
pub(super) struct Recent(VecDeque<(Block, Vec<(String, u64)>)>);

impl Recent {
    /// What `block` holds, if it is kept.
    pub fn find(&self, block: &Block) -> Option<&[(String, u64)]> {
        let Self(blocks) = self;
        blocks.iter().find(|(kept, _)| kept == block).map(|(_, sizes)| &sizes[..])
    }

    /// Keeps what `block` holds, `text` being its text, in place of what was kept first.
    pub fn keep(&mut self, block: Block, text: &[u8]) -> &[(String, u64)] {
        let Self(blocks) = self;
        blocks.truncate(KEPT - 1);
        let sizes = block.lines(text).map(|line| (line.name.to_owned(), line.size)).collect();
        blocks.push_front((block, sizes));
        &blocks[0].1
    }
}
