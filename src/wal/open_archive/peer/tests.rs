use std::fs;

use super::*;
use crate::wal::testkit::{Faults, Yard};

const WALS: [&str; 4] =
    ["000000010000000000000002", "000000010000000000000003", "000000010000000000000004", "00000002.history"];

/// A line of another node's list, and the file that came of it.
fn came(yard: &Yard, wal: &str) -> Addition {
    let (name, file) = (wal.parse().unwrap(), yard.path(wal));
    fs::write(&file, wal).unwrap();
    let size = wal.len() as u64;
    let entry = XlogDbEntry { name: wal.into(), size, time: 1.5, compression: None, encryption: None };
    Addition { name, file, entry }
}

fn take(yard: &Yard, wals: &[&str]) -> Result<(), Error> {
    let additions: Vec<Addition> = wals.iter().map(|wal| came(yard, wal)).collect();
    yard.archive().open()?.take_over(&additions)
}

fn all_are_whole(yard: &Yard) -> bool {
    yard.listed().iter().all(|wal| yard.archived(wal).is_none_or(|content| content == wal.as_bytes()))
}

#[test]
fn files_of_another_node_come_behind_those_that_are_here_and_late_ones_in_between() {
    let yard = Yard::new(None);
    take(&yard, &WALS[..2]).unwrap();
    take(&yard, &WALS[3..]).unwrap();
    take(&yard, &WALS[2..3]).unwrap();
    assert_eq!(yard.listed(), WALS);
    assert!(all_are_whole(&yard));
    assert_eq!(yard.archived(WALS[2]).unwrap(), WALS[2].as_bytes());
}

#[test]
fn the_beginning_of_a_file_makes_way_for_the_whole() {
    let yard = Yard::new(None);
    take(&yard, &WALS[..3]).unwrap();
    let path = yard.archive().path_of(WALS[1].parse().unwrap());
    let archive = yard.archive();
    for (content, can_take) in [("0000", true), (WALS[1], true), ("1111", false), (WALS[2], false)] {
        fs::write(&path, content).unwrap();
        assert_eq!(archive.can_take(&came(&yard, WALS[1])).unwrap(), can_take, "{content}");
    }
    assert!(archive.can_take(&came(&yard, WALS[3])).unwrap());
    fs::write(&path, "0000").unwrap();
    let absent = || {
        let told = WALS.iter().map(|wal| (wal.parse().unwrap(), came(&yard, wal).entry)).collect();
        let absent = archive.open().unwrap().absent(told).unwrap();
        absent.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(absent(), [WALS[1], WALS[3]]);
    take(&yard, &WALS[1..2]).unwrap();
    assert_eq!(absent(), WALS[3..]);
    assert_eq!(yard.listed(), WALS[..3]);
}

#[test]
fn after_a_crash_anywhere_files_are_whole_and_are_taken_again() {
    for step in 0.. {
        let mut yard = Yard::new(None);
        take(&yard, &WALS[..1]).unwrap();
        let additions: Vec<Addition> = WALS[1..].iter().map(|wal| came(&yard, wal)).collect();
        let faults = Faults::new(step, usize::MAX);
        let sound = std::mem::replace(&mut yard.context.files, crate::sys::Files::probed(faults));
        let done = yard.archive().open().and_then(|mut open| open.take_over(&additions)).is_ok();
        yard.context.files = sound;
        assert!(all_are_whole(&yard), "step {step}");
        assert!(yard.archived(WALS[0]).is_some(), "step {step}");
        take(&yard, &WALS[1..]).unwrap();
        assert_eq!(yard.listed(), WALS, "step {step}");
        assert!(WALS.iter().all(|wal| yard.archived(wal).is_some()), "step {step}");
        if done {
            return;
        }
    }
}

#[test]
fn a_position_counts_when_the_line_of_the_name_starts_there() {
    let yard = Yard::new(None);
    take(&yard, &WALS).unwrap();
    let archive = yard.archive();
    let mut open = archive.open().unwrap();
    let line = u64::try_from(yard.lines()[0].len()).unwrap() + 1;
    let mut behind = |name: &str, position: u64, limit: u64| {
        let lines = open.lines_behind(name, position, limit).unwrap();
        lines.map(|lines| lines.into_iter().map(|line| line.name).collect::<Vec<_>>())
    };
    assert_eq!(behind(WALS[1], line, 1000).unwrap(), WALS[2..]);
    assert_eq!(behind(WALS[0], 0, 1000).unwrap(), WALS[1..]);
    assert_eq!(behind(WALS[3], 3 * line, 1000).unwrap(), [""; 0]);
    for (name, position, limit) in
        [(WALS[1], line + 1, 1000), (WALS[2], line, 1000), (WALS[0], 9000, 1000), (WALS[0], 0, 10)]
    {
        assert_eq!(behind(name, position, limit), None, "{name} {position}");
    }
}

#[test]
fn the_ends_of_a_list_are_known_and_pages_follow_one_another() {
    let yard = Yard::new(None);
    assert_eq!(yard.archive().open().unwrap().extent().unwrap(), None);
    take(&yard, &WALS).unwrap();
    // A file that came late stands at the end.
    let xlogdb = yard.path("wals/main-xlog.db");
    let late = "000000010000000000000002.partial\t1\t1.5\tNone\tNone\n";
    let position = fs::metadata(&xlogdb).unwrap().len();
    fs::write(&xlogdb, fs::read_to_string(&xlogdb).unwrap() + late).unwrap();
    let archive = yard.archive();
    let mut open = archive.open().unwrap();
    let extent = open.extent().unwrap().unwrap();
    assert_eq!((extent.first.as_str(), extent.greatest.as_str()), (WALS[0], WALS[3]));
    assert_eq!((extent.last.as_str(), extent.last_position), ("000000010000000000000002.partial", position));
    let mut page = |start: PageStart<'_>| {
        let lines = open.page(start, &extent.greatest, 2).unwrap();
        lines.into_iter().map(|line| line.name).collect::<Vec<_>>()
    };
    assert_eq!(page(PageStart::From(WALS[0])), [WALS[0], "000000010000000000000002.partial"]);
    assert_eq!(page(PageStart::After("000000010000000000000002.partial")), WALS[1..3]);
    assert_eq!(page(PageStart::After(WALS[2])), WALS[3..]);
}
