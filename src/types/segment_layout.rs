use super::{Lsn, PgVersion, SegmentSize, WalSegment};

/// Which segments the WAL of a server consists of.
///
/// Servers before 9.3 never wrote the last segment of a log: `…FE` was followed by `…00` of the next log, and the
/// positions in between did not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentLayout {
    size: SegmentSize,
    skips_last: bool,
}

impl SegmentLayout {
    /// The segments of a server of `version` with segments of `size`.
    pub fn of(version: PgVersion, size: SegmentSize) -> Self {
        Self { size, skips_last: version < PgVersion::new(90_300) }
    }

    /// The size of a segment.
    pub fn size(self) -> SegmentSize {
        self.size
    }

    /// Whether the server writes a segment of this name.
    pub fn has(self, segment: WalSegment) -> bool {
        let end = segment.start(self.size).bytes().saturating_add(self.size.bytes().into());
        !self.skips_last || !end.is_multiple_of(1 << 32)
    }

    /// The position after the last byte of `segment`.
    pub fn end(self, segment: WalSegment) -> Lsn {
        let start = segment.start(self.size);
        segment.next(self.size).map_or(start, |next| {
            if self.has(next) {
                next.start(self.size)
            } else {
                next.next(self.size).map_or(start, |after| after.start(self.size))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_9_3_leave_out_the_last_segment_of_each_log() {
        let segment = |name: &str| name.parse::<WalSegment>().unwrap();
        let of = |number| SegmentLayout::of(PgVersion::new(number), SegmentSize::DEFAULT);
        let (last, before) = (segment("0000000100000000000000FF"), segment("0000000100000000000000FE"));
        assert!(!of(90_224).has(last) && of(90_224).has(before) && of(90_300).has(last));
        assert_eq!(of(90_224).end(before).to_string(), "1/0");
        assert_eq!(of(90_300).end(before).to_string(), "0/FF000000");
    }
}
