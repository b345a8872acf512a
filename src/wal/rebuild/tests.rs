use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::codec::Compression;
use crate::sys::Files;
use crate::wal::testkit::{Faults, Yard};

/// An archive with what a year may have brought: all kinds of files, plain and compressed under several names.
fn archived() -> Yard {
    let mut yard = Yard::new(None);
    let compressions = [None, Some(Compression::Pigz), Some(Compression::Gzip), Some(Compression::Pybzip2)];
    for (at, compression) in compressions.into_iter().enumerate() {
        yard.settings.compression = compression;
        yard.arrive(&format!("0000000100000000000000{at:02X}"), [at as u8; 100]);
        yard.arrive(&format!("0000000100000000000000{at:02X}.00000028.backup"), "START WAL LOCATION");
        yard.run().unwrap();
    }
    yard.arrive("00000002.history", "1\t0/3000000\tno recovery target specified\n");
    yard.arrive("000000020000000000000003.partial", "half");
    yard.arrive("000000020000000000000004", "whole");
    yard.run().unwrap();
    yard
}

fn list(yard: &Yard) -> PathBuf {
    yard.path("wals/main-xlog.db")
}

#[test]
fn a_list_made_anew_is_the_one_that_archiving_had_written() {
    let yard = archived();
    let written = yard.lines();
    assert!(written.iter().any(|line| line.ends_with("\tpigz\tNone")));
    assert!(written.iter().any(|line| line.contains(".partial\t")));
    let totals = yard.archive().open().unwrap().totals(..).unwrap();
    let rebuilt = yard.archive().rebuild().unwrap();
    assert_eq!((yard.lines(), rebuilt.totals), (written.clone(), totals));
    assert_eq!(rebuilt.strangers, Strangers::default());

    // A line among others that is none, late lines and lines of files that are gone.
    let mut damaged = written.clone();
    damaged.rotate_left(3);
    damaged.insert(2, "not a line".into());
    damaged.push("0000000100000000000000FF\t1\t1.0\tgzip\tNone".into());
    fs::write(list(&yard), damaged.join("\n")).unwrap();
    yard.archive().rebuild().unwrap();
    assert_eq!(yard.lines(), written);
}

#[test]
fn the_list_of_a_barman_before_3_13_gives_its_labels_too() {
    let yard = archived();
    let written = yard.lines();
    let in_four = |line: &String| line.strip_suffix("\tNone").unwrap().to_owned() + "\n";
    let four: String = written.iter().map(in_four).collect();
    fs::remove_file(list(&yard)).unwrap();
    fs::write(yard.path("wals/xlog.db"), four).unwrap();
    yard.archive().rebuild().unwrap();
    assert_eq!(yard.lines(), written);
    assert_eq!(
        yard.names("wals"),
        ["0000000100000000", "00000002.history", "0000000200000000", "main-xlog.db", "main-xlog.db.idx"]
    );
}

#[test]
fn what_the_old_list_says_of_another_file_counts_for_nothing() {
    let yard = archived();
    let written = yard.lines();
    let truth: Vec<String> =
        written.iter().map(|line| line.replace("pigz", "gzip").replace("pybzip2", "bzip2")).collect();
    let lies: [fn(&str) -> String; 4] = [
        |line| {
            line.replace("\tgzip\t", "\tbzip2\t").replace("\tpigz\t", "\tNone\t").replace("pybzip2", "zstd")
        },
        |line| line.replacen('\t', "\t9", 1).replace("gzip", "pygzip"),
        |line| {
            let mut fields: Vec<&str> = line.split('\t').collect();
            let later = format!("{}", fields[2].parse::<f64>().unwrap() + 0.5);
            fields[2] = &later;
            fields.join("\t")
        },
        |_| "\0".repeat(5000),
    ];
    for lie in lies {
        let told: String = written.iter().map(|line| lie(line) + "\n").collect();
        fs::write(list(&yard), told).unwrap();
        yard.archive().rebuild().unwrap();
        let found = yard.lines();
        let differing: Vec<_> = found.iter().zip(&truth).filter(|(found, truth)| found != truth).collect();
        assert!(differing.is_empty(), "{differing:?}");
    }
}

