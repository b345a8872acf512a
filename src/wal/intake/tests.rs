use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::codec::Format;
use crate::wal::names::temporary_of;
use crate::wal::testkit::{Yard, mebibyte, segment};

mod faults;

const ONE: &str = "000000010000000000000001";
const TWO: &str = "000000010000000000000002";
const THREE: &str = "000000010000000000000003";
const HASH_DIR: &str = "wals/0000000100000000";

/// The steps of a run as text.
fn told(yard: &Yard) -> Vec<String> {
    let mut steps = Vec::new();
    let mut tell = |step: Step<'_>| steps.push(format!("{step:?}"));
    archive_incoming(&yard.context, &yard.archive(), &yard.settings, None, &mut tell).unwrap();
    steps
}

#[test]
fn files_are_archived_compressed_with_mode_and_time_of_the_original() {
    let yard = Yard::new(Some(Compression::Pigz));
    for name in [TWO, ONE, "00000002.history"] {
        yard.arrive(name, name.repeat(1000));
    }
    fs::set_permissions(yard.settings.incoming_dir.join(ONE), fs::Permissions::from_mode(0o640)).unwrap();
    let original = fs::metadata(yard.settings.incoming_dir.join(ONE)).unwrap();
    let report = yard.run().unwrap();
    assert_eq!((report.archived, yard.names("incoming").len()), (3, 0));
    assert_eq!(yard.archived(TWO).unwrap(), TWO.repeat(1000).into_bytes());
    let stored = fs::metadata(yard.path(HASH_DIR).join(ONE)).unwrap();
    assert_eq!((stored.mtime_nsec(), stored.mode()), (original.mtime_nsec(), original.mode()));
    assert_eq!(yard.listed(), [ONE, TWO, "00000002.history"]);
    let seconds = original.mtime() as f64 + original.mtime_nsec() as f64 * 1e-9;
    assert_eq!(yard.lines()[0], format!("{ONE}\t{}\t{seconds:?}\tpigz\tNone", stored.len()));
}

#[test]
fn a_run_that_would_do_something_is_not_idle() {
    let yard = Yard::new(None);
    let is_idle = || is_idle(&yard.context, &yard.archive(), &yard.settings).unwrap();
    assert!(!is_idle(), "nothing is known of an archive that was never looked at");
    yard.arrive(ONE, "one");
    yard.run().unwrap();
    assert!(is_idle());
    yard.arrive(".hidden", "");
    yard.arrive("half.tmp", "");
    assert!(is_idle());
    for name in [TWO, "no WAL file"] {
        yard.arrive(name, "two");
        assert!(!is_idle(), "{name}");
        yard.run().unwrap();
        assert!(is_idle(), "{name}");
    }
    yard.python_archives_and_is_killed(THREE);
    assert!(!is_idle());
    yard.run().unwrap();
    assert!(is_idle() && yard.listed() == [ONE, TWO, THREE]);
    let archive = yard.archive();
    let held = archive.open().unwrap();
    assert!(!is_idle(), "somebody may be changing the archive");
    drop(held);
    let xlogdb = File::options().append(true).open(&archive.paths().xlogdb).unwrap();
    (&xlogdb).write_all(b"000000010000000000000004\t1\t1.0\tNone\tNone\n").unwrap();
    assert!(!is_idle(), "another program has written, whatever it did about the lock");
}

#[test]
fn a_file_that_comes_compressed_is_stored_as_it_is_under_its_own_format() {
    let yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, b"\xfd7zXZ\x00 whatever follows");
    yard.run().unwrap();
    assert_eq!(fs::read(yard.path(HASH_DIR).join(ONE)).unwrap(), b"\xfd7zXZ\x00 whatever follows");
    assert!(yard.lines()[0].ends_with("\txz\tNone"));
}

#[test]
fn a_symbolic_link_in_incoming_is_archived_as_the_file_it_points_to() {
    let yard = Yard::new(None);
    fs::write(yard.path("elsewhere"), "content").unwrap();
    symlink(yard.path("elsewhere"), yard.path("incoming").join(ONE)).unwrap();
    yard.run().unwrap();
    assert!(fs::symlink_metadata(yard.path(HASH_DIR).join(ONE)).unwrap().is_file());
    assert_eq!(fs::read(yard.path("elsewhere")).unwrap(), b"content");
}

