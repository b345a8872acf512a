//! What PostgreSQL's own files begin with: the page header of a segment (`access/xlog_internal.h`), a line of a
//! history, the first words of a backup label.

use crate::types::SegmentSize;

/// Bytes of the header of a segment's first page.
pub const HEAD_BYTES: usize = 40;

/// The flag of a page header that is followed by the facts of the whole segment.
const LONG_HEADER: u16 = 0x0002;

/// Whether a file that begins with `head` is a segment, a label or a history as PostgreSQL writes them.
pub(super) fn is_plain(head: &[u8]) -> bool {
    head.is_empty()
        || segment_size(head).is_some()
        || head.starts_with(b"START WAL LOCATION: ")
        || is_history(head)
}

/// The size that a segment says it has: its first page tells that and the size of a page, in the byte order of the
/// machine. `None` when `head` is not the beginning of a segment as PostgreSQL writes it.
pub fn segment_size(head: &[u8]) -> Option<SegmentSize> {
    let header = head.first_chunk::<HEAD_BYTES>()?;
    let size_in = |short: fn([u8; 2]) -> u16, long: fn([u8; 4]) -> u32| {
        let short = |at: usize| short([header[at], header[at + 1]]);
        let long = |at: usize| long([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let page_size = long(36);
        let is_header = (0xd000..0xd200).contains(&short(0))
            && short(2) & LONG_HEADER != 0
            && page_size.is_power_of_two()
            && (1 << 10..=1 << 16).contains(&page_size);
        SegmentSize::new(u64::from(long(32))).ok().filter(|_| is_header)
    };
    size_in(u16::from_le_bytes, u32::from_le_bytes)
        .or_else(|| size_in(u16::from_be_bytes, u32::from_be_bytes))
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
    fn a_segment_tells_its_size() {
        let mut of_64_mib = *SEGMENT;
        of_64_mib[35] = 4;
        let sizes = [&SEGMENT[..], &of_64_mib, &SEGMENT[..39], b"1\t0/3005CF0\tbefore"].map(segment_size);
        assert_eq!(sizes.map(|size| size.map_or(0, |size| size.bytes() >> 20)), [16, 64, 0, 0]);
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
