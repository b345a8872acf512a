//! From this host to a directory of its own or of another one, which may hold something already.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use barman::sys::{Cancel, Context, Events, Progress, Severity};
use barman::transfer::Endpoint;
use barman::transfer::filter::Filters;
use barman::transfer::smart_copy::{CopyItem, CopyReport, Error, SmartCopy};

use crate::kit::*;

fn restores() -> [SmartCopy; 2] {
    [Endpoint::Local, Sshd::shared().endpoint()].map(restore_to)
}

fn restore_to(destination: Endpoint) -> SmartCopy {
    SmartCopy { is_source_still: true, ..SmartCopy::new(Endpoint::Local, destination) }
}

fn backup_in(root: &Path) {
    write(&root.join("PG_VERSION"), "15\n");
    write(&root.join("base/1/1259"), noise(1, 100_000));
    write(&root.join("base/1/becomes_file"), "file");
    write(&root.join("becomes_directory/x"), "x");
    write(&root.join("tablespace_map"), "16385 /ts\n");
    fs::create_dir_all(root.join("pg_wal/archive_status")).unwrap();
    fs::create_dir_all(root.join("pg_tblspc")).unwrap();
    set_mode(root, 0o700);
}

#[test]
fn a_new_directory_holds_the_backup() {
    for copy in restores() {
        let dir = Dir::new();
        backup_in(&dir.join("backup"));
        let item = CopyItem {
            filters: Filters::restore_of_pgdata(),
            ..CopyItem::tree("pgdata", dir.join("backup"), dir.join("pg"))
        };
        let report = SmartCopy { items: vec![item], jobs: 2, ..copy }.run(&context()).unwrap();
        let mut expected = tree(&dir.join("backup"));
        expected.retain(|path, _| {
            !path.starts_with("pg_wal/archive_status") && path != Path::new("tablespace_map")
        });
        assert_eq!(tree(&dir.join("pg")), expected);
        assert_eq!(report.files, 4);
    }
}

#[test]
fn what_a_directory_held_gives_way_but_for_what_is_protected() {
    for copy in restores() {
        let dir = Dir::new();
        let (backup, pg) = (dir.join("backup"), dir.join("pg"));
        backup_in(&backup);
        write(&pg.join("base/1/1259"), noise(2, 100_000));
        write(&pg.join("base/1/dropped"), "x");
        write(&pg.join("base/1/becomes_file/x"), "x");
        write(&pg.join("becomes_directory"), "x");
        write(&pg.join("pg_wal/000000010000000000000001"), "of another life");
        write(&pg.join("postmaster.pid"), "1");
        write(&pg.join("pg_tblspc/16385/PG_15_1/1/2"), "row");
        // As it was copied, and another one of the same size and time.
        for name in ["PG_VERSION", "base/1/becomes_file"] {
            set_modified(&backup.join(name), 1_700_000_000, 0);
        }
        write(&pg.join("PG_VERSION"), "14\n");
        set_modified(&pg.join("PG_VERSION"), 1_700_000_000, 0);
        let item = CopyItem {
            filters: Filters::restore_of_pgdata().protecting("pg_tblspc/16385"),
            ..CopyItem::tree("pgdata", &backup, &pg)
        };
        SmartCopy { items: vec![item], ..copy }.run(&context()).unwrap();
        let mut expected = tree(&backup);
        expected.retain(|path, _| {
            !path.starts_with("pg_wal/archive_status") && path != Path::new("tablespace_map")
        });
        let mut result = tree(&pg);
        result.retain(|path, _| !path.starts_with("pg_tblspc/16385"));
        assert_eq!(result, expected);
        assert_eq!(fs::read(pg.join("pg_tblspc/16385/PG_15_1/1/2")).unwrap(), b"row");
    }
}

/// An rsync that copies nothing.
const ONLY_LISTS: &str = r#"case "$*" in *--list-only*) exec $real "$@";; esac; echo refused >&2; exit 1"#;