#[test]
fn duplicates_strangers_and_files_on_their_way_each_find_their_place() {
    let mut yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, "one");
    yard.arrive(TWO, "two");
    yard.run().unwrap();
    yard.settings.compression = None;
    yard.arrive(ONE, "one");
    yard.arrive(TWO, "another");
    yard.arrive(THREE, "three");
    yard.arrive("stranger", "");
    yard.arrive("00000001000000000000000a", "lower case");
    yard.arrive("x.tmp", "");
    yard.arrive(".hidden", "");
    fs::create_dir(yard.path("incoming/000000010000000000000009")).unwrap();
    assert_eq!(
        told(&yard),
        [
            "Found { taken: 3, found: 7 }".to_owned(),
            format!("Identical({:?})", ONE.parse::<WalName>().unwrap()),
            format!("Different({:?})", TWO.parse::<WalName>().unwrap()),
            format!("Archived({:?})", THREE.parse::<WalName>().unwrap()),
            r#"Unknown(["000000010000000000000009", "00000001000000000000000a", "stranger"])"#.to_owned(),
        ]
    );
    assert_eq!(yard.names("incoming"), ["x.tmp"]);
    assert_eq!(yard.listed(), [ONE, TWO, THREE]);
    assert_eq!(yard.archived(TWO).unwrap(), b"two");
    let errors = yard.names("errors").join(" ");
    for part in [&format!("{TWO}.2"), "Z.duplicate", "stranger.2", "Z.unknown"] {
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn nothing_among_the_errors_is_ever_replaced() {
    let yard = Yard::new(None);
    for number in 0..3 {
        yard.arrive("stranger", number.to_string());
        yard.run().unwrap();
    }
    assert_eq!(yard.names("errors").len(), 3);
}

#[test]
fn a_batch_takes_the_oldest_files() {
    let mut yard = Yard::new(None);
    yard.settings.batch_size = NonZeroUsize::new(2);
    for name in [THREE, TWO, ONE, "a.tmp"] {
        yard.arrive(name, name);
    }
    assert_eq!(told(&yard)[0], "Found { taken: 2, found: 4 }");
    assert_eq!(
        (yard.listed(), yard.names("incoming")),
        (vec![ONE.into(), TWO.into()], vec![THREE.to_owned(), "a.tmp".into()])
    );
}

#[test]
fn the_run_stops_before_a_segment_that_is_still_arriving() {
    let mut yard = Yard::new(None);
    yard.settings.segment_size = Some(mebibyte());
    yard.arrive(ONE, "old, and all there will ever be");
    for name in [TWO, THREE] {
        fs::write(yard.path("incoming").join(name), "young").unwrap();
    }
    fs::write(yard.path("incoming/000000010000000000000001.00000028.backup"), "label").unwrap();
    let report = yard.run().unwrap();
    assert_eq!((report.archived, report.arriving.unwrap().to_string()), (2, TWO.to_owned()));
    assert_eq!(yard.names("incoming"), [TWO, THREE]);
    yard.settings.segment_size = None;
    assert_eq!(yard.run().unwrap().archived, 2);
}

#[test]
fn a_segment_tells_itself_that_it_is_still_arriving_or_was_broken_off() {
    let yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, segment(1));
    yard.arrive(THREE, segment(3));
    let (half, partial) = (&segment(2)[..1 << 19], format!("{TWO}.partial"));
    for (name, content) in [(TWO, half), (TWO, b""), (&partial, half)] {
        fs::write(yard.path("incoming").join(name), content).unwrap();
        let report = yard.run().unwrap();
        assert_eq!(report.arriving.unwrap().to_string(), name);
        assert_eq!(yard.listed(), [ONE]);

        yard.arrive(name, content);
        let error = yard.run().unwrap_err();
        let expected = format!("{name}' was broken off on its way: it holds {} bytes, and", content.len());
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(error.hint().unwrap().contains("pg_wal"));
        assert_eq!(
            (yard.listed(), yard.names("incoming")),
            (vec![ONE.to_owned()], vec![name.to_owned(), THREE.to_owned()])
        );
        fs::remove_file(yard.path("incoming").join(name)).unwrap();
    }
    yard.arrive(TWO, segment(2));
    assert_eq!(yard.run().unwrap().archived, 2);
    assert!(yard.archived(TWO).unwrap() == segment(2));
}

