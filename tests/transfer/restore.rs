//! From this host to a directory of its own or of another one, which may hold something already.

use std::fs;
use std::path::Path;

use barman::transfer::Endpoint;
use barman::transfer::filter::Filters;
use barman::transfer::smart_copy::{CopyItem, SmartCopy};

use crate::kit::*;

fn restores() -> [SmartCopy; 2] {
    [Endpoint::Local, Sshd::shared().endpoint()].map(|to| SmartCopy::new(Endpoint::Local, to))
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
