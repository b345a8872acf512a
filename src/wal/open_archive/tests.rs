use std::fs as std_fs;

use super::*;
use crate::wal::Tally;
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

/// What a removal told, one word for each file: its name, after `!` if it could not be removed, after `?` if it is
/// no WAL file's.
fn remove(yard: &Yard, is_condemned: impl Fn(WalName) -> bool) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    yard.archive().open()?.remove(is_condemned, |what| {
        told.push(match what {
            Removal::Gone(name) => name.to_string(),
            Removal::Failed(name, _) => format!("!{name}"),
            Removal::Invalid(name) => format!("?{name}"),
        });
    })?;
    Ok(told)
}

fn is_old(wal: WalName) -> bool {
    wal <= name(WALS[4])
}

#[test]
fn only_what_is_condemned_is_removed() {
    let yard = yard_with(&WALS);
    std_fs::write(yard.path("wals/0000000100000001/stays"), "").unwrap();
    assert_eq!(remove(&yard, is_old).unwrap(), WALS[..5]);
    assert_eq!(yard.listed(), WALS[5..]);
    assert_eq!(
        yard.names("wals"),
        ["0000000100000001", "00000002.history", "0000000200000001", "main-xlog.db", "main-xlog.db.idx"]
    );
}

#[test]
fn a_directory_of_which_256_files_go_keeps_the_others() {
    let name = |number: u32| format!("0000000100000000{number:08X}");
    let wals: Vec<String> = (0..300).map(name).collect();
    let yard = yard_with(&wals.iter().map(String::as_str).collect::<Vec<_>>());
    let removed = remove(&yard, |wal| wal < wals[256].parse().unwrap()).unwrap();
    assert_eq!(removed, wals[..256]);
    assert_eq!(
        (yard.listed(), yard.names("wals/0000000100000000")),
        (wals[256..].to_vec(), wals[256..].to_vec())
    );
}

#[test]
fn a_line_that_names_no_wal_file_is_told_and_dropped_with_the_next_removal() {
    let yard = yard_with(&WALS);
    let list = yard.path("wals/main-xlog.db");
    let text = std_fs::read_to_string(&list).unwrap();
    std_fs::write(&list, format!("stranger\t1\t1.0\tNone\tNone\n{text}")).unwrap();
    assert_eq!(remove(&yard, |_| false).unwrap(), ["?stranger"]);
    assert_eq!(yard.listed(), WALS);
}

#[test]
fn a_file_that_is_listed_twice_or_lacks_is_told_once() {
    let yard = yard_with(&WALS);
    let list = yard.path("wals/main-xlog.db");
    let text = std_fs::read_to_string(&list).unwrap();
    std_fs::write(&list, text.clone() + &text).unwrap();
    std_fs::remove_file(yard.path("wals/0000000100000000").join(WALS[0])).unwrap();
    assert_eq!(remove(&yard, is_old).unwrap(), WALS[..5]);
    assert_eq!(yard.listed(), [&WALS[5..], &WALS[5..]].concat());
}

#[test]
fn nothing_to_remove_leaves_the_list_alone() {
    let yard = yard_with(&WALS);
    let before = std_fs::metadata(yard.path("wals/main-xlog.db")).unwrap().modified().unwrap();
    assert_eq!(remove(&yard, |_| false).unwrap(), [""; 0]);
    assert_eq!(std_fs::metadata(yard.path("wals/main-xlog.db")).unwrap().modified().unwrap(), before);
}

#[test]
fn a_file_that_an_interrupted_python_left_without_its_line_goes_too() {
    let yard = yard_with(&WALS);
    yard.python_archives_and_is_killed("0000000100000000000000FD");
    assert_eq!(remove(&yard, is_old).unwrap()[0], "0000000100000000000000FD");
    assert_eq!(yard.names("wals/0000000100000000"), [""; 0]);
}

#[test]
fn a_removal_that_crashes_leaves_too_much_and_the_next_one_ends_it() {
    let counting = Faults::new(usize::MAX, usize::MAX);
    for step in 0..100 {
        let mut yard = yard_with(&WALS);
        // Long ago: who looks for files without lines does not look at directories that nobody has touched since.
        for directory in ["0000000100000000", "0000000100000001"] {
            let directory = std_fs::File::open(yard.path("wals").join(directory)).unwrap();
            directory.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        }
        let faults = if step == 0 { counting.clone() } else { Faults::new(step - 1, usize::MAX) };
        yard.context.files = crate::sys::Files::probed(faults);
        let _ = remove(&yard, is_old);
        yard.context.files = crate::sys::Files::default();
        for wal in yard.listed() {
            assert_eq!(yard.archived(&wal).unwrap(), wal.as_bytes(), "step {step}");
        }
        assert_eq!(yard.listed()[yard.listed().len() - 3..], WALS[5..], "step {step}");
        remove(&yard, is_old).unwrap();
        assert_eq!(yard.listed(), WALS[5..], "step {step}");
        let files: Vec<String> = ["0000000100000000", "0000000100000001"]
            .iter()
            .flat_map(|dir| yard.names(&format!("wals/{dir}")))
            .collect();
        assert_eq!(files, [""; 0], "step {step}");
        if step > counting.seen() {
            return;
        }
    }
    panic!("the removal has more steps than were tried");
}

#[test]
fn a_file_that_cannot_be_removed_is_told_and_tried_again() {
    let mut yard = yard_with(&WALS);
    let refusing = yard.path("wals/0000000100000000").join(WALS[1]);
    yard.context.files = crate::sys::Files::probed(RefuseRemoval::of(&refusing));
    assert_eq!(remove(&yard, is_old).unwrap()[1], format!("!{}", WALS[1]));
    assert!(refusing.exists() && yard.listed() == WALS[5..]);
    yard.context.files = crate::sys::Files::default();
    assert_eq!(remove(&yard, is_old).unwrap(), [WALS[1]]);
    assert!(!refusing.exists());
}

/// A file system that will not remove one file.
struct RefuseRemoval(PathBuf);

impl RefuseRemoval {
    fn of(path: &Path) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(path.to_owned()))
    }
}

impl fs::Probe for RefuseRemoval {
    fn before(&self, action: &'static str, path: &Path) -> std::io::Result<()> {
        match action {
            "remove" if path == self.0 => Err(std::io::Error::other("refused")),
            _ => Ok(()),
        }
    }
}
