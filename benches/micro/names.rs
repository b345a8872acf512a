//! Names and positions in the log: text to value and back, and arithmetic on them.

use barman::types::{Lsn, SegmentRange, SegmentSize, Timeline, WalName, WalSegment};
use barman::wal::XlogDbEntry;
use divan::{Bencher, black_box};

const SEGMENT: &str = "0000000A000000FF000000FE";
const LINE: &str = "0000000A000000FF000000FE\t5242880\t1767225660.1234567\tgzip\tNone";

#[divan::bench(args = [SEGMENT, "0000000A000000FF000000FE.00000028.backup", "0000000A.history"])]
fn parse_wal_name(text: &str) -> WalName {
    text.parse().unwrap()
}

#[divan::bench]
fn format_wal_name(bencher: Bencher<'_, '_>) {
    let name: WalName = SEGMENT.parse().unwrap();
    bencher.bench(|| black_box(name).to_string());
}

#[divan::bench]
fn parse_lsn() -> Lsn {
    black_box("FF/FE000028").parse().unwrap()
}

#[divan::bench]
fn format_lsn(bencher: Bencher<'_, '_>) {
    let lsn: Lsn = "FF/FE000028".parse().unwrap();
    bencher.bench(|| black_box(lsn).to_string());
}

#[divan::bench]
fn parse_xlogdb_line() -> XlogDbEntry {
    black_box(LINE).parse().unwrap()
}

#[divan::bench]
fn format_xlogdb_line(bencher: Bencher<'_, '_>) {
    let entry: XlogDbEntry = LINE.parse().unwrap();
    bencher.bench(|| black_box(&entry).to_string());
}

#[divan::bench]
fn segment_of_lsn(bencher: Bencher<'_, '_>) {
    let lsn: Lsn = "FF/FE000028".parse().unwrap();
    bencher.bench(|| WalSegment::containing(black_box(lsn), Timeline::FIRST, SegmentSize::DEFAULT));
}

/// From one segment to another, as a restore counts what it needs.
#[divan::bench(args = [1_000, 100_000])]
fn walk_range(segments: u64) -> usize {
    let at = |number: u64| {
        let lsn = Lsn::new(number * u64::from(SegmentSize::DEFAULT.bytes()));
        WalSegment::containing(lsn, Timeline::FIRST, SegmentSize::DEFAULT)
    };
    let range = SegmentRange::new(at(1), at(segments), SegmentSize::DEFAULT).unwrap();
    black_box(range).iter().map(black_box).count()
}
