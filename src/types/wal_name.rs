use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{ParseError, Timeline, WalSegment, hex_u32};

/// What a file of a WAL archive is, told from its name.
///
/// The order is the order of the names as text, the one that xlog.db keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WalName {
    /// A complete segment.
    Segment(WalSegment),
    /// A segment that the server or the receiver has not finished: `….partial`.
    Partial(WalSegment),
    /// The label that a base backup leaves in the archive: `….000000XX.backup`.
    BackupLabel {
        /// The segment that the backup starts in.
        segment: WalSegment,
        /// Offset of the start in that segment.
        offset: u32,
    },
    /// The history of a timeline: `0000000X.history`.
    History(Timeline),
}

impl WalName {
    /// The complete segment, when it is one.
    pub fn segment(self) -> Option<WalSegment> {
        match self {
            Self::Segment(segment) => Some(segment),
            Self::Partial(_) | Self::BackupLabel { .. } | Self::History(_) => None,
        }
    }

    /// The timeline that the file belongs to.
    pub fn timeline(self) -> Timeline {
        match self {
            Self::Segment(segment) | Self::Partial(segment) | Self::BackupLabel { segment, .. } => {
                segment.timeline()
            }
            Self::History(timeline) => timeline,
        }
    }

    /// The place of the file below the archive's root: in its hash directory, histories in the root itself.
    pub fn relative_path(self) -> PathBuf {
        match self {
            Self::Segment(segment) | Self::Partial(segment) | Self::BackupLabel { segment, .. } => {
                PathBuf::from(segment.hash_dir()).join(self.to_string())
            }
            Self::History(_) => PathBuf::from(self.to_string()),
        }
    }

    /// In text `.` sorts before every digit, so a history comes before the segments of its timeline, and what
    /// follows a segment's name comes after the segment.
    fn sort_key(self) -> (Timeline, Option<WalSegment>, u8, u32) {
        match self {
            Self::History(timeline) => (timeline, None, 0, 0),
            Self::Segment(segment) => (segment.timeline(), Some(segment), 0, 0),
            Self::BackupLabel { segment, offset } => (segment.timeline(), Some(segment), 1, offset),
            Self::Partial(segment) => (segment.timeline(), Some(segment), 2, 0),
        }
    }
}

impl Ord for WalName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl PartialOrd for WalName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for WalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(segment) => segment.fmt(f),
            Self::Partial(segment) => write!(f, "{segment}.partial"),
            Self::BackupLabel { segment, offset } => write!(f, "{segment}.{offset:08X}.backup"),
            Self::History(timeline) => write!(f, "{timeline}.history"),
        }
    }
}

/// Hexadecimal digits may be of either case, as a person types them; file names are compared with `Display`.
impl FromStr for WalName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || match text.split_once('.') {
            None => Some(Self::Segment(text.parse().ok()?)),
            Some((timeline, "history")) => Some(Self::History(timeline.parse().ok()?)),
            Some((segment, "partial")) => Some(Self::Partial(segment.parse().ok()?)),
            Some((segment, rest)) => {
                let offset = rest.strip_suffix(".backup").filter(|digits| digits.len() == 8)?;
                Some(Self::BackupLabel { segment: segment.parse().ok()?, offset: hex_u32(offset)? })
            }
        };
        parse().ok_or_else(|| ParseError::new("WAL file name", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 7] = [
        "000000010000000000000001",
        "000000010000000000000001.00000028.backup",
        "000000010000000000000001.partial",
        "000000010000000000000002",
        "00000002.history",
        "000000020000000000000002",
        "0000000A.history",
    ];

    #[test]
    fn every_kind_is_read_and_written_back() {
        for name in NAMES {
            assert_eq!(name.parse::<WalName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn order_is_the_order_of_names() {
        let parsed: Vec<WalName> = NAMES.iter().map(|name| name.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn names_of_other_files_are_refused() {
        for name in [
            "",
            ".history",
            "000000010000000000000001.gz",
            "000000010000000000000001.28.backup",
            "000000010000000000000001.00000028.backup.tmp",
            "00000001.partial",
            "00000000.history",
            "../0000010000000000000001",
        ] {
            assert!(name.parse::<WalName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn files_lie_in_their_hash_directory_and_histories_in_the_root() {
        let path = |name: &str| name.parse::<WalName>().unwrap().relative_path();
        assert_eq!(path(NAMES[1]), PathBuf::from("0000000100000000").join(NAMES[1]));
        assert_eq!(path(NAMES[4]), PathBuf::from("00000002.history"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[0-9A-Fa-f]{0,25}\\.?[a-z0-9.]{0,16}") {
            let _ = text.parse::<WalName>();
        }
    }
}
