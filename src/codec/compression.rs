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

/// A format that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 1952; a file may have several members.
    Gzip,
    /// bzip2; a file may have several streams.
    Bzip2,
    /// The `.xz` format; a file may have several streams.
    Xz,
    /// RFC 8878; a file may have several frames.
    Zstd,
    /// The frame format of lz4; a file may have several frames.
    Lz4,
    /// The framing format of snappy.
    Snappy,
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

    /// The built-in format; none of `custom`.
    pub const fn format(self) -> Option<Format> {
        Some(match self {
            Self::Gzip | Self::Pigz | Self::Pygzip => Format::Gzip,
            Self::Bzip2 | Self::Pybzip2 => Format::Bzip2,
            Self::Xz => Format::Xz,
            Self::Zstd => Format::Zstd,
            Self::Lz4 => Format::Lz4,
            Self::Snappy => Format::Snappy,
            Self::Custom => return None,
        })
    }

    /// The one of the identifiers of its format that is the format's own name.
    pub const fn format_name(self) -> Self {
        match self {
            Self::Pigz | Self::Pygzip => Self::Gzip,
            Self::Pybzip2 => Self::Bzip2,
            own => own,
        }
    }
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

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd, Self::Lz4, Self::Snappy];
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
}