#[test]
fn an_encryption_hides_the_compression_and_a_filter_of_the_users_has_any_magic() {
    let yard = Yard::new(None);
    let dir = yard.path("wals/0000000100000000");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("000000010000000000000001"), b"\x85\x01\x0c\x03 encrypted").unwrap();
    fs::write(dir.join("000000010000000000000002"), b"\x1f\x8b\x08 by a filter").unwrap();
    yard.archive().rebuild().unwrap();
    assert!(yard.lines()[0].ends_with("\tNone\tgpg") && yard.lines()[1].ends_with("\tgzip\tNone"));
    let told =
        [yard.lines()[0].replace("\tNone\tgpg", "\tzstd\tgpg"), yard.lines()[1].replace("gzip", "custom")];
    fs::write(list(&yard), told.join("\n") + "\n").unwrap();
    yard.archive().rebuild().unwrap();
    assert_eq!(yard.lines(), told);
}

#[test]
fn strangers_are_counted_and_links_are_followed() {
    let yard = archived();
    let written = yard.lines();
    // An old directory on another disk, and one file.
    fs::rename(yard.path("wals/0000000100000000"), yard.path("elsewhere")).unwrap();
    symlink(yard.path("elsewhere"), yard.path("wals/0000000100000000")).unwrap();
    let segment = yard.path("wals/0000000200000000/000000020000000000000004");
    fs::rename(&segment, yard.path("a file")).unwrap();
    symlink(yard.path("a file"), &segment).unwrap();
    for stranger in
        ["lost+found/x", "0000000200000000/000000020000000000000005.compressed", "0000000200000000/dir/y"]
    {
        let path = yard.path("wals").join(stranger);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::write(yard.path("wals/0000000200000000/.000000020000000000000006.tmp"), "").unwrap();
    fs::write(yard.path("wals/notes"), "").unwrap();
    let strangers = yard.archive().rebuild().unwrap().strangers;
    let mut paths: Vec<&Path> =
        strangers.first.iter().map(|path| path.strip_prefix(yard.path("wals")).unwrap()).collect();
    paths.sort();
    let expected = [
        "0000000200000000/000000020000000000000005.compressed",
        "0000000200000000/dir",
        "lost+found",
        "notes",
    ];
    assert_eq!((strangers.count, paths), (4, expected.map(Path::new).to_vec()));
    assert_eq!(yard.lines(), written);
}

#[test]
fn a_crash_while_the_list_is_made_anew_leaves_a_whole_one() {
    let mut yard = archived();
    let written = yard.lines();
    for first in 0.. {
        let faults = Faults::new(first, usize::MAX);
        let sound = std::mem::replace(&mut yard.context.files, Files::probed(faults.clone()));
        let done = yard.archive().rebuild().is_ok();
        yard.context.files = sound;
        assert_eq!(yard.lines(), written, "stopped after {first} steps");
        if done && faults.seen() <= first {
            break;
        }
    }
}

#[test]
fn archiving_goes_on_while_lists_are_made_anew() {
    let yard = Yard::new(Some(Compression::Pigz));
    let names: Vec<String> = (0..20).map(|number| format!("0000000100000000000000{number:02X}")).collect();
    std::thread::scope(|scope| {
        let archiving = scope.spawn(|| {
            for name in &names {
                yard.arrive(name, name);
                yard.run().unwrap();
            }
        });
        while !archiving.is_finished() {
            yard.archive().rebuild().unwrap();
            // Who waits for a lock looks for it now and then, and must have a chance.
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(yard.listed(), names);
    assert!(yard.lines().iter().all(|line| line.ends_with("\tpigz\tNone")));
}