#[test]
fn a_whole_segment_replaces_the_beginning_of_it_that_the_archive_has() {
    for format in [None, Some(Format::Gzip)] {
        let yard = Yard::new(None);
        yard.arrive(ONE, segment(1));
        yard.run().unwrap();
        for (name, fill) in [(TWO, 2), (THREE, 3)] {
            yard.python_archives_the_beginning(name, &segment(fill)[..1 << 19], format);
        }
        yard.run().unwrap();
        yard.arrive(TWO, segment(2));
        yard.arrive(THREE, segment(4));
        let [completed, different] = [TWO, THREE].map(|name| name.parse::<WalName>().unwrap());
        assert_eq!(
            told(&yard)[1..],
            [format!("Completed({completed:?})"), format!("Different({different:?})")]
        );
        assert!(yard.archived(TWO).unwrap() == segment(2));
        assert!(yard.archived(THREE).unwrap() == segment(3)[..1 << 19]);
        let mut lines = yard.lines();
        lines.sort();
        assert!(lines[1].starts_with(&format!("{TWO}\t{}\t", 1 << 20)), "{lines:?}");
        assert_eq!((lines.len(), yard.names("incoming").len()), (3, 0));
        // What is whole is never replaced.
        yard.arrive(TWO, segment(5));
        assert_eq!(yard.run().unwrap().different, 1);
    }
}

#[test]
fn a_clock_that_is_ahead_holds_nothing_up() {
    let mut yard = Yard::new(None);
    yard.settings.segment_size = Some(mebibyte());
    yard.arrive(ONE, "short");
    let file = File::options().write(true).open(yard.path("incoming").join(ONE)).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_hours(1)).unwrap();
    assert_eq!(yard.run().unwrap().archived, 1);
}

#[test]
fn a_compression_without_its_filter_is_refused_before_anything_is_touched() {
    let mut yard = Yard::new(Some(Compression::Custom));
    yard.custom.compression_filter = Some("rev".into());
    yard.arrive(ONE, "one");
    let error = yard.run().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "compression 'custom' needs 'custom_decompression_filter', which is not set");
    assert!(error.hint().unwrap().starts_with("Set 'custom_decompression_filter'"));
    assert!(!yard.path("wals").exists());
}

/// A yard whose WAL goes through filters of the user's that mark nothing.
fn filtering() -> Yard {
    let mut yard = Yard::new(Some(Compression::Custom));
    yard.custom.compression_filter = Some("printf X; cat".into());
    yard.custom.decompression_filter = Some("tail -c +2".into());
    yard.custom.is_in_use = true;
    yard
}

#[test]
fn duplicates_are_known_in_an_archive_that_has_seen_every_compression() {
    let mut yard = filtering();
    let names: Vec<String> = (1..=12).map(|n| format!("0000000100000000{n:08X}")).collect();
    let compressions = Compression::ALL.map(Some).into_iter().chain([None, Some(Compression::Gzip)]);
    for (name, compression) in names.iter().zip(compressions) {
        yard.settings.compression = compression;
        yard.custom.is_in_use = compression == Some(Compression::Custom);
        yard.arrive(name, format!("1\t0/3000148\tcontent of {name}").to_lowercase());
        yard.run().unwrap();
    }
    let labels: Vec<String> =
        yard.lines().iter().map(|line| line.split('\t').nth(3).unwrap().into()).collect();
    assert_eq!(labels[..10], Compression::ALL.map(|compression| compression.to_string()));
    assert_eq!(labels[10..], ["None", "gzip"]);
    for name in &names {
        yard.arrive(name, format!("1\t0/3000148\tcontent of {name}").to_lowercase());
    }
    let report = yard.run().unwrap();
    assert_eq!((report.identical, report.different, report.archived), (12, 0, 0));
    names.iter().for_each(|name| yard.arrive(name, "1\t0/3000148\tother content"));
    assert_eq!(yard.run().unwrap().different, 12);
}

