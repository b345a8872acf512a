use std::fs as std_fs;
use std::ops::RangeBounds;

use proptest::prelude::*;

use super::*;
use crate::types::{Lsn, SegmentSize, Timeline, WalSegment};

fn open(path: &Path) -> Catalogue {
    Catalogue::open(&Files::default(), "main", path).unwrap()
}

fn name(text: &str) -> WalName {
    text.parse().unwrap()
}

fn entry<N: ToString + ?Sized>(name: &N, size: u64) -> XlogDbEntry {
    let time = 1_767_225_660.5;
    XlogDbEntry { name: name.to_string(), size, time, compression: Some("gzip".into()), encryption: None }
}

fn segment(timeline: u32, number: u64) -> WalSegment {
    let size = SegmentSize::new(1 << 30).unwrap();
    WalSegment::containing(Lsn::new(number << 30), Timeline::new(timeline).unwrap(), size)
}

/// A catalogue whose answers come from looking at every line.
struct Naive(Vec<XlogDbEntry>);

impl Naive {
    fn entries(&self, range: &NameRange) -> Vec<XlogDbEntry> {
        let mut found: Vec<_> = self.0.iter().filter(|entry| range.contains(&entry.name)).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn totals(&self, range: &NameRange) -> Totals {
        let mut totals = Totals::default();
        self.entries(range).iter().for_each(|entry| totals.count(&entry.name, entry.size));
        totals
    }

    fn last_segment(&self, range: &NameRange) -> Option<String> {
        let is_segment = |entry: &XlogDbEntry| matches!(entry.wal_name(), Some(WalName::Segment(_)));
        self.entries(range).into_iter().rfind(is_segment).map(|entry| entry.name)
    }
}

fn assert_same_answers(catalogue: &mut Catalogue, naive: &Naive, range: &impl RangeBounds<WalName>) {
    let range = NameRange::new(range);
    assert_eq!(catalogue.totals(&range).unwrap(), naive.totals(&range), "{range:?}");
    let last = catalogue.last_segment(&range).unwrap().map(|entry| entry.name);
    assert_eq!(last, naive.last_segment(&range), "{range:?}");
    // Two lines of one name come in any order.
    let sorted = |entries: Vec<XlogDbEntry>| {
        let mut lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
        assert!(entries.is_sorted_by(|a, b| a.name <= b.name));
        lines.sort();
        lines
    };
    let found = catalogue.entries(range.clone()).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(sorted(found), sorted(naive.entries(&range)), "{range:?}");
}

fn any_name() -> impl Strategy<Value = String> {
    let any_segment = || (1_u32..4, 0_u64..60).prop_map(|(timeline, number)| segment(timeline, number));
    prop_oneof![
        8 => any_segment().prop_map(|s| s.to_string()),
        1 => any_segment().prop_map(|s| format!("{s}.partial")),
        1 => any_segment().prop_map(|s| format!("{s}.00000028.backup")),
        1 => (1_u32..4).prop_map(|t| format!("{t:08X}.history")),
        1 => "[0-9a-zA-Z]{1,30}",
    ]
}

/// Mostly ascending, as archiving makes it, or in any order, as nothing should.
fn any_lines() -> impl Strategy<Value = Vec<XlogDbEntry>> {
    let lines = prop::collection::vec((any_name(), 0_u64..1 << 40), 0..120);
    (lines, 0_usize..4).prop_map(|(mut lines, late)| {
        if late < 3 {
            let mut kept_late = lines.split_off(lines.len() - late.min(lines.len()));
            lines.sort();
            for (i, line) in kept_late.drain(..).enumerate() {
                lines.insert(lines.len() * (i + 1) / 3, line);
            }
        }
        lines.into_iter().map(|(name, size)| entry(&name, size)).collect()
    })
}

proptest! {
    #[test]
    fn the_index_answers_as_reading_every_line_does(
        lines in any_lines(),
        appended in any_lines(),
        ends in prop::collection::vec(any_name().prop_filter_map("WAL", |n| n.parse::<WalName>().ok()), 4),
        reopen: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main-xlog.db");
        std_fs::write(&path, lines.iter().map(|entry| format!("{entry}\n")).collect::<String>()).unwrap();
        let mut catalogue = open(&path);
        for batch in appended.chunks(7) {
            let appended = catalogue.append(batch).unwrap();
            catalogue.keep(&appended, batch.len()).unwrap();
            if reopen {
                catalogue = open(&path);
            }
        }
        let naive = Naive(lines.into_iter().chain(appended).collect());
        assert_same_answers(&mut catalogue, &naive, &..);
        assert_same_answers(&mut catalogue, &naive, &(ends[0]..));
        assert_same_answers(&mut catalogue, &naive, &(..ends[1]));
        assert_same_answers(&mut catalogue, &naive, &(ends[2]..=ends[3]));
        assert_same_answers(&mut catalogue, &naive, &(ends[2]..=ends[2]));
    }
}

/// A catalogue of `count` ascending segments of one byte each.
fn ascending(dir: &Path, count: u64) -> PathBuf {
    let path = dir.join("main-xlog.db");
    let lines: String = (0..count).map(|number| format!("{}\n", entry(&segment(1, number), 1))).collect();
    std_fs::write(&path, lines).unwrap();
    path
}

fn count(path: &Path) -> u64 {
    open(path).totals(&NameRange::new(&..)).unwrap().segments.files
}

#[test]
fn what_another_program_writes_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = ascending(dir.path(), 50);
    assert_eq!(count(&path), 50);
    let text = std_fs::read_to_string(&path).unwrap();
    std_fs::write(&path, format!("{text}{}\n", entry(&segment(1, 50), 1))).unwrap();
    assert_eq!(count(&path), 51);
    std_fs::write(&path, text.lines().take(20).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert_eq!(count(&path), 20);
}

#[test]
fn a_saved_index_is_used_and_a_damaged_one_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = ascending(dir.path(), 50);
    assert_eq!(count(&path), 50);
    let index = dir.path().join("main-xlog.db.idx");
    let good = std_fs::read(&index).unwrap();
    let made = std_fs::metadata(&index).unwrap().modified().unwrap();
    assert_eq!(count(&path), 50);
    assert_eq!(std_fs::metadata(&index).unwrap().modified().unwrap(), made);
    for position in (0..good.len()).step_by(97) {
        let mut damaged = good.clone();
        damaged[position] ^= 0xFF;
        std_fs::write(&index, damaged).unwrap();
        let range = name("000000010000000000000002")..=name("000000010000000900000001");
        let totals = open(&path).totals(&NameRange::new(&range)).unwrap();
        assert_eq!(totals.segments.files, 36, "damaged at {position}");
    }
    std_fs::write(&index, &good[..good.len() / 2]).unwrap();
    assert_eq!(count(&path), 50);
}

