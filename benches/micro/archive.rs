//! The list of the archive and the index beside it.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use barman::codec::{Codecs, Custom};
use barman::types::{Lsn, SegmentSize, Timeline, WalName, WalSegment};
use barman::wal::{Archive, ArchivePaths, Totals, XlogDbEntry};
use divan::Bencher;
use tempfile::TempDir;

use crate::context;

const MANY: u64 = 1_000_000;
const FEW: u64 = 100_000;

/// An archive of which there is only the list.
struct Listed {
    archive: Archive,
    dir: TempDir,
}

static LISTED: LazyLock<Listed> = LazyLock::new(|| Listed::with(MANY));

impl Listed {
    fn with(lines: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for number in 0..lines {
            writeln!(text, "{}\t5242880\t{}.5\tgzip\tNone", segment(number), 1_735_689_600 + number * 20)
                .unwrap();
        }
        let wals_dir = dir.path().join("wals");
        let xlogdb = wals_dir.join("main-xlog.db");
        fs::create_dir(&wals_dir).unwrap();
        fs::write(&xlogdb, text).unwrap();
        let paths = ArchivePaths { server: "main".into(), wals_dir, xlogdb, lock_dir: dir.path().to_owned() };
        let archive = Archive::new(&context(), paths, Codecs::new(&context(), Custom::default()));
        archive.open().unwrap();
        Self { archive, dir }
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join("wals/main-xlog.db.idx")
    }
}

fn segment(number: u64) -> WalName {
    let lsn = Lsn::new(number * u64::from(SegmentSize::DEFAULT.bytes()));
    WalName::Segment(WalSegment::containing(lsn, Timeline::FIRST, SegmentSize::DEFAULT))
}

/// What every command that asks the list begins with: the lock, and whether the index still holds.
#[divan::bench]
fn open() {
    LISTED.archive.open().unwrap();
}

#[divan::bench]
fn find(bencher: Bencher<'_, '_>) {
    let mut open = LISTED.archive.open().unwrap();
    bencher.bench_local(|| -> Option<XlogDbEntry> { open.find(segment(MANY * 2 / 3)).unwrap() });
}

#[divan::bench]
fn last_segment(bencher: Bencher<'_, '_>) {
    let mut open = LISTED.archive.open().unwrap();
    bencher.bench_local(|| -> Option<XlogDbEntry> { open.last_segment(..).unwrap() });
}

/// The sums over half of the lines, as `list-backups` asks for them.
#[divan::bench]
fn totals(bencher: Bencher<'_, '_>) {
    let mut open = LISTED.archive.open().unwrap();
    let half = segment(MANY / 4)..segment(MANY * 3 / 4);
    bencher.bench_local(|| -> Totals { open.totals(half.clone()).unwrap() });
}

/// Lines one by one, as `list-files` reads them.
#[divan::bench(args = [1_000, 100_000])]
fn entries(bencher: Bencher<'_, '_>, lines: u64) {
    let mut open = LISTED.archive.open().unwrap();
    bencher.counter(lines).bench_local(|| open.entries(segment(MANY - lines)..).unwrap().count());
}

/// What the first command pays after another program has written to the list.
#[divan::bench]
fn make_index(bencher: Bencher<'_, '_>) {
    let listed = Listed::with(FEW);
    let without_index = || fs::remove_file(listed.index()).unwrap();
    bencher.counter(FEW).with_inputs(without_index).bench_local_values(|()| {
        listed.archive.open().unwrap();
    });
}
