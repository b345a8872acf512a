use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Format;
use crate::types::ParseError;

/// How hard to compress, as `compression_level` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Fast.
    Low,
    /// In between; what an absent setting means.
    #[default]
    Medium,
    /// Small.
    High,
    /// A number of the format's own scale; one beyond its end means the end.
    Number(i64),
}

/// The levels of a format.
struct Scale {
    named: [i32; 3],
    levels: RangeInclusive<i32>,
}

const fn scale(format: Format) -> Scale {
    match format {
        Format::Gzip => Scale { named: [1, 6, 9], levels: 1..=9 },
        Format::Bzip2 => Scale { named: [1, 5, 9], levels: 1..=9 },
        Format::Xz => Scale { named: [1, 3, 5], levels: 1..=9 },
        Format::Zstd => Scale { named: [1, 4, 9], levels: -22..=22 },
        Format::Lz4 => Scale { named: [0, 6, 10], levels: 0..=16 },
        Format::Snappy => Scale { named: [0; 3], levels: 0..=0 },
    }
}

impl Level {
    /// The level on the scale of `format`.
    pub fn on_scale_of(self, format: Format) -> i32 {
        let Scale { named: [low, medium, high], levels } = scale(format);
        match self {
            Self::Low => low,
            Self::Medium => medium,
            Self::High => high,
            Self::Number(number) => number.clamp((*levels.start()).into(), (*levels.end()).into()) as i32,
        }
    }

    /// Whether it is a number that the format has no level for.
    pub fn is_beyond(self, format: Format) -> bool {
        matches!(self, Self::Number(number) if number != i64::from(self.on_scale_of(format)))
    }
}

impl FromStr for Level {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            _ => text.parse().map(Self::Number).map_err(|_| ParseError::new("compression level", text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_become_levels_of_the_format() {
        let level = |text: &str, format| text.parse::<Level>().unwrap().on_scale_of(format);
        assert_eq!(level("medium", Format::Gzip), 6);
        assert_eq!(level("medium", Format::Bzip2), 5);
        assert_eq!(level("high", Format::Xz), 5);
        assert_eq!(level("high", Format::Zstd), 9);
        assert_eq!(level("low", Format::Lz4), 0);
        assert_eq!(level("0", Format::Gzip), 1);
        assert_eq!(level("9999999999", Format::Gzip), 9);
        assert_eq!(level("-30", Format::Zstd), -22);
        assert!("fast".parse::<Level>().is_err());
    }

    #[test]
    fn a_number_beyond_the_scale_is_known_as_such() {
        assert!(Level::Number(0).is_beyond(Format::Gzip));
        assert!(!Level::Number(9).is_beyond(Format::Gzip));
        assert!(!Level::High.is_beyond(Format::Snappy));
    }
}
