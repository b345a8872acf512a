use std::ops::{Add, AddAssign, Sub};

use crate::types::WalName;

/// How many files there are, and how much room they take in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The number of files.
    pub files: u64,
    /// Their bytes as stored.
    pub bytes: u64,
}

/// Tallies by what the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Complete segments.
    pub segments: Tally,
    /// Labels of base backups.
    pub backup_labels: Tally,
    /// Unfinished segments.
    pub partials: Tally,
    /// Histories of timelines.
    pub histories: Tally,
    /// Lines that name no WAL file.
    pub others: Tally,
}

impl Totals {
    /// Everything together.
    pub fn all(&self) -> Tally {
        self.each().into_iter().fold(Tally::default(), Add::add)
    }

    pub(super) fn count(&mut self, name: &str, bytes: u64) {
        let tally = match name.parse() {
            Ok(WalName::Segment(_)) => &mut self.segments,
            Ok(WalName::BackupLabel { .. }) => &mut self.backup_labels,
            Ok(WalName::Partial(_)) => &mut self.partials,
            Ok(WalName::History(_)) => &mut self.histories,
            Err(_) => &mut self.others,
        };
        *tally = *tally + Tally { files: 1, bytes };
    }

    pub(super) const fn each(&self) -> [Tally; 5] {
        [self.segments, self.backup_labels, self.partials, self.histories, self.others]
    }

    pub(super) const fn from_each(tallies: [Tally; 5]) -> Self {
        let [segments, backup_labels, partials, histories, others] = tallies;
        Self { segments, backup_labels, partials, histories, others }
    }

    fn combine(self, other: Self, combine: impl Fn(Tally, Tally) -> Tally) -> Self {
        let (a, b) = (self.each(), other.each());
        Self::from_each(std::array::from_fn(|kind| combine(a[kind], b[kind])))
    }
}

// Sizes come from a file that anybody may have written: sums of nonsense wrap rather than panic.
impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { files: self.files.wrapping_add(other.files), bytes: self.bytes.wrapping_add(other.bytes) }
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { files: self.files.wrapping_sub(other.files), bytes: self.bytes.wrapping_sub(other.bytes) }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.combine(other, Add::add)
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.combine(other, Sub::sub)
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
