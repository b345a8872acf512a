use std::fmt;

use super::ParseError;

/// The size of a WAL segment file: a power of two from 1 MiB to 1 GiB (`initdb --wal-segsize`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentSize(u32);

impl SegmentSize {
    /// 16 MiB, what every server before PostgreSQL 11 has and most have today.
    pub const DEFAULT: Self = Self(16 << 20);

    /// Accepts the sizes that PostgreSQL accepts.
    pub fn new(bytes: u64) -> Result<Self, ParseError> {
        let allowed = bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&bytes);
        match u32::try_from(bytes) {
            Ok(bytes) if allowed => Ok(Self(bytes)),
            _ => Err(ParseError::new("WAL segment size", bytes.to_string())),
        }
    }

    /// Every size there can be, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        (20..=30).map(|power| Self(1 << power))
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }

    /// How many segments make one log, that is 4 GiB: the last eight digits of a segment's name count them.
    pub const fn segments_per_log(self) -> u32 {
        ((1_u64 << 32) / self.0 as u64) as u32
    }
}

impl Default for SegmentSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for SegmentSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_per_log_for_every_size() {
        let per_log: Vec<u32> =
            (20..=30).map(|p| SegmentSize::new(1 << p).unwrap().segments_per_log()).collect();
        assert_eq!(per_log, [4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4]);
    }

    #[test]
    fn sizes_postgresql_refuses_are_refused() {
        for bytes in [0, 1, 1 << 19, (16 << 20) + 1, 3 << 20, 1 << 31, u64::MAX] {
            assert!(SegmentSize::new(bytes).is_err(), "{bytes}");
        }
    }
}
