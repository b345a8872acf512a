//! Every step of archiving fails in turn, alone or as the last one.

use super::*;
use crate::wal::testkit::Faults;

/// Files of a run that meets all there is: new ones, identical and different duplicates, in two directories.
const ARRIVING: [(&str, &str); 6] = [
    (ONE, "one"),
    (TWO, "two"),
    (THREE, "three"),
    ("000000010000000100000000", "next directory"),
    ("00000002.history", "1\t0/3000000\tno reason\n"),
    ("000000020000000100000000", "next timeline"),
];

fn yard_before_the_fault(compression: Option<Compression>) -> Yard {
    let yard = Yard::new(compression);
    yard.arrive(TWO, "two");
    yard.run().unwrap();
    for (name, content) in ARRIVING {
        yard.arrive(name, content);
    }
    yard.arrive("stranger", "");
    yard
}

/// What must hold at every moment: what is archived has a line; what is not archived is still in `incoming`; what
/// is archived of the new files is a prefix of them.
fn assert_nothing_lost(yard: &Yard, moment: &str) {
    let mut gap = false;
    for (name, content) in ARRIVING {
        let waiting = fs::read(yard.path("incoming").join(name)).ok();
        match yard.archived(name) {
            Some(archived) => {
                assert_eq!(archived, content.as_bytes(), "{name} {moment}");
                assert!(yard.listed().contains(&name.to_owned()), "{name} has no line {moment}");
                assert!(!gap || name == TWO, "{name} came before its predecessor {moment}");
            }
            None => {
                gap = true;
                assert_eq!(waiting.as_deref(), Some(content.as_bytes()), "{name} is lost {moment}");
            }
        }
    }
}

fn assert_complete(yard: &Yard, moment: &str) {
    assert_nothing_lost(yard, moment);
    let mut listed = yard.listed();
    listed.sort();
    let mut expected: Vec<&str> = ARRIVING.iter().map(|(name, _)| *name).collect();
    expected.sort();
    assert_eq!(listed, expected, "{moment}");
    assert!(yard.names("incoming").is_empty(), "{moment}");
    let totals = yard.archive().open().unwrap().totals(..).unwrap();
    assert_eq!((totals.segments.files, totals.histories.files), (5, 1), "{moment}");
    let leftovers = |dir: &str| {
        let entries = fs::read_dir(yard.path(dir)).unwrap();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "tmp"))
            .count()
    };
    assert_eq!(leftovers(HASH_DIR) + leftovers("wals"), 0, "{moment}");
}

/// Lets a run fail at every step it has, in turn, and the next one finish the work.
fn enumerate_faults(compression: Option<Compression>, last: impl Fn(usize) -> usize) {
    let counting = Faults::new(usize::MAX, usize::MAX);
    let mut yard = yard_before_the_fault(compression);
    yard.run_with(counting.clone()).unwrap();
    assert_complete(&yard, "without a fault");
    assert!(counting.seen() > 40);
    for step in 0..counting.seen() {
        let moment = format!("with a fault at step {step}, compression {compression:?}");
        let mut yard = yard_before_the_fault(compression);
        let _ = yard.run_with(Faults::new(step, last(step)));
        assert_nothing_lost(&yard, &moment);
        yard.run().unwrap_or_else(|error| panic!("{error} {moment}"));
        assert_complete(&yard, &moment);
    }
}

#[test]
fn a_crash_at_any_step_loses_nothing_and_the_next_run_ends_the_work() {
    enumerate_faults(None, |_| usize::MAX);
    enumerate_faults(Some(Compression::Gzip), |_| usize::MAX);
}

#[test]
fn any_single_step_may_fail_and_the_next_run_ends_the_work() {
    enumerate_faults(None, |step| step);
    enumerate_faults(Some(Compression::Gzip), |step| step);
}

#[test]
fn a_crash_while_a_beginning_is_replaced_leaves_the_whole_in_one_place() {
    let yard_before = || {
        let yard = Yard::new(None);
        yard.python_archives_the_beginning(ONE, &segment(1)[..1 << 19], None);
        yard.run().unwrap();
        yard.arrive(ONE, segment(1));
        yard
    };
    let counting = Faults::new(usize::MAX, usize::MAX);
    assert_eq!(yard_before().run_with(counting.clone()).unwrap().completed, 1);
    for step in 0..counting.seen() {
        for last in [step, usize::MAX] {
            let mut yard = yard_before();
            let _ = yard.run_with(Faults::new(step, last));
            let is_waiting = yard.names("incoming") == [ONE];
            assert!(is_waiting || yard.archived(ONE).unwrap() == segment(1), "lost at step {step}");
            yard.run().unwrap();
            assert!(yard.archived(ONE).unwrap() == segment(1), "step {step}");
            assert_eq!((yard.lines().len(), yard.names("incoming").len()), (1, 0), "step {step}");
            assert!(yard.lines()[0].starts_with(&format!("{ONE}\t{}\t", 1 << 20)), "step {step}");
        }
    }
}