#[test]
fn on_this_host_files_arrive_without_rsync_as_it_would_bring_them() {
    let dir = Dir::new();
    let source = dir.join("backup");
    backup_in(&source);
    write(&source.join("base/5/2619"), noise(2, 40_000_000));
    write(&source.join("base/5/empty"), "");
    write(&source.join("#odd\n name \\#012"), "odd");
    write(&source.join("elsewhere/there"), "linked");
    std::os::unix::fs::symlink("elsewhere/there", source.join("link")).unwrap();
    std::os::unix::fs::symlink("elsewhere", source.join("linked")).unwrap();
    // Nobody but root may write there.
    set_mode(&source.join("base/5"), 0o500);
    set_mode(&source.join("base/1/1259"), 0o440);
    set_modified(&source.join("base/1/1259"), 1_700_000_000, 250_000_000);
    set_mode(&source.join("base/1"), 0o750);
    write(&dir.join("by us/.mark"), "a restore is under way");
    let copy = |to: &str, limit| {
        let filters = Filters::restore_of_pgdata().protecting(".mark");
        let item = CopyItem { filters, ..CopyItem::tree("pgdata", &source, dir.join(to)) };
        let items = vec![CopyItem { bandwidth_limit: limit, ..item }];
        SmartCopy { items, jobs: 2, ..restore_to(Endpoint::Local) }
    };
    // Only rsync can keep to a limit.
    let by_rsync = copy("by rsync", 1_000_000).run(&context()).unwrap();
    let path_prefix = Some(dir.stand_in("rsync", ONLY_LISTS));
    let (context, heard) = listened();
    let by_us = SmartCopy { path_prefix, ..copy("by us", 0) }.run(&context).unwrap();
    let mut there = tree(&dir.join("by us"));
    assert!(there.remove(Path::new(".mark")).is_some());
    assert_eq!(there, tree(&dir.join("by rsync")));
    let told = |report: &CopyReport| (report.files, report.bytes, report.copied_bytes, report.links.clone());
    assert_eq!(told(&by_us), told(&by_rsync));
    let last = heard.progress.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("copying files".into(), by_us.bytes, Some(by_us.bytes))));
    for root in ["backup", "by rsync", "by us"] {
        set_mode(&dir.join(root).join("base/5"), 0o700);
    }
}

/// Stops what it hears of when the first bytes are there.
struct Stopper(Cancel);

impl Events for Stopper {
    fn say(&self, _: Severity, _: &str) {}

    fn progress(&self, progress: Progress<'_>) {
        if progress.phase == "copying files" && progress.bytes > 0 {
            self.0.cancel();
        }
    }
}

#[test]
fn a_restore_that_was_stopped_on_this_host_can_be_made_again() {
    let dir = Dir::new();
    let (backup, pg) = (dir.join("backup"), dir.join("pg"));
    backup_in(&backup);
    write(&backup.join("base/1/16384"), noise(2, 40_000_000));
    let items = vec![CopyItem::tree("pgdata", &backup, &pg)];
    let copy = SmartCopy { items, ..restore_to(Endpoint::Local) };
    let cancel = Cancel::default();
    let stopped = copy.run(&Context::new(Arc::new(Stopper(cancel.clone())), cancel));
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    assert_ne!(tree(&pg), tree(&backup));
    copy.run(&context()).unwrap();
    assert_eq!(tree(&pg), tree(&backup));
}

#[test]
fn a_file_of_the_backup_that_cannot_be_read_ends_the_restore_and_is_named() {
    let dir = Dir::new();
    backup_in(&dir.join("backup"));
    // Gone between the list and the copy.
    let script = format!(
        r#""$real" "$@"; status=$?; rm -f {}; exit $status"#,
        dir.join("backup/base/1/1259").display()
    );
    let path_prefix = Some(dir.stand_in("rsync", &script));
    let items = vec![CopyItem::tree("pgdata", dir.join("backup"), dir.join("pg"))];
    let failure =
        SmartCopy { items, path_prefix, ..restore_to(Endpoint::Local) }.run(&context()).unwrap_err();
    let named = format!("cannot examine '{}'", dir.join("backup/base/1/1259").display());
    assert_eq!(failure.to_string(), named);
}