#[test]
fn a_filter_that_fails_stops_archiving_and_leaves_nothing_but_the_source() {
    let mut yard = filtering();
    yard.custom.compression_filter = Some("cat; echo no room >&2; exit 3".into());
    yard.arrive(ONE, "one");
    let error = yard.run().unwrap_err();
    assert!(matches!(&error, Error::Compress { path, .. } if path.ends_with(ONE)), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.ends_with("ended with exit code 3: no room"), "{source}");
    assert_eq!((yard.names("incoming"), yard.names(HASH_DIR)), (vec![ONE.to_owned()], vec![]));
    assert_eq!(fs::read_dir(yard.path(HASH_DIR)).unwrap().count(), 0);
    assert!(yard.lines().is_empty());
}

#[test]
fn an_archived_file_that_is_encrypted_counts_as_another_one() {
    let yard = Yard::new(Some(Compression::Gzip));
    let path = yard.archive().path_of(ONE.parse().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"\x85\x01\x0c\x03 a message of gpg").unwrap();
    yard.arrive(ONE, "one");
    assert_eq!(yard.run().unwrap().different, 1);
    assert_eq!(fs::read(path).unwrap(), b"\x85\x01\x0c\x03 a message of gpg");
}

#[test]
fn more_files_than_a_wave_takes_come_in_order() {
    let yard = Yard::new(Some(Compression::Gzip));
    let names: Vec<String> = (0..300).map(|n| format!("0000000100000000{n:08X}")).collect();
    names.iter().for_each(|name| yard.arrive(name, name));
    assert_eq!(yard.run().unwrap().archived, 300);
    assert_eq!(yard.listed(), names);
}

// What other crashes than our own, and our own, have left.

#[test]
fn a_line_without_its_file_is_not_written_twice() {
    let yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, "one");
    yard.run().unwrap();
    let content = yard.archived(ONE).unwrap();
    let modified = fs::metadata(yard.path(HASH_DIR).join(ONE)).unwrap().modified().unwrap();
    fs::remove_file(yard.path(HASH_DIR).join(ONE)).unwrap();
    yard.arrive(ONE, content);
    let source = File::options().write(true).open(yard.path("incoming").join(ONE)).unwrap();
    source.set_modified(modified).unwrap();
    yard.arrive(TWO, "two");
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE, TWO]);
}

#[test]
fn a_line_that_settings_have_made_wrong_is_replaced() {
    let mut yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, "one");
    yard.run().unwrap();
    fs::remove_file(yard.path(HASH_DIR).join(ONE)).unwrap();
    yard.settings.compression = None;
    yard.arrive(ONE, "one");
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE]);
    assert!(yard.lines()[0].ends_with("\tNone\tNone"), "{:?}", yard.lines());
}

#[test]
fn a_file_without_its_line_is_listed_whether_its_source_is_there_or_not() {
    let yard = Yard::new(Some(Compression::Gzip));
    for name in [ONE, TWO] {
        yard.arrive(name, name);
    }
    yard.run().unwrap();
    yard.python_archives_and_is_killed("00000002.history");
    yard.arrive("00000002.history", "Python was killed here");
    yard.arrive(THREE, THREE);
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE, TWO, "00000002.history", THREE]);
    assert!(yard.names("incoming").is_empty());
}

#[test]
fn a_file_without_its_line_is_found_wherever_it_is() {
    let (last, before_last) = ("0000000100000001000000FF", "0000000100000001000000FE");
    for unlisted in [
        last,
        "000000010000000200000000",
        "000000020000000100000000",
        "00000002.history",
        "000000010000000100000003.00000028.backup",
        ONE,
    ] {
        let yard = Yard::new(None);
        yard.arrive(before_last, "WAL");
        yard.run().unwrap();
        yard.python_archives_and_is_killed(unlisted);
        yard.run().unwrap();
        assert_eq!(yard.listed(), [before_last, unlisted]);
    }
}

#[test]
fn the_very_first_file_is_listed_when_nothing_else_was() {
    let yard = Yard::new(None);
    assert_eq!(yard.run().unwrap(), IntakeReport::default());
    assert!(!yard.path("wals").exists());
    yard.python_archives_and_is_killed(ONE);
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE]);
}

