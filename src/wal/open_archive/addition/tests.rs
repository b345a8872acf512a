use std::fs;

use super::*;
use crate::codec::Compression;
use crate::wal::testkit::{Faults, Yard};

const WALS: [&str; 4] =
    ["000000010000000000000002", "000000010000000000000003", "000000010000000000000007", "00000002.history"];

/// An archive that has the first and the last of the files.
fn yard() -> Yard {
    let yard = Yard::new(Some(Compression::Gzip));
    [WALS[0], WALS[3]].into_iter().for_each(|wal| yard.arrive(wal, wal));
    yard.run().unwrap();
    yard
}

fn addition(yard: &Yard, wal: &str, content: &str) -> Addition {
    let (name, file) = (wal.parse().unwrap(), yard.path(wal));
    fs::write(&file, content).unwrap();
    let entry = XlogDbEntry {
        name: wal.into(),
        size: content.len() as u64,
        time: 1.5,
        compression: None,
        encryption: None,
    };
    Addition { name, file, entry }
}

#[test]
fn files_come_with_their_own_lines_each_in_its_place() {
    let yard = yard();
    let additions = [addition(&yard, WALS[1], "three"), addition(&yard, WALS[2], "seven")];
    yard.archive().open().unwrap().add(&additions).unwrap();
    assert_eq!(yard.listed(), WALS);
    assert_eq!(yard.lines()[1], format!("{}\t5\t1.5\tNone\tNone", WALS[1]));
    assert_eq!(yard.archived(WALS[2]).unwrap(), b"seven");
    assert_eq!(yard.archive().open().unwrap().totals(..).unwrap().all().files, 4);
}

#[test]
fn the_same_content_is_the_same_file_however_it_is_compressed() {
    let yard = yard();
    let compare = |wal: &str, content: &str| yard.archive().compare(&addition(&yard, wal, content)).unwrap();
    assert_eq!(compare(WALS[0], WALS[0]), Present::Same);
    assert_eq!(compare(WALS[0], "something else"), Present::Different);
    assert_eq!(compare(WALS[1], "three"), Present::Absent);
}

#[test]
fn after_a_crash_anywhere_the_files_can_be_added_again() {
    for step in 0.. {
        let mut yard = yard();
        let additions = [addition(&yard, WALS[1], "three"), addition(&yard, WALS[2], "seven")];
        let faults = Faults::new(step, usize::MAX);
        let sound = std::mem::replace(&mut yard.context.files, crate::sys::Files::probed(faults));
        let done = yard.archive().open().and_then(|mut open| open.add(&additions)).is_ok();
        yard.context.files = sound;
        for addition in additions {
            match yard.archive().compare(&addition).unwrap_or(Present::Same) {
                Present::Absent => yard.archive().open().unwrap().add(&[addition]).unwrap(),
                present => assert_eq!(present, Present::Same, "step {step}"),
            }
        }
        assert_eq!(yard.listed(), WALS, "step {step}");
        assert_eq!(yard.names("wals/0000000100000000"), WALS[..3], "step {step}");
        if done {
            return;
        }
    }
}
