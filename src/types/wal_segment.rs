use std::fmt;
use std::str::FromStr;

use super::{Lsn, ParseError, SegmentSize, Timeline, hex_u32};

/// One WAL segment: the 24 hexadecimal digits of its file name are timeline, log and segment of the log.
///
/// The order is the order of the names as text, that is by timeline first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalSegment {
    timeline: Timeline,
    log: u32,
    seg: u32,
}

impl WalSegment {
    /// The segment of `size` that holds `lsn`.
    ///
    /// A position exactly between two segments belongs to the later one, as in `pg_walfile_name_offset()` of
    /// PostgreSQL 17 and later; earlier servers name the segment before it there.
    pub fn containing(lsn: Lsn, timeline: Timeline, size: SegmentSize) -> Self {
        let log = (lsn.bytes() >> 32) as u32;
        let seg = (lsn.bytes() & 0xFFFF_FFFF) as u32 / size.bytes();
        Self { timeline, log, seg }
    }

    /// The timeline this segment was written on.
    pub const fn timeline(self) -> Timeline {
        self.timeline
    }

    /// The position of the first byte of the segment.
    pub fn start(self, size: SegmentSize) -> Lsn {
        Lsn::new((u64::from(self.log) << 32) + u64::from(self.seg) * u64::from(size.bytes()))
    }

    /// The segment that follows on the same timeline; `None` after the very last position a log can have.
    pub fn next(self, size: SegmentSize) -> Option<Self> {
        if self.seg + 1 < size.segments_per_log() {
            return Some(Self { seg: self.seg + 1, ..self });
        }
        Some(Self { log: self.log.checked_add(1)?, seg: 0, ..self })
    }

    /// The segment before on the same timeline; `None` before the first.
    pub fn previous(self, size: SegmentSize) -> Option<Self> {
        if self.seg > 0 {
            return Some(Self { seg: self.seg - 1, ..self });
        }
        Some(Self { log: self.log.checked_sub(1)?, seg: size.segments_per_log() - 1, ..self })
    }

    /// Whether the last eight digits are possible with segments of `size`.
    pub fn fits(self, size: SegmentSize) -> bool {
        self.seg < size.segments_per_log()
    }

    /// The directory of the archive that holds the segment: timeline and log, sixteen digits.
    pub fn hash_dir(self) -> String {
        format!("{}{:08X}", self.timeline, self.log)
    }
}

impl fmt::Display for WalSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:08X}{:08X}", self.timeline, self.log, self.seg)
    }
}

impl FromStr for WalSegment {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let (timeline, log, seg) = (text.get(..8)?, text.get(8..16)?, text.get(16..24)?);
            let whole = text.len() == 24;
            whole.then_some(Self { timeline: timeline.parse().ok()?, log: hex_u32(log)?, seg: hex_u32(seg)? })
        };
        parse().ok_or_else(|| ParseError::new("WAL segment name", text))
    }
}

/// A run of segments of one timeline, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRange {
    first: WalSegment,
    last: WalSegment,
    size: SegmentSize,
}

impl SegmentRange {
    /// The run from `first` to `last`; `None` when they lie on different timelines, since no single run of
    /// segments then leads from one to the other.
    pub fn new(first: WalSegment, last: WalSegment, size: SegmentSize) -> Option<Self> {
        (first.timeline == last.timeline).then_some(Self { first, last, size })
    }

    /// The segments in ascending order; none when `last` is before `first`.
    pub fn iter(self) -> impl Iterator<Item = WalSegment> {
        let start = (self.first <= self.last).then_some(self.first);
        std::iter::successors(start, move |s| s.next(self.size).filter(|next| *next <= self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(name: &str) -> WalSegment {
        name.parse().unwrap()
    }

    #[test]
    fn segment_after_last_of_a_log_starts_the_next_log() {
        let cases = [
            (1 << 20, "00000001000000000000000F", "000000010000000000000010"),
            (1 << 20, "000000010000000000000FFF", "000000010000000100000000"),
            (16 << 20, "0000000100000000000000FF", "000000010000000100000000"),
            (64 << 20, "00000001000000000000003F", "000000010000000100000000"),
            (1 << 30, "0000000A000000FF00000003", "0000000A0000010000000000"),
        ];
        for (size, name, next) in cases {
            let size = SegmentSize::new(size).unwrap();
            assert_eq!(segment(name).next(size), Some(segment(next)));
            assert_eq!(segment(next).previous(size), Some(segment(name)));
        }
    }

    #[test]
    fn a_position_on_a_boundary_belongs_to_the_later_segment() {
        let at =
            |lsn: &str| WalSegment::containing(lsn.parse().unwrap(), Timeline::FIRST, SegmentSize::DEFAULT);
        assert_eq!(at("0/2FFFFFF"), segment("000000010000000000000002"));
        assert_eq!(at("0/3000000"), segment("000000010000000000000003"));
    }

    #[test]
    fn names_of_other_files_are_refused() {
        for name in
            ["", "00000001", "00000000000000000000000F", "0000000100000000000000010", "00000001.history"]
        {
            assert!(name.parse::<WalSegment>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_range_names_both_ends_and_stays_on_one_timeline() {
        let (first, last) = (segment("0000000200000000000000FE"), segment("000000020000000100000001"));
        let names: Vec<String> = SegmentRange::new(first, last, SegmentSize::DEFAULT)
            .unwrap()
            .iter()
            .map(|s| s.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "0000000200000000000000FE",
                "0000000200000000000000FF",
                "000000020000000100000000",
                "000000020000000100000001"
            ]
        );
        assert!(SegmentRange::new(segment("000000010000000000000001"), last, SegmentSize::DEFAULT).is_none());
    }

    fn any_size() -> impl Strategy<Value = SegmentSize> {
        (20_u32..=30).prop_map(|power| SegmentSize::new(1 << power).unwrap())
    }

    proptest! {
        #[test]
        fn a_segment_starts_where_its_name_says(lsn: u64, tli in 1_u32.., size in any_size()) {
            let segment = WalSegment::containing(Lsn::new(lsn), Timeline::new(tli).unwrap(), size);
            prop_assert!(segment.fits(size));
            prop_assert_eq!(segment.start(size).bytes(), lsn - u64::from(Lsn::new(lsn).offset(size)));
            prop_assert_eq!(segment.to_string().parse(), Ok(segment));
        }

        #[test]
        fn order_is_the_order_of_names(a: (u64, u8), b: (u64, u8)) {
            let make = |(lsn, tli): (u64, u8)| {
                WalSegment::containing(Lsn::new(lsn), Timeline::new(u32::from(tli) + 1).unwrap(), SegmentSize::DEFAULT)
            };
            prop_assert_eq!(make(a).cmp(&make(b)), make(a).to_string().cmp(&make(b).to_string()));
        }

        #[test]
        fn previous_undoes_next(lsn in 0..u64::MAX - (1 << 31), size in any_size()) {
            let segment = WalSegment::containing(Lsn::new(lsn), Timeline::FIRST, size);
            prop_assert_eq!(segment.next(size).and_then(|s| s.previous(size)), Some(segment));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,30}") {
            if let Ok(segment) = text.parse::<WalSegment>() {
                prop_assert_eq!(segment.to_string(), text.to_uppercase());
            }
        }
    }
}
