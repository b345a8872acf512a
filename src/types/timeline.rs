use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::{ParseError, hex_u32};

/// A timeline: eight upper-case hexadecimal digits in file names, a decimal number for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeline(NonZeroU32);

impl Timeline {
    /// The timeline of a cluster that was never promoted.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Timelines count from 1; zero gives `None`.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number PostgreSQL shows, for example in `pg_control_checkpoint()`.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

/// Writes the form that file names have: `00000001`.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// Reads the form that file names have: exactly eight hexadecimal digits.
impl FromStr for Timeline {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let number = if text.len() == 8 { hex_u32(text) } else { None };
        number.and_then(Self::new).ok_or_else(|| ParseError::new("timeline", text))
    }
}
