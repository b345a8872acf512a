use std::fs;

use super::*;
use crate::wal::archive_incoming;
use crate::wal::testkit::Yard;

const WALS: [&str; 3] = ["0000000100000000000000A1", "0000000100000000000000A2", "0000000100000000000000A3"];

/// Writes down what it is asked and told, and refuses one file.
struct Notes<'a> {
    yard: &'a Yard,
    refused: Option<&'a str>,
    lines: Vec<String>,
}

impl<'a> Notes<'a> {
    fn new(yard: &'a Yard, refused: Option<&'a str>) -> Self {
        Self { yard, refused, lines: Vec::new() }
    }

    fn note(&mut self, what: &str, file: &PassingFile<'_>) {
        // The lock is free: this would wait for ever otherwise.
        self.yard.archive().open().unwrap();
        let place = file.path.strip_prefix(self.yard.dir.path()).unwrap().components().next().unwrap();
        let place = place.as_os_str().to_str().unwrap();
        let there = if file.path.exists() { "" } else { " (not there)" };
        self.lines.push(format!("{what} {} in {place}{there}", &file.entry.name[22..]));
    }
}

impl Attendant for Notes<'_> {
    fn before(&mut self, file: &PassingFile<'_>) -> Result<(), Error> {
        self.note("before", file);
        match self.refused == Some(file.entry.name.as_str()) {
            true => Err(Error::Stopped { name: file.entry.name.clone(), reason: "no".into() }),
            false => Ok(()),
        }
    }

    fn after(&mut self, file: &PassingFile<'_>, outcome: Outcome<'_>) {
        let what = match outcome {
            Outcome::Failed(error) => format!("failed ({error})"),
            other => format!("{other:?}").to_lowercase(),
        };
        self.note(&what, file);
    }
}

/// Archives what has arrived; what was asked and told.
fn archive(yard: &Yard, refused: Option<&str>) -> (Result<u64, String>, Vec<String>) {
    let mut notes = Notes::new(yard, refused);
    let report =
        archive_incoming(&yard.context, &yard.archive(), &yard.settings, Some(&mut notes), &mut |_| {});
    (report.map(|report| report.archived).map_err(|error| error.to_string()), notes.lines)
}

/// Removes all that is archived; the names that are gone, what stopped it, and what was asked and told.
fn remove_all(yard: &Yard, refused: Option<&str>) -> (Vec<String>, Option<Error>, Vec<String>) {
    let (archive, mut notes, mut gone) = (yard.archive(), Notes::new(yard, refused), Vec::new());
    let tell = |what: Removal| match what {
        Removal::Gone(name) => gone.push(name.to_string()),
        other => panic!("{other:?}"),
    };
    let stopped = archive.open().unwrap().remove_attended(|_| true, &mut notes, tell).unwrap();
    (gone, stopped, notes.lines)
}

fn yard() -> Yard {
    let yard = Yard::new(None);
    for name in WALS {
        yard.arrive(name, name);
    }
    yard
}

#[test]
fn each_file_is_asked_for_before_and_told_of_after_it_is_archived() {
    let yard = yard();
    let (archived, notes) = archive(&yard, None);
    assert_eq!(archived, Ok(3));
    let expected =
        ["A1", "A2", "A3"].map(|end| [format!("before {end} in incoming"), format!("done {end} in wals")]);
    assert_eq!(notes, expected.concat());
}

#[test]
fn a_refused_file_and_those_after_it_are_left_for_the_next_run() {
    let yard = yard();
    let (archived, notes) = archive(&yard, Some(WALS[1]));
    assert_eq!((archived, yard.listed()), (Err("no".to_owned()), vec![WALS[0].to_owned()]));
    assert_eq!(notes[2..], ["before A2 in incoming", "failed (no) A2 in wals (not there)"]);
    assert_eq!(yard.names("incoming"), WALS[1..]);
    assert_eq!(archive(&yard, None).0, Ok(2));
    assert_eq!(yard.listed(), WALS);
}

#[test]
fn files_that_the_archive_has_are_told_apart() {
    let yard = yard();
    archive(&yard, None).0.unwrap();
    yard.arrive(WALS[0], WALS[0]);
    yard.arrive(WALS[1], "other");
    let notes = archive(&yard, None).1;
    assert_eq!([&notes[1], &notes[3]], ["identical A1 in wals", "different A2 in wals"]);
}

#[test]
fn each_file_is_asked_for_before_and_told_of_after_it_is_removed() {
    let yard = yard();
    archive(&yard, None).0.unwrap();
    let (gone, stopped, notes) = remove_all(&yard, None);
    assert_eq!((gone.len(), stopped.is_none(), yard.listed().len()), (3, true, 0));
    assert_eq!(notes[..2], ["before A1 in wals", "done A1 in wals (not there)"]);
    assert!(!yard.path("wals/0000000100000000").exists());
}

#[test]
fn a_refused_file_and_those_after_it_stay_with_their_lines() {
    let yard = yard();
    archive(&yard, None).0.unwrap();
    let (gone, stopped, _) = remove_all(&yard, Some(WALS[1]));
    assert_eq!(gone, WALS[..1]);
    assert!(matches!(stopped, Some(Error::Stopped { .. })));
    assert_eq!(yard.listed(), WALS[1..]);
    assert_eq!(yard.names("wals/0000000100000000"), WALS[1..]);
}

#[test]
fn a_removal_that_was_killed_is_ended_by_the_next_one() {
    let yard = yard();
    archive(&yard, None).0.unwrap();
    fs::remove_file(yard.archive().path_of(WALS[0].parse().unwrap())).unwrap();
    assert_eq!(remove_all(&yard, None).0.len(), 3);
    assert!(yard.listed().is_empty());
}
