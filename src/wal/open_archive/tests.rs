use std::fs as std_fs;

use super::*;
use crate::wal::testkit::{Faults, Yard};

const WALS: [&str; 8] = [
    "0000000100000000000000FE",
    "0000000100000000000000FF",
    "0000000100000000000000FF.00000028.backup",
    "000000010000000100000000",
    "000000010000000100000001",
    "00000002.history",
    "000000020000000100000001",
    "000000020000000100000002",
];

fn name(text: &str) -> WalName {
    text.parse().unwrap()
}

fn yard_with(wals: &[&str]) -> Yard {
    let yard = Yard::new(None);
    wals.iter().for_each(|wal| yard.arrive(wal, wal));
    yard.run().unwrap();
    yard
}

fn latest(yard: &Yard) -> Vec<String> {
    let archive = yard.archive();
    let latest = archive.open().unwrap().latest_segments().unwrap();
    latest.iter().map(ToString::to_string).collect()
}

#[test]
fn sums_and_ends_of_a_range_of_segments() {
    let yard = yard_with(&WALS);
    let archive = yard.archive();
    let mut open = archive.open().unwrap();
    let range = || name(WALS[1])..=name(WALS[4]);
    let totals = open.totals(range()).unwrap();
    assert_eq!(totals.segments, Tally { files: 3, bytes: 72 });
    assert_eq!((totals.backup_labels.files, totals.all().files), (1, 4));
    assert_eq!(open.first_segment(range()).unwrap().unwrap().name, WALS[1]);
    assert_eq!(open.last_segment(range()).unwrap().unwrap().name, WALS[4]);
    assert_eq!(open.last_segment(..).unwrap().unwrap().name, WALS[7]);
    assert_eq!(open.first_segment(name(WALS[5])..=name(WALS[5])).unwrap(), None);
    let names: Vec<String> =
        open.entries(name(WALS[4])..).unwrap().map(|entry| entry.unwrap().name).collect();
    assert_eq!(names, WALS[4..]);
}

#[test]
fn the_latest_segment_of_a_timeline_is_one_whose_file_is_there() {
    let yard = yard_with(&WALS);
    assert_eq!(latest(&yard), [WALS[4], WALS[7]]);
    std_fs::remove_file(yard.path("wals/0000000200000001").join(WALS[7])).unwrap();
    std_fs::remove_dir_all(yard.path("wals/0000000100000001")).unwrap();
    assert_eq!(latest(&yard), [WALS[1], WALS[6]]);
    std_fs::write(yard.path("wals/0000000200000001/000000020000000100000009"), "no line").unwrap();
    assert_eq!(latest(&yard), [WALS[1], "000000020000000100000009"]);
}

#[test]
fn only_what_is_condemned_is_removed() {
    let yard = yard_with(&WALS);
    std_fs::write(yard.path("wals/0000000100000001/stays"), "").unwrap();
    let archive = yard.archive();
    let removed = archive.open().unwrap().remove(|wal, _| wal < name("00000002.history")).unwrap();
    assert_eq!(removed.names.iter().map(ToString::to_string).collect::<Vec<_>>(), WALS[..5]);
    assert_eq!((removed.tally.files, removed.failed.len()), (5, 0));
    assert_eq!(yard.listed(), WALS[5..]);
    assert_eq!(
        yard.names("wals"),
        ["0000000100000001", "00000002.history", "0000000200000001", "main-xlog.db", "main-xlog.db.idx"]
    );
}

#[test]
fn a_line_that_names_no_wal_file_is_told_and_dropped_with_the_next_removal() {
    let yard = yard_with(&WALS);
    let list = yard.path("wals/main-xlog.db");
    let text = std_fs::read_to_string(&list).unwrap();
    std_fs::write(&list, format!("stranger\t1\t1.0\tNone\tNone\n{text}")).unwrap();
    let removed = yard.archive().open().unwrap().remove(|_, _| false).unwrap();
    assert_eq!(removed.invalid, ["stranger"]);
    assert_eq!(yard.listed(), WALS);
}

#[test]
fn nothing_to_remove_leaves_the_list_alone() {
    let yard = yard_with(&WALS);
    let before = std_fs::metadata(yard.path("wals/main-xlog.db")).unwrap().modified().unwrap();
    yard.archive().open().unwrap().remove(|_, _| false).unwrap();
    assert_eq!(std_fs::metadata(yard.path("wals/main-xlog.db")).unwrap().modified().unwrap(), before);
}

#[test]
fn a_removal_that_crashes_leaves_too_much_and_the_next_one_ends_it() {
    let is_old = |wal: WalName, _: &XlogDbEntry| wal <= name(WALS[4]);
    let counting = Faults::new(usize::MAX, usize::MAX);
    for step in 0..100 {
        let mut yard = yard_with(&WALS);
        let faults = if step == 0 { counting.clone() } else { Faults::new(step - 1, usize::MAX) };
        yard.context.files = crate::sys::Files::probed(faults);
        let archive = yard.archive();
        let _ = archive.open().and_then(|mut open| open.remove(is_old));
        yard.context.files = crate::sys::Files::default();
        for wal in yard.listed() {
            assert_eq!(yard.archived(&wal).unwrap(), wal.as_bytes(), "step {step}");
        }
        assert_eq!(yard.listed()[yard.listed().len() - 3..], WALS[5..], "step {step}");
        yard.archive().open().unwrap().remove(is_old).unwrap();
        assert_eq!(yard.listed(), WALS[5..], "step {step}");
        if step > counting.seen() {
            return;
        }
    }
    panic!("the removal has more steps than were tried");
}