#[test]
fn a_line_that_is_none_is_named_and_does_not_stop_archiving() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main-xlog.db");
    std_fs::write(&path, format!("{}\nnonsense\n", entry(&segment(1, 1), 1))).unwrap();
    for _ in 0..2 {
        let error = open(&path).ensure_readable().unwrap_err();
        let expected = format!("server 'main': cannot parse line 2 of '{}': 'nonsense'", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().unwrap().contains("barman rebuild-xlogdb main"));
    }
    let mut catalogue = open(&path);
    let appended = catalogue.append(&[entry(&segment(1, 2), 1)]).unwrap();
    catalogue.keep(&appended, 1).unwrap();
    assert_eq!(open(&path).find(WalName::Segment(segment(1, 2))).unwrap(), Some(entry(&segment(1, 2), 1)));
}

#[test]
fn lines_not_kept_are_gone_from_file_and_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = ascending(dir.path(), 3);
    let mut catalogue = open(&path);
    let appended = catalogue.append(&[3, 4, 5].map(|number| entry(&segment(1, number), 1))).unwrap();
    catalogue.keep(&appended, 1).unwrap();
    assert_eq!((count(&path), std_fs::read_to_string(&path).unwrap().lines().count()), (4, 4));
}

#[test]
fn rewriting_keeps_the_other_lines_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main-xlog.db");
    let old = "000000010000000000000001 16 1.5\nnonsense\n000000010000000000000002\t1\t1.0\tgzip\tNone\n";
    std_fs::write(&path, old).unwrap();
    open(&path).rewrite(|line| !line.name.ends_with('2')).unwrap();
    assert_eq!(std_fs::read_to_string(&path).unwrap(), "000000010000000000000001 16 1.5\nnonsense\n");
    assert_eq!(count(&path), 1);
}