#[test]
fn what_many_killed_programs_left_is_listed_by_one_run() {
    let yard = Yard::new(None);
    yard.python_archives_and_is_killed(ONE);
    yard.run().unwrap();
    for _ in 0..2 {
        yard.python_archives_and_is_killed(TWO);
        // Somebody of ours who only asks takes the lock too, and must not hide what is to be done.
        yard.archive().open().unwrap().totals(..).unwrap();
        yard.python_archives_and_is_killed("000000010000000100000000");
    }
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE, TWO, "000000010000000100000000"]);
}

#[test]
fn only_directories_that_changed_since_everything_was_listed_are_looked_into() {
    let yard = Yard::new(None);
    for name in [ONE, "000000010000000100000000"] {
        yard.arrive(name, name);
    }
    yard.run().unwrap();
    let changed_in = |directory: &str, hours: u64| {
        let moment = SystemTime::now() - Duration::from_hours(hours);
        File::open(yard.path(directory)).unwrap().set_modified(moment).unwrap();
    };
    for name in [TWO, "000000010000000100000001"] {
        yard.python_archives_and_is_killed(name);
    }
    changed_in(HASH_DIR, 48);
    yard.run().unwrap();
    assert_eq!(yard.listed(), [ONE, "000000010000000100000000", "000000010000000100000001"]);
}

#[test]
fn a_file_we_may_not_read_stops_the_run_with_the_remedy() {
    // Root may read everything: this test then runs again as somebody else.
    if nix::unistd::Uid::effective().is_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = dir.path().join("tests");
        fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        let name = "wal::intake::tests::a_file_we_may_not_read_stops_the_run_with_the_remedy";
        let run = Command::new(copy).args(["--exact", name]).uid(65534).current_dir("/").output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let yard = Yard::new(None);
    for name in [ONE, TWO, THREE] {
        yard.arrive(name, name);
    }
    fs::set_permissions(yard.path("incoming").join(TWO), fs::Permissions::from_mode(0o0)).unwrap();
    let error = yard.run().unwrap_err();
    assert!(error.to_string().ends_with(&format!("incoming/{TWO}': permission denied")), "{error}");
    assert!(error.hint().unwrap().contains("mode 0640"));
    assert_eq!(
        (yard.listed(), yard.names("incoming")),
        (vec![ONE.to_owned()], vec![TWO.to_owned(), THREE.to_owned()])
    );
}

#[test]
fn a_last_line_that_was_cut_is_mended() {
    let yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, "one");
    yard.arrive(TWO, "two");
    yard.run().unwrap();
    let whole = yard.lines();
    let both = fs::read(yard.path("wals/main-xlog.db")).unwrap();
    for len in whole[0].len() + 1..both.len() {
        fs::write(yard.path("wals/main-xlog.db"), &both[..len]).unwrap();
        yard.arrive(THREE, "three");
        yard.run().unwrap();
        assert_eq!(yard.listed(), [ONE, TWO, THREE], "cut to {len} bytes");
        assert_eq!(yard.lines()[1], whole[1]);
        fs::remove_file(yard.path(HASH_DIR).join(THREE)).unwrap();
    }
}

#[test]
fn a_leftover_that_is_a_second_name_of_the_source_does_not_harm_the_source() {
    let yard = Yard::new(Some(Compression::Gzip));
    yard.arrive(ONE, "one");
    fs::create_dir_all(yard.path(HASH_DIR)).unwrap();
    let leftover = temporary_of(&yard.path(HASH_DIR).join(ONE));
    fs::hard_link(yard.path("incoming").join(ONE), leftover).unwrap();
    fs::write(yard.path(HASH_DIR).join(format!("{ONE}.compressed")), "half").unwrap();
    yard.run().unwrap();
    assert_eq!(yard.archived(ONE).unwrap(), b"one");
    assert_eq!(fs::read_dir(yard.path(HASH_DIR)).unwrap().count(), 1);
}

#[test]
fn a_corrupt_line_does_not_stop_archiving() {
    let yard = Yard::new(None);
    yard.arrive(ONE, "one");
    yard.run().unwrap();
    fs::write(yard.path("wals/main-xlog.db"), "nonsense\n").unwrap();
    yard.arrive(TWO, "two");
    yard.run().unwrap();
    assert_eq!(yard.listed(), ["nonsense", ONE, TWO]);
    assert!(yard.archive().open().unwrap().totals(..).is_err());
}
