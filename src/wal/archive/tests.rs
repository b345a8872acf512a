use std::fs as std_fs;
use std::io::Write;

use super::*;
use crate::codec::{Encoder, Format, Level};
use crate::wal::Totals;
use crate::wal::testkit::Yard;

fn name(text: &str) -> WalName {
    text.parse().unwrap()
}

/// Puts a file straight into `wals/`, as another program does.
fn put(yard: &Yard, wal: &str, content: impl AsRef<[u8]>) {
    let path = yard.archive().path_of(name(wal));
    std_fs::create_dir_all(path.parent().unwrap()).unwrap();
    std_fs::write(path, content).unwrap();
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), Format::Gzip, Level::Low).unwrap();
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_list_that_could_not_be_mended_is_not_called_complete() {
    let yard = Yard::new(None);
    yard.arrive("000000010000000000000001", "one");
    yard.run().unwrap();
    // A file that cannot be read, and its line, cut off.
    let cut = "000000010000000000000002";
    std_fs::create_dir(yard.archive().path_of(name(cut))).unwrap();
    let mut xlogdb = File::options().append(true).open(yard.path("wals/main-xlog.db")).unwrap();
    write!(xlogdb, "{cut}\t3").unwrap();
    assert!(yard.archive().open().is_err());
    assert!(!yard.archive().is_known_complete().unwrap());
}

#[test]
fn a_missing_list_is_made_from_the_files_in_order() {
    let yard = Yard::new(None);
    let wals = [
        "000000010000000000000001",
        "000000010000000000000001.00000028.backup",
        "000000010000000100000000",
        "000000010000000100000001.partial",
        "00000002.history",
        "000000020000000100000001",
    ];
    for wal in wals.iter().rev() {
        put(&yard, wal, gzip(wal));
    }
    put(&yard, "000000020000000100000002", b"\x85\x01\x0c\x03 encrypted");
    std_fs::write(yard.path("wals/xlog.db"), "what Barman 3.12 listed\n").unwrap();
    for stranger in ["wals/stranger", "wals/0000000100000000/000000010000000100000009"] {
        std_fs::write(yard.path(stranger), "").unwrap();
    }
    std_fs::create_dir(yard.path("wals/0000000100000000/000000010000000000000008")).unwrap();
    let totals = yard.archive().open().unwrap().totals(..).unwrap();
    assert_eq!(yard.listed()[..6], wals);
    assert!(yard.lines()[0].ends_with("\tgzip\tNone"));
    assert!(yard.lines()[6].ends_with("\tNone\tgpg"));
    assert_eq!(yard.lines().len(), 7);
    assert!(!yard.path("wals/xlog.db").exists());
    assert_eq!(yard.archive().rebuild().unwrap().totals, totals);
    assert_eq!((totals.segments.files, totals.partials.files, totals.histories.files), (4, 1, 1));
}

#[test]
fn an_archive_that_does_not_exist_is_empty() {
    let yard = Yard::new(None);
    assert_eq!(yard.archive().open().unwrap().totals(..).unwrap(), Totals::default());
    assert_eq!(yard.archive().open().unwrap().latest_segments().unwrap(), []);
}

#[test]
fn the_first_missing_segment_is_found() {
    let yard = Yard::new(None);
    let segments: Vec<WalSegment> =
        (1..5).map(|n| format!("00000001000000000000000{n}").parse().unwrap()).collect();
    put(&yard, "000000010000000000000001", "");
    put(&yard, "000000010000000000000003", "");
    let archive = yard.archive();
    assert_eq!(archive.find_missing(segments.clone()).unwrap(), Some(segments[1]));
    assert_eq!(archive.find_missing(segments[..1].to_vec()).unwrap(), None);
}

#[test]
fn timelines_are_reachable_while_their_histories_follow_one_another() {
    let yard = Yard::new(None);
    put(&yard, "00000002.history", "1\t0/3000000\tno recovery target specified\n");
    put(&yard, "00000003.history", gzip("1\t0/3000000\tx\n2\t0/5000000\ty\n"));
    put(&yard, "00000005.history", "1\t0/9000000\tnobody asks\n");
    let reachable = |timeline: u32, lsn: &str| {
        let found =
            yard.archive().reachable_timelines(Timeline::new(timeline).unwrap(), lsn.parse().unwrap());
        found.unwrap().iter().map(|(timeline, _)| timeline.number()).collect::<Vec<_>>()
    };
    assert_eq!(reachable(1, "0/3000000"), [2, 3]);
    assert!(reachable(1, "0/3000001").is_empty());
    assert_eq!(reachable(2, "0/0"), [3]);
    assert!(reachable(u32::MAX, "0/0").is_empty());
    put(&yard, "00000004.history", "nonsense");
    assert!(yard.archive().reachable_timelines(Timeline::FIRST, Lsn::default()).is_err());
}

#[test]
fn a_list_that_is_no_text_is_refused_and_left_alone() {
    let yard = Yard::new(None);
    std_fs::create_dir(yard.path("wals")).unwrap();
    let garbage = vec![0; 10_000];
    std_fs::write(yard.path("wals/main-xlog.db"), &garbage).unwrap();
    assert!(matches!(yard.archive().open(), Err(Error::NoLines { .. })));
    assert_eq!(std_fs::read(yard.path("wals/main-xlog.db")).unwrap(), garbage);
}

#[test]
fn a_file_that_cannot_be_decoded_is_named_with_the_remedy() {
    let mut yard = Yard::new(None);
    let wal = "000000010000000000000001";
    let fails = |yard: &Yard| {
        let read = yard
            .archive()
            .read(name(wal))
            .and_then(|content| content.copy_to(&mut Vec::new(), Path::new("x")));
        let error = read.unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().ends_with("wals/0000000100000000/000000010000000000000001'"), "{error}");
        format!("{why}. {}", error.hint().unwrap())
    };
    let whole = gzip("content");
    put(&yard, wal, &whole[..whole.len() - 1]);
    assert!(fails(&yard).ends_with("the file is damaged."));
    put(&yard, wal, b"\x85\x01\x0c\x03 a message of gpg");
    assert!(fails(&yard).starts_with("it is encrypted with gpg"));
    yard.custom.is_in_use = true;
    put(&yard, wal, "what the filter made");
    assert!(fails(&yard).contains("set 'custom_decompression_filter' to the shell command that undoes it"));
    yard.custom.decompression_filter = Some("exit 7".into());
    assert!(fails(&yard).contains("ended with exit code 7. Correct 'custom_decompression_filter'"));
}
