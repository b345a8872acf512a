//! What PostgreSQL's own files begin with: the page header of a segment (`access/xlog_internal.h`), a line of a
//! history, the first words of a backup label.

use crate::types::SegmentSize;

/// Bytes that tell what a file is.
pub(super) const HEAD_BYTES: usize = SegmentHeader::BYTES;

/// The flag of a page header that is followed by the facts of the whole segment.
const LONG_HEADER: u16 = 0x0002;

/// What the first page of a segment tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The cluster that wrote it, as `pg_control` numbers it.
    pub system_id: u64,
    /// How long segments are there.
    pub segment_size: SegmentSize,
}

impl SegmentHeader {
    /// Bytes of the header.
    pub const BYTES: usize = 40;

    /// Reads the header that a segment begins with, on any machine's byte order; `None` when `head` is none.
    pub fn parse(head: &[u8]) -> Option<Self> {
        let header = head.first_chunk::<{ Self::BYTES }>()?;
        Self::read(header, u16::from_le_bytes, u32::from_le_bytes, u64::from_le_bytes)
            .or_else(|| Self::read(header, u16::from_be_bytes, u32::from_be_bytes, u64::from_be_bytes))
    }

    fn read(
        header: &[u8; Self::BYTES],
        short: fn([u8; 2]) -> u16,
        long: fn([u8; 4]) -> u32,
        longest: fn([u8; 8]) -> u64,
    ) -> Option<Self> {
        let short = |at: usize| short([header[at], header[at + 1]]);
        let long = |at: usize| long([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let page_size = long(36);
        let is_header = (0xd000..0xd200).contains(&short(0))
            && short(2) & LONG_HEADER != 0
            && page_size.is_power_of_two()
            && (1 << 10..=1 << 16).contains(&page_size);
        let system_id = longest(*header[24..].first_chunk()?);
        let segment_size = SegmentSize::new(u64::from(long(32))).ok().filter(|_| is_header)?;
        Some(Self { system_id, segment_size })
    }
}

/// Whether a file that begins with `head` is a segment, a label or a history as PostgreSQL writes them.
pub(super) fn is_plain(head: &[u8]) -> bool {
    let is_segment = SegmentHeader::parse(head).is_some();
    head.is_empty() || is_segment || head.starts_with(b"START WAL LOCATION: ") || is_history(head)
}

/// A line has a timeline, a blank and an LSN, or the name of a segment before PostgreSQL 9.3.
fn is_history(head: &[u8]) -> bool {
    let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(([b'\t' | b' '], rest)) = head[digits..].split_at_checked(1) else { return false };
    let hex = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_position = hex > 0 && rest.get(hex) == Some(&b'/');
    let is_segment = hex == 24 && matches!(rest.get(hex), Some(b'\t' | b' '));
    digits > 0 && (is_position || is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first page of a segment of PostgreSQL 15.
    pub(crate) const SEGMENT: &[u8; HEAD_BYTES] =
        b"\x10\xd1\x07\0\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\
          \x4d\x0b\x6b\x5a\x1c\x3d\x02\x6b\0\0\0\x01\0\x20\0\0";

    const OLD_HISTORY: &[u8] = b"4294967295\t000000010000000000000005\tno recovery target specified";

    #[test]
    fn what_postgresql_writes_is_plain() {
        let mut big_endian = *SEGMENT;
        for (at, len) in [(0, 2), (2, 2), (32, 4), (36, 4)] {
            big_endian[at..at + len].reverse();
        }
        let label = b"START WAL LOCATION: 0/2000028 (file 000000010000000000000002)";
        for head in
            [&SEGMENT[..], &big_endian, label, b"1\t0/3005CF0\tbefore", b"12 A/0\tx", OLD_HISTORY, b""]
        {
            assert!(is_plain(head), "{head:x?}");
        }
    }

    #[test]
    fn the_first_page_tells_cluster_and_size() {
        let header = SegmentHeader::parse(SEGMENT).unwrap();
        assert_eq!((header.system_id, header.segment_size.bytes()), (0x6b02_3d1c_5a6b_0b4d, 16 << 20));
    }

    #[test]
    fn anything_else_is_not() {
        let mut other_size = *SEGMENT;
        other_size[33] = 1;
        for head in [
            &SEGMENT[..39],
            &other_size,
            &OLD_HISTORY[..34],
            b"1\t00000001000000000000005\tshort",
            b"Salted__ABCDEFGH",
            b"1",
            b"1\t",
            b"1\t0",
            b"\t0/0",
            b"\x16\xd1",
        ] {
            assert!(!is_plain(head), "{head:x?}");
        }
    }
}
