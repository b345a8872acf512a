use std::fmt;
use std::str::FromStr;

use crate::types::ParseError;

/// A compression as the configuration and xlog.db name it; several identifiers may mean one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// `gzip`.
    Gzip,
    /// `pigz`: the same format.
    Pigz,
    /// `pygzip`: the same format.
    Pygzip,
    /// `bzip2`.
    Bzip2,
    /// `pybzip2`: the same format.
    Pybzip2,
    /// `xz`.
    Xz,
    /// `zstd`.
    Zstd,
    /// `lz4`, in frames.
    Lz4,
    /// `snappy`, in its framing format.
    Snappy,
    /// `custom`: a filter of the user's.
    Custom,
}

impl Compression {
    /// Every identifier.
    pub const ALL: [Self; 10] = [
        Self::Gzip,
        Self::Pigz,
        Self::Pygzip,
        Self::Bzip2,
        Self::Pybzip2,
        Self::Xz,
        Self::Zstd,
        Self::Lz4,
        Self::Snappy,
        Self::Custom,
    ];

    /// The identifier.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Pigz => "pigz",
            Self::Pygzip => "pygzip",
            Self::Bzip2 => "bzip2",
            Self::Pybzip2 => "pybzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Custom => "custom",
        }
    }

    /// The one of the identifiers of its format that is the format's own name.
    pub const fn format(self) -> Self {
        match self {
            Self::Pigz | Self::Pygzip => Self::Gzip,
            Self::Pybzip2 => Self::Bzip2,
            own => own,
        }
    }

    /// Whether this version can write and read it.
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Gzip | Self::Pigz | Self::Pygzip | Self::Bzip2 | Self::Pybzip2)
    }

    /// What `low`, `medium` and `high` mean, and the levels there are.
    const fn levels(self) -> Levels {
        match self {
            Self::Gzip | Self::Pigz | Self::Pygzip => Levels { named: [1, 6, 9], least: 1, most: 9 },
            Self::Bzip2 | Self::Pybzip2 => Levels { named: [1, 5, 9], least: 1, most: 9 },
            Self::Xz => Levels { named: [1, 3, 5], least: 1, most: 9 },
            Self::Zstd => Levels { named: [1, 4, 9], least: -22, most: 22 },
            Self::Lz4 => Levels { named: [0, 6, 10], least: 0, most: 16 },
            Self::Snappy | Self::Custom => Levels { named: [0; 3], least: 0, most: 0 },
        }
    }
}

struct Levels {
    named: [i32; 3],
    least: i32,
    most: i32,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Compression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let found = Self::ALL.into_iter().find(|compression| compression.id() == text);
        found.ok_or_else(|| ParseError::new("compression", text))
    }
}

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
    Number(i32),
}

impl Level {
    /// The level on the scale of `compression`.
    pub fn on_scale_of(self, compression: Compression) -> i32 {
        let Levels { named: [low, medium, high], least, most } = compression.levels();
        match self {
            Self::Low => low,
            Self::Medium => medium,
            Self::High => high,
            Self::Number(number) => number.clamp(least, most),
        }
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
    fn every_identifier_is_read_back() {
        for compression in Compression::ALL {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        assert!("GZIP".parse::<Compression>().is_err());
    }

    #[test]
    fn words_and_numbers_become_levels_of_the_format() {
        let level = |text: &str, compression| text.parse::<Level>().unwrap().on_scale_of(compression);
        assert_eq!(level("medium", Compression::Pigz), 6);
        assert_eq!(level("medium", Compression::Bzip2), 5);
        assert_eq!(level("high", Compression::Zstd), 9);
        assert_eq!(level("0", Compression::Gzip), 1);
        assert_eq!(level("99", Compression::Gzip), 9);
        assert_eq!(level("-30", Compression::Zstd), -22);
        assert!("fast".parse::<Level>().is_err());
    }
}
