use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::record::{Line, RECORD_BYTES};
use super::{Block, Class, Damaged, Index, position_in_file};
use crate::wal::names::{Key, NameRange};
use crate::wal::totals::Totals;

/// How many blocks are kept that were looked at: searches begin with the same ones.
const SEEN: usize = 4096;

/// How the sums of a range come about.
#[derive(Debug, Default)]
pub(in crate::wal) struct SumPlan {
    /// The sums of what lies in the range as a whole.
    pub whole: Totals,
    /// Blocks that lie in it in part, or in whole: their text must be read.
    pub partly: Vec<Block>,
}

impl Index {
    /// The first line of xlog.db that cannot be read: its number, and where it starts and ends.
    pub fn corrupt_line(&self) -> Option<(u64, Range<u64>)> {
        let Line { number, start, end, .. } = self.header.corrupt;
        (number > 0).then_some((number, start..end))
    }

    /// Where the last line starts and ends; `None` when there is none.
    pub fn last_line(&self) -> Option<Range<u64>> {
        let Line { number, start, end, .. } = self.header.last;
        (number > 0).then_some(start..end)
    }

    /// The greatest name.
    pub fn greatest_name(&self) -> Key {
        self.main_reach()
    }

    /// The blocks in which names of the range may lie, in no order worth mentioning.
    pub fn blocks(&self, range: &NameRange) -> Result<Vec<Block>, Damaged> {
        let mut blocks = self.late_in(range)?;
        for position in self.main_positions(range)? {
            blocks.extend(self.main_block(position)?.filter(|block| block.overlaps(range)));
        }
        Ok(blocks)
    }

    /// Sums up the range from prefix sums; what only the text can tell is left to the caller.
    pub fn plan_sum(&self, range: &NameRange) -> Result<SumPlan, Damaged> {
        let mut at_ends = self.late_in(range)?;
        let mut whole = Totals::default();
        let mut positions = self.main_positions(range)?;
        at_ends.extend(positions.next().map(|first| self.main_block(first)).transpose()?.flatten());
        at_ends.extend(positions.next_back().map(|last| self.main_block(last)).transpose()?.flatten());
        if !positions.is_empty() {
            whole = self.main_before(positions.end)? - self.main_before(positions.start)?;
        }
        let (inside, partly): (Vec<_>, Vec<_>) =
            at_ends.into_iter().partition(|block| block.is_inside(range));
        inside.iter().for_each(|block| whole += block.own);
        Ok(SumPlan { whole, partly })
    }

    /// The main blocks of the range, the greatest names first.
    pub fn main_descending(
        &self,
        range: &NameRange,
    ) -> Result<impl Iterator<Item = Result<Block, Damaged>>, Damaged> {
        let positions = self.main_positions(range)?;
        Ok(positions.rev().filter_map(|position| self.main_block(position).transpose()))
    }

    /// The late blocks of the range.
    pub fn late_in(&self, range: &NameRange) -> Result<Vec<Block>, Damaged> {
        Ok(self.late_blocks()?.iter().filter(|block| block.overlaps(range)).cloned().collect())
    }

    /// The positions among which the main blocks of the range lie: all but the first and the last of them, if
    /// they are main blocks, lie in the range as a whole. The open main block has the position after all others.
    fn main_positions(&self, range: &NameRange) -> Result<Range<u64>, Damaged> {
        let first = self.partition_point(|reach| range.is_below(reach))?;
        let beyond = self.partition_point(|reach| !range.is_beyond(reach))?;
        Ok(first..(beyond + 1).min(self.positions()).max(first))
    }

    /// How many positions hold blocks, the open main one included.
    fn positions(&self) -> u64 {
        self.header.blocks + u64::from(self.header.open_main.is_some())
    }

    fn partition_point(&self, is_before: impl Fn(&Key) -> bool) -> Result<u64, Damaged> {
        let (mut low, mut high) = (0, self.positions());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(&self.reach(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn reach(&self, position: u64) -> Result<Key, Damaged> {
        match &self.header.open_main {
            Some(open) if position == self.header.blocks => Ok(open.max),
            _ => Ok(self.finished(position)?.reach),
        }
    }

    pub(super) fn main_reach(&self) -> Key {
        self.header.open_main.as_ref().map_or(self.header.reach, |open| open.max)
    }

    /// The main block at the position; `None` when a late one is there.
    fn main_block(&self, position: u64) -> Result<Option<Block>, Damaged> {
        match &self.header.open_main {
            Some(open) if position == self.header.blocks => Ok(Some(open.clone())),
            _ => Ok(Some(self.finished(position)?).filter(|block| block.class == Class::Main)),
        }
    }

    /// The sums of the main blocks before the position.
    fn main_before(&self, position: u64) -> Result<Totals, Damaged> {
        if position < self.header.blocks {
            return Ok(self.finished(position)?.main_before);
        }
        let open = self.header.open_main.as_ref().filter(|_| position > self.header.blocks);
        Ok(self.header.main + open.map(|block| block.own).unwrap_or_default())
    }

    fn finished(&self, position: u64) -> Result<Block, Damaged> {
        if let Some(pending) = position.checked_sub(self.saved) {
            let pending = usize::try_from(pending).ok().and_then(|at| self.pending.get(at));
            return pending.cloned().ok_or(Damaged);
        }
        let mut seen = self.seen.borrow_mut();
        if let Some(block) = seen.get(&position) {
            return Ok(block.clone());
        }
        let mut bytes = [0; RECORD_BYTES];
        let file = self.file.as_ref().ok_or(Damaged)?;
        file.read_exact_at(&mut bytes, position_in_file(position)).map_err(|_| Damaged)?;
        let block = Block::decode(&bytes).ok_or(Damaged)?;
        if seen.len() == SEEN {
            seen.clear();
        }
        seen.insert(position, block.clone());
        Ok(block)
    }

    fn late_blocks(&self) -> Result<&[Block], Damaged> {
        if let Some(late) = self.late.get() {
            return Ok(late);
        }
        let mut late: Vec<Block> = self.header.open_late.iter().cloned().collect();
        let mut next = self.header.last_late;
        while let Some(position) = next {
            let block = self.finished(position)?;
            // Each link must lead backwards, or a damaged index would be followed for ever.
            next = match block.class {
                Class::Late { before } if before.is_none_or(|before| before < position) => before,
                Class::Late { .. } | Class::Main => return Err(Damaged),
            };
            late.push(block);
        }
        Ok(self.late.get_or_init(|| late))
    }
}
