use std::fmt;
use std::str::FromStr;

use super::{ParseError, SegmentSize, hex_u32};

/// A byte position in the write-ahead log, written `X/Y` (PostgreSQL manual, type `pg_lsn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(u64);

impl Lsn {
    /// Makes a position from its distance in bytes from the beginning of the log.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Distance in bytes from the beginning of the log.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The bytes from `other` to here; negative when this position comes first.
    pub fn distance_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Offset in bytes inside the segment of `size` that holds this position.
    pub fn offset(self, size: SegmentSize) -> u32 {
        (self.0 % u64::from(size.bytes())) as u32
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Lsn {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parts = text.split_once('/').and_then(|(high, low)| Some((hex_u32(high)?, hex_u32(low)?)));
        let (high, low) = parts.ok_or_else(|| ParseError::new("LSN", text))?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_is_no_position_is_refused() {
        for text in ["", "/", "0", "0/", "/0", "0/G", "0/123456789", "+1/0", "0/0/0", " 0/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_undoes_writing(bytes: u64) {
            prop_assert_eq!(Lsn::new(bytes).to_string().parse(), Ok(Lsn::new(bytes)));
        }
    }
}
